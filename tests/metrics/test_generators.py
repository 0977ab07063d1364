"""Generators and async generators behave as before, and are one operation from the first value to the end."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from trax_otel import semconv
from trax_otel.metrics import timing_decorator
from trax_otel.signals import attach_correlation, current_correlation, detach


class World:
    """The verbs of one world's generators."""

    def __init__(self, asynchronous: bool, finish: Callable[..., Any]) -> None:
        self.finish = finish
        self.asynchronous = asynchronous
        self.end: type[BaseException] = StopAsyncIteration if asynchronous else StopIteration

    def make(self, function: Callable[..., Any]) -> Any:
        """The generator function timed; for the async world each `yield` of `function` is an async generator's."""
        if not self.asynchronous:
            return timing_decorator("lines")(function)

        @timing_decorator("lines")
        async def lines(*args: Any) -> Any:
            inner = function(*args)
            step, argument = inner.send, None
            while True:
                try:
                    value = step(argument)
                except StopIteration:
                    return
                try:
                    step, argument = inner.send, (yield value)
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as error:
                    step, argument = inner.throw, error

        return lines

    def _do(self, generator: Any, name: str, *arguments: Any) -> Any:
        if not self.asynchronous:
            return getattr(generator, name)(*arguments)
        return self.finish(
            getattr(generator, {"send": "asend", "throw": "athrow", "close": "aclose"}[name])(*arguments)
        )

    def send(self, generator: Any, value: Any = None) -> Any:
        return self._do(generator, "send", value)

    def throw(self, generator: Any, error: BaseException) -> Any:
        return self._do(generator, "throw", error)

    def close(self, generator: Any) -> Any:
        return self._do(generator, "close")


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest, finish: Callable[..., Any]) -> World:
    return World(request.param == "async", finish)


def echo(first: Any) -> Any:
    value = first
    while value != "stop":
        try:
            value = yield value
        except LookupError as error:
            value = f"caught {error}"


def test_it_is_timed_from_the_first_value_to_the_end(world, captured, still):
    generator = world.make(echo)("a")
    still.advance(100)
    assert world.send(generator) == "a"
    still.advance(1)
    assert world.send(generator, "b") == "b"
    still.advance(1)
    with pytest.raises(world.end):
        world.send(generator, "stop")
    assert captured.span.end_time - captured.span.start_time == 2_000_000_000
    assert captured.span.attributes[semconv.OUTCOME] == "success"


def test_nothing_is_measured_until_a_value_is_asked_for(world, captured):
    world.close(world.make(echo)("a"))
    assert not captured.spans


def test_what_is_thrown_in_arrives(world, captured):
    generator = world.make(echo)("a")
    world.send(generator)
    assert world.throw(generator, LookupError("x")) == "caught x"
    assert world.send(generator, "c") == "c"
    world.close(generator)


def test_what_is_thrown_in_and_not_caught_is_the_failure(world, captured):
    generator = world.make(echo)("a")
    world.send(generator)
    error = OSError("y")
    with pytest.raises(OSError, match="y") as caught:
        world.throw(generator, error)
    assert caught.value is error
    assert captured.span.attributes[semconv.OUTCOME] == "failure"


def test_what_it_raises_is_the_failure(world, captured):
    def broken() -> Any:
        yield 1
        raise ValueError("inside")

    generator = world.make(broken)()
    world.send(generator)
    with pytest.raises(ValueError, match="inside"):
        world.send(generator)
    assert captured.span.status.status_code is StatusCode.ERROR
    with pytest.raises(world.end):
        world.send(generator)


def test_closed_early_it_is_cancelled_and_cleans_up(world, captured):
    cleaned: list[bool] = []

    def careful() -> Any:
        try:
            yield 1
        finally:
            cleaned.append(trace.get_current_span().is_recording())

    generator = world.make(careful)()
    world.send(generator)
    world.close(generator)
    assert cleaned == [True]
    assert captured.span.attributes[semconv.OUTCOME] == "cancelled"
    assert captured.span.status.status_code is StatusCode.UNSET
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_an_error_while_closing_is_the_failure(world, captured):
    def careless() -> Any:
        try:
            yield 1
        finally:
            raise OSError("disk")

    generator = world.make(careless)()
    world.send(generator)
    with pytest.raises(OSError, match="disk"):
        world.close(generator)
    assert captured.span.attributes[semconv.OUTCOME] == "failure"


def test_its_span_is_current_inside_and_not_for_the_consumer(world, captured):
    inside: list[str] = []

    def look() -> Any:
        for _ in range(2):
            inside.append(trace.get_current_span().name)
            yield

    generator = world.make(look)()
    with captured.tracer.start_as_current_span("consumer") as consumer:
        for _ in range(2):
            world.send(generator)
            assert trace.get_current_span() is consumer
        with pytest.raises(world.end):
            world.send(generator)
        assert trace.get_current_span() is consumer
    assert inside == ["lines", "lines"]


def test_what_it_binds_stays_bound_inside_and_only_there(world, captured):
    inside: list[str | None] = []

    def bound() -> Any:
        token = attach_correlation(id="job-1")
        yield
        inside.append(current_correlation().id)
        detach(token)
        yield
        inside.append(current_correlation().id)

    generator = world.make(bound)()
    world.send(generator)
    assert current_correlation().id is None
    world.send(generator)
    with pytest.raises(world.end):
        world.send(generator)
    assert inside == ["job-1", None]
    assert current_correlation().id is None


def test_two_at_once_do_not_mix(world, captured):
    first, second = world.make(echo)("a"), world.make(echo)("b")
    world.send(first)
    world.send(second)
    for generator in (first, second):
        with pytest.raises(world.end):
            world.send(generator, "stop")
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert [span.parent for span in captured.spans] == [None, None]


def test_the_returned_value_passes(captured):
    @timing_decorator
    def give() -> Any:
        yield 1
        return "value"

    def outer() -> Any:
        return (yield from give())

    generator = outer()
    next(generator)
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "value"


def test_a_forgotten_generator_ends_its_span(captured):
    generator = timing_decorator("lines")(echo)("a")
    next(generator)
    del generator
    gc.collect()
    assert captured.span.attributes[semconv.OUTCOME] == "cancelled"


async def test_an_async_for_that_breaks_leaves_nothing_behind(captured):
    @timing_decorator("rows")
    async def rows() -> Any:
        for number in range(10):
            yield number

    generator = rows()
    async for number in generator:
        if number == 3:
            break
    await generator.aclose()
    assert captured.span.attributes[semconv.OUTCOME] == "cancelled"
    assert inspect.isasyncgen(generator)
