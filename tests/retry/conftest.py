"""Every form of retrying behind one signature, and time that only the test moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from trax_otel.retry import RetryConfig, RetryContext, async_retry, retry, retrying
from trax_otel.testing import FakeClock, fake_clock

Form = Callable[..., Awaitable[Any]]
"""`await form(function, **options)`: calls a plain function with retries."""


def coroutine_of(function: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def coroutine() -> Any:
        return function()

    return coroutine


async def decorator(function: Callable[[], Any], **options: Any) -> Any:
    return retry(**options)(lambda: function())()


async def decorator_by_config(function: Callable[[], Any], **options: Any) -> Any:
    return retry(RetryConfig(**options))(lambda: function())()


async def async_decorator(function: Callable[[], Any], **options: Any) -> Any:
    return await async_retry(**options)(coroutine_of(function))()


async def recognised_coroutine(function: Callable[[], Any], **options: Any) -> Any:
    return await retry(**options)(coroutine_of(function))()


async def context(function: Callable[[], Any], **options: Any) -> Any:
    with RetryContext(**options) as retries:
        return retries.execute(function)


async def async_context(function: Callable[[], Any], **options: Any) -> Any:
    async with RetryContext(**options) as retries:
        return await retries.execute(coroutine_of(function))


async def direct(function: Callable[[], Any], **options: Any) -> Any:
    return retrying(**options).call(function)


async def direct_async(function: Callable[[], Any], **options: Any) -> Any:
    return await retrying(**options).acall(coroutine_of(function))


async def loop(function: Callable[[], Any], **options: Any) -> Any:
    result = None
    for attempt in retrying(**options):
        with attempt:
            result = function()
            attempt.set_result(result)
    return result


async def async_loop(function: Callable[[], Any], **options: Any) -> Any:
    result = None
    async for attempt in retrying(**options):
        with attempt:
            result = function()
            attempt.set_result(result)
    return result


FORMS: list[Form] = [
    decorator, decorator_by_config, async_decorator, recognised_coroutine, context, async_context, direct, direct_async,
    loop, async_loop,
]  # fmt: skip


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__)
def form(request: pytest.FixtureRequest) -> Form:
    chosen: Form = request.param
    return chosen


@pytest.fixture(autouse=True)
def time() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


class Failing:
    """Raises one error after the other, then returns `answer`; an error that repeats is given as `[error] * n`."""

    def __init__(self, *errors: BaseException, answer: Any = "fine") -> None:
        self.errors = list(errors)
        self.answer = answer
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        if self.calls <= len(self.errors):
            raise self.errors[self.calls - 1]
        return self.answer


@pytest.fixture
def failing() -> type[Failing]:
    return Failing
