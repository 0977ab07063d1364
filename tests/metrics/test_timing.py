from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Iterator

import pytest

from trax_otel import config, semconv
from trax_otel.metrics import (
    Timer,
    async_timing_context,
    async_timing_decorator,
    operation_stats,
    timing_context,
    timing_decorator,
)


@pytest.fixture
def debug() -> Iterator[None]:
    config.set_debug(True)
    yield
    config.set_debug(None)


def test_the_duration_is_so_far_inside_and_whole_after(driver, still):
    seen: list[float] = []

    def body(timer: Timer) -> Timer:
        for _ in range(2):
            still.advance(0.25)
            seen.append(timer.duration_ms)
        return timer

    timer = driver.block("step", body)
    still.advance(9)
    assert seen == [250, 500]
    assert (timer.duration_ms, timer.duration_s, timer.outcome) == (500, 0.5, "success")


def test_before_the_block_nothing_has_passed():
    timer = timing_context("later")
    assert (timer.duration_ms, timer.memory_mb, timer.cpu_percent, timer.outcome) == (0.0, None, None, None)


def test_a_failing_block_is_a_failure_and_keeps_its_duration(driver, still, captured):
    timers: list[Timer] = []

    def body(timer: Timer) -> None:
        timers.append(timer)
        still.advance(2)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        driver.block("step", body)
    assert timers[0].duration_ms == 2000
    assert captured.span.attributes[semconv.OUTCOME] == timers[0].outcome == "failure"


def test_attributes_are_on_the_span(driver, captured):
    driver.block("step", lambda timer: timer.set("late", 2), attributes={"early": 1})
    assert (captured.span.attributes["early"], captured.span.attributes["late"]) == (1, 2)


def test_resources_are_measured_where_asked(driver, captured):
    kept = []

    def body(timer: Timer) -> Timer:
        kept.append(bytearray(32 * 1024 * 1024))
        sum(range(300_000))
        assert timer.memory_mb > 32
        return timer

    timer = driver.block("heavy", body, resources=True)
    assert timer.memory_delta_mb > 25
    assert timer.cpu_s > 0
    assert 0 < timer.cpu_percent < 1000
    attributes = captured.span.attributes
    assert attributes[semconv.OPERATION_MEMORY_DELTA] == timer.memory_delta_mb * 1024 * 1024
    assert attributes[semconv.OPERATION_CPU_TIME] == timer.cpu_s
    assert captured.point(semconv.OPERATION_CPU.name, "heavy").sum == timer.cpu_s
    assert captured.point(semconv.OPERATION_MEMORY.name, "heavy").value == timer.memory_mb * 1024 * 1024


def test_debug_mode_measures_and_logs_every_operation(driver, debug, caplog):
    with caplog.at_level(logging.DEBUG, logger="trax_otel"):
        timer = driver.block("watched", lambda timer: timer)
    assert timer.memory_mb is not None
    assert "operation watched: success after" in caplog.text


def test_debug_mode_ends(driver):
    config.set_debug(True)
    config.set_debug(None)
    assert driver.block("unwatched", lambda timer: timer).memory_mb is None


def test_resources_false_wins_over_debug_mode(driver, debug):
    assert driver.block("light", lambda timer: timer, resources=False).memory_mb is None


