"""What can be decorated, and what such a function's calls count as."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from trax_otel.retry import CircuitBreaker, CircuitOpenError
from trax_otel.testing import FakeClock


async def fails() -> None:
    await asyncio.sleep(0)
    raise ConnectionError("refused")


def hands_back_a_coroutine() -> Coroutine[Any, Any, None]:
    return fails()


def test_recursion_and_nesting() -> None:
    breaker, other = CircuitBreaker(failure_threshold=1), CircuitBreaker(failure_threshold=1)

    @breaker
    def countdown(number: int) -> int:
        with other, breaker:
            return number if number == 0 else countdown(number - 1)

    assert countdown(5) == 0


def test_what_cannot_be_guarded_is_refused() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    class Client: ...

    for wrong, told in (
        (generator, "is a generator function"),
        (async_generator, "is a generator function"),
        (Client, "is a class: wrap the function that makes it"),
        (3, "cannot be called"),
    ):
        with pytest.raises(TypeError, match=told):
            CircuitBreaker()(wrong)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "calls",
    [
        lambda breaker: breaker(hands_back_a_coroutine),
        lambda breaker: breaker(functools.partial(hands_back_a_coroutine)),
        lambda breaker: functools.partial(breaker.call, fails),
        lambda breaker: functools.partial(breaker.acall, hands_back_a_coroutine),
    ],
)
async def test_a_coroutine_counts_when_it_has_been_awaited(
    calls: Callable[[CircuitBreaker], Callable[[], Any]], time: FakeClock
) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=10.0)
    call = calls(breaker)
    with pytest.raises(ConnectionError):
        await call()
    assert breaker.state == "open"
    time.advance(10.0)
    with pytest.raises(ConnectionError):  # as a probe, too
        await call()
    assert breaker.state == "open"
    with pytest.raises(CircuitOpenError):
        await call()
    assert breaker.calls.by_outcome()["success"] == 0


async def test_a_coroutine_that_goes_well_closes_it(time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=10.0)
    breaker.open()
    time.advance(10.0)
    assert await breaker.call(asyncio.sleep, 0, "fine") == "fine"
    assert breaker.state == "closed"


async def test_a_coroutine_that_is_cancelled_or_never_awaited_counts_as_cancelled() -> None:
    breaker = CircuitBreaker(failure_threshold=1)
    task = asyncio.create_task(breaker.call(asyncio.sleep, 60.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    coroutine = fails()
    forgotten = breaker.call(lambda: coroutine)
    forgotten.close()  # else Python would warn here, as it does without a breaker
    coroutine.close()
    del forgotten
    assert breaker.calls.by_outcome()["cancelled"] == 2


def test_methods_of_every_kind() -> None:
    breaker = CircuitBreaker(name="methods")

    class Client:
        @breaker
        def plain(self) -> str:
            return type(self).__name__

        @breaker
        @classmethod
        def of_the_class(cls) -> str:
            return cls.__name__

        @breaker
        @staticmethod
        def of_nobody() -> str:
            return "nobody"

    client = Client()
    assert [client.plain(), client.of_the_class(), Client.of_nobody()] == ["Client", "Client", "nobody"]
    assert breaker.calls.by_outcome()["success"] == 3
