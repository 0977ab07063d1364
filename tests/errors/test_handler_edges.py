"""`error_handler` where things are odd: async generators that swallow, hostile errors, awaitables, falsy errors, many traces."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from trax_otel import semconv
from trax_otel.errors import error_handler
from trax_otel.retry import async_retry
from trax_otel.signals import start_span
from trax_otel.testing import CapturedTelemetry


async def test_an_async_context_manager_may_swallow_what_its_block_raises(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    @error_handler
    async def quiet() -> AsyncIterator[int]:
        with contextlib.suppress(ValueError):
            yield 1

    async with quiet() as value:
        assert value == 1
        raise ValueError("swallowed")
    assert caplog.records == []
    with pytest.raises(KeyError):
        async with quiet():
            raise KeyError("not swallowed")
    assert len(caplog.records) == 1


def test_a_context_manager_may_swallow_too() -> None:
    @contextlib.contextmanager
    @error_handler
    def quiet() -> Iterator[None]:
        with contextlib.suppress(ValueError):
            yield

    with quiet():
        raise ValueError("swallowed")


async def test_what_is_sent_and_thrown_in_passes_as_without_it() -> None:
    async def echo() -> AsyncIterator[Any]:
        received: Any = "first"
        while True:
            try:
                received = yield received
            except KeyError as error:
                received = repr(error)
            except ValueError:
                received = yield "twice"

    plain, handled = echo(), error_handler(echo)()
    for step in (
        lambda one: one.asend(None), lambda one: one.asend(1), lambda one: one.athrow(KeyError(2)),
        lambda one: one.athrow(ValueError()), lambda one: one.asend(3), lambda one: one.asend(4),
    ):  # fmt: skip
        assert await step(plain) == await step(handled)
    await plain.aclose()
    await handled.aclose()


class Hostile(Exception):
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


class VeryHostile(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError(name)

    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("kind", [Hostile, VeryHostile])
def test_an_error_whose_attributes_raise_is_raised_itself(kind: type[Exception]) -> None:
    error = kind()

    @error_handler
    def work() -> None:
        raise error

    with pytest.raises(kind) as caught:
        work()
    assert caught.value is error
    assert error_handler(reraise=False, default=3)(work)() == 3


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


def test_a_falsy_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    @error_handler
    def work() -> None:
        raise Falsy("nothing in it")

    with pytest.raises(Falsy):
        work()
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is Falsy


async def test_what_a_plain_function_hands_back_is_handled_when_it_is_awaited(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        raise ValueError("later")

    def plainly(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper() -> Any:
            return function()

        return wrapper

    with pytest.raises(ValueError, match="later"):
        await error_handler(plainly(work))()
    assert await error_handler(reraise=False, default=3)(plainly(work))() == 3
    assert len(caplog.records) == 2
    task = asyncio.ensure_future(work())
    assert error_handler(lambda: task)() is task
    with pytest.raises(ValueError, match="later"):
        await task
    await asyncio.sleep(0)
    assert len(caplog.records) == 3


# --- One error object, many traces ----------------------------------------------------------------


async def test_one_failed_task_that_many_traces_await_is_told_once_in_each(trax_telemetry: CapturedTelemetry) -> None:
    async def connect() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("refused")

    shared = asyncio.create_task(connect())

    @async_retry(max_retries=1, initial_delay=0, name="fetch")
    @error_handler
    async def fetch() -> None:
        await shared

    results = await asyncio.gather(*[fetch() for _ in range(50)], return_exceptions=True)
    assert len({id(result) for result in results}) == 1
    traces = {span.trace_id for span in trax_telemetry.spans if span.name == "fetch"}
    assert len(traces) == 50
    told = [
        span.trace_id for span in trax_telemetry.spans for event in span.events if event.name == semconv.EXCEPTION_EVENT
    ]
    assert sorted(told) == sorted(traces)
    assert trax_telemetry.total(semconv.ERRORS.name) == 50


def test_outside_of_traces_what_a_trace_has_told_is_not_told_again(
    trax_telemetry: CapturedTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError("once")

    @error_handler
    def work() -> None:
        raise error

    scope = start_span("request")
    with pytest.raises(ValueError, match="once"):
        work()
    scope.end("success")
    with pytest.raises(ValueError, match="once"):
        work()
    assert trax_telemetry.total(semconv.ERRORS.name) == 1
    assert len(caplog.records) == 1
