"""`error_handler` on every kind of function: classified, recorded once, logged once, raised again as it was."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from trax_otel.errors import NetworkError, error_handler
from trax_otel.signals import start_span
from trax_otel.testing import CapturedTelemetry


def make(world: str, error: BaseException | None = None, **options: Any) -> Callable[[], Any]:  # noqa: C901
    """The same function in each world, decorated, and called to its end."""
    decorate = error_handler(**options) if options else error_handler

    if world == "sync":

        @decorate
        def work() -> str:
            if error:
                raise error
            return "done"

        return work
    if world == "async":

        @decorate
        async def work_async() -> str:
            if error:
                raise error
            return "done"

        return lambda: asyncio.run(work_async())
    if world == "generator":

        @decorate
        def numbers() -> Iterator[str]:
            yield "done"
            if error:
                raise error

        return lambda: list(numbers())[-1]

    @decorate
    async def numbers_async() -> AsyncIterator[str]:
        yield "done"
        if error:
            raise error

    async def last() -> str:
        return [value async for value in numbers_async()][-1]

    return lambda: asyncio.run(last())


WORLDS = ["sync", "async", "generator", "async generator"]
pytestmark = pytest.mark.parametrize("world", WORLDS)


def test_success_passes_through(world: str) -> None:
    assert make(world)() == "done"


def test_an_error_is_recorded_and_logged_once_however_many_handlers_it_crosses(
    world: str, trax_telemetry: CapturedTelemetry
) -> None:
    error = NetworkError("no route")
    inner = make(world, error)

    @error_handler
    def outer() -> None:
        inner()

    scope = start_span("request")
    with pytest.raises(NetworkError) as caught:
        outer()
    scope.end("success")
    assert caught.value is error
    assert len(trax_telemetry.events("exception")) == 1
    logs = [log for log in trax_telemetry.logs if log.severity == "ERROR"]
    assert len(logs) == 1
    assert "TRAX-001" in logs[0].body
    assert trax_telemetry.metric("trax.errors", trax_error_code="TRAX-001").value == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError()], ids=repr)
def test_what_is_no_exception_passes_untouched(
    world: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(error)):
        make(world, error)()
    assert caplog.records == []


def test_a_default_can_take_the_errors_place(world: str) -> None:
    result = make(world, ValueError("x"), reraise=False, default="fallback")()
    assert result == ("fallback" if "generator" not in world else "done")


def test_a_callback_is_told_and_its_failure_contained(world: str, caplog: pytest.LogCaptureFixture) -> None:
    told: list[BaseException] = []

    def callback(error: BaseException) -> None:
        told.append(error)
        raise RuntimeError("callback")

    error = ValueError("x")
    with pytest.raises(ValueError, match="x"):
        make(world, error, on_error=callback)()
    assert told == [error]
    assert any("callback" in record.getMessage() and "raised" in record.getMessage() for record in caplog.records)


def test_a_logger_and_a_name_can_be_given(world: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="x"):
        make(world, ValueError("x"), logger=logging.getLogger("shop.errors"), operation="charge")()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.name == "shop.errors"
    assert record.__dict__["operation"] == "charge"
    assert record.__dict__["error_code"] == "TRAX-004"


def test_functions_stay_what_they_are(world: str) -> None:
    class Shop:
        @error_handler
        def charge(self, n: int = 1) -> int:
            """Charge."""
            return n

        @error_handler
        @staticmethod
        def twice(n: int) -> int:
            return 2 * n

    assert Shop().charge(3) == 3
    assert Shop.twice(2) == 4
    assert Shop.charge.__doc__ == "Charge."
    assert str(inspect.signature(Shop.charge)) == "(self, n: 'int' = 1) -> 'int'"


@pytest.mark.parametrize("thing", [42, int, None.__class__], ids=repr)
def test_what_is_no_function_is_refused(world: str, thing: Any) -> None:
    with pytest.raises(TypeError, match="error_handler decorates functions"):
        error_handler()(thing)