async def test_a_cancelled_task_ends_its_span_as_cancelled(captured):
    entered = asyncio.Event()

    async def work() -> None:
        async with async_timing_context("wait"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert captured.span.attributes[semconv.OUTCOME] == "cancelled"


async def test_tasks_at_once_do_not_nest_in_each_other(captured):
    barrier = asyncio.Event()

    async def work(name: str) -> None:
        async with async_timing_context(name):
            await barrier.wait()

    with timing_context("all"):
        tasks = [asyncio.create_task(work(f"one-{number}")) for number in range(3)]
        await asyncio.sleep(0)
        barrier.set()
        await asyncio.gather(*tasks)
    *ones, whole = captured.spans
    assert {span.parent.span_id for span in ones} == {whole.context.span_id}


# --- Decorators ------------------------------------------------------------------------------------------------------


def test_a_bare_decorator_names_the_operation_after_the_function(driver, captured):
    @driver.decorate
    @driver.function
    def fetch(value: int) -> int:
        """Doc."""
        return value * 2

    assert driver.call(fetch, 4) == 8
    assert fetch.__doc__ == "Doc."
    assert captured.span.name == fetch.__qualname__
    assert captured.span.attributes[semconv.CODE_FUNCTION_NAME] == f"{__name__}.{fetch.__qualname__}"


def test_a_named_decorator_names_it_so(driver, captured):
    @driver.decorate("fetching", attributes={"source": "cache"})
    @driver.function
    def fetch(value: int, *, plus: int = 0) -> int:
        return value + plus

    assert driver.call(fetch, 1, plus=2) == 3
    assert captured.span.name == "fetching"
    assert captured.span.attributes["source"] == "cache"


def test_a_decorated_failure_passes_through(driver, captured):
    @driver.decorate("failing")
    @driver.function
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        driver.call(fail)
    assert captured.span.attributes[semconv.ERROR_TYPE] == "KeyError"


def test_empty_brackets_are_the_bare_decorator(captured):
    @timing_decorator()
    def work() -> None: ...

    work()
    assert captured.span.name == work.__qualname__


def test_calls_do_not_share_state(still):
    @timing_decorator("recursive")
    def descend(depth: int) -> None:
        still.advance(1)
        if depth:
            descend(depth - 1)

    descend(2)
    durations = operation_stats()["recursive"].durations
    assert (durations.count, durations.minimum, durations.maximum) == (3, 1, 3)


class Service:
    @timing_decorator
    def method(self, value: int) -> tuple[object, int]:
        return self, value

    @timing_decorator("outer.class")
    @classmethod
    def class_outer(cls) -> type:
        return cls

    @classmethod
    @timing_decorator("inner.class")
    def class_inner(cls) -> type:
        return cls

    @timing_decorator("outer.static")
    @staticmethod
    def static_outer(value: int) -> int:
        return value

    @staticmethod
    @timing_decorator("inner.static")
    def static_inner(value: int) -> int:
        return value

    @async_timing_decorator("method.async")
    async def coroutine(self) -> object:
        return self


async def test_methods_of_every_sort(captured):
    service = Service()
    assert service.method(1) == (service, 1)
    assert Service.class_outer() is service.class_outer() is Service.class_inner() is service.class_inner() is Service
    assert Service.static_outer(3) == service.static_outer(3) == Service.static_inner(3) == service.static_inner(3) == 3
    assert await service.coroutine() is service
    names = [span.name for span in captured.spans]
    assert names[0] == "Service.method"
    assert [names.count(name) for name in ("outer.class", "inner.class", "outer.static", "inner.static")] == [2] * 4
    assert names[-1] == "method.async"


@pytest.mark.parametrize("decorator", [timing_decorator, async_timing_decorator])
def test_the_sort_of_a_function_is_kept(decorator):
    @decorator
    async def coroutine() -> None: ...

    @decorator
    def generator() -> Iterator[int]:
        yield 1

    @decorator
    async def async_generator():
        yield 1

    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)


def test_the_plain_decorator_times_coroutines_to_their_end(captured, still):
    @timing_decorator("either")
    async def work() -> int:
        await still.sleep_async(3)
        return 1

    assert asyncio.run(work()) == 1
    assert captured.span.end_time - captured.span.start_time == 3_000_000_000


def test_the_async_decorator_awaits_what_a_plain_function_returns(captured, still):
    async def later() -> str:
        await still.sleep_async(2)
        return "done"

    @async_timing_decorator("indirect")
    def start():
        return later()

    assert asyncio.run(start()) == "done"
    assert captured.span.end_time - captured.span.start_time == 2_000_000_000


def test_callable_objects_and_partials_can_be_timed(captured):
    class Adder:
        async def __call__(self, a: int, b: int) -> int:
            return a + b

    assert asyncio.run(timing_decorator("object")(Adder())(1, 2)) == 3
    assert timing_decorator("partial")(functools.partial(max, 1))(5) == 5
    assert timing_decorator(len)([1]) == 1
    assert [span.name for span in captured.spans] == ["object", "partial", "len"]


@pytest.mark.parametrize("thing", [Service, 3, object()])
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(TypeError, match="only functions and methods"):
        timing_decorator("x")(thing)


def test_the_type_of_a_function_is_kept_for_type_checkers():
    @timing_decorator("typed")
    def double(value: int) -> int:
        return 2 * value

    result: int = double(2)
    assert result == 4
    assert inspect.signature(double).parameters.keys() == {"value"}
