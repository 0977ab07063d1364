"""Every way to call through a breaker, and time that only the test moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from trax_otel.retry import CircuitBreaker
from trax_otel.testing import FakeClock, fake_clock

Way = Callable[[CircuitBreaker, Callable[[], Any]], Awaitable[Any]]
"""Calls a function through a breaker."""


async def decorated(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    return breaker(lambda: function())()


async def decorated_coroutine(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    @breaker
    async def coroutine() -> Any:
        return function()

    return await coroutine()


async def call(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    return breaker.call(function)


async def acall(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    async def coroutine() -> Any:
        return function()

    return await breaker.acall(coroutine)


async def block(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    with breaker:
        return function()


async def async_block(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    async with breaker:
        return function()


async def permit(breaker: CircuitBreaker, function: Callable[[], Any]) -> Any:
    given = breaker.acquire()
    try:
        value = function()
    except BaseException as error:
        given.record(error)
        raise
    given.record()
    return value


WAYS: list[Way] = [decorated, decorated_coroutine, call, acall, block, async_block, permit]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def through(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


@pytest.fixture(autouse=True)
def time() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock
