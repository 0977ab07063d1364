"""Loops that are cancelled during a wait, and loops that are left: nothing of them stays in force, and nothing is swallowed."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from opentelemetry.trace import INVALID_SPAN, get_current_span

from trax_otel import clock, semconv
from trax_otel.retry import RetryBudget, retrying
from trax_otel.retry.budget import UNBOUNDED, in_force
from trax_otel.testing import CapturedTelemetry

AWAY = ConnectionError
NEEDS_311 = pytest.mark.skipif(sys.version_info < (3, 11), reason="came with Python 3.11")


# --- Cancelled during a wait ----------------------------------------------------------------------


@pytest.fixture
def real_time() -> Iterator[None]:
    with clock.use(clock.SystemClock()):
        yield


async def waiting_loop(reached: asyncio.Event | None = None) -> str:
    async for attempt in retrying(max_retries=5, initial_delay=30, jitter=None, name="load"):
        with attempt:
            if reached is not None:
                reached.set()
            raise AWAY("refused")
    return "as if all were well"


@pytest.mark.usefixtures("real_time")
class TestCancellationLeavesTheLoop:
    async def test_of_a_task(self, trax_telemetry: CapturedTelemetry) -> None:
        reached = asyncio.Event()
        task = asyncio.create_task(waiting_loop(reached))
        await reached.wait()
        await asyncio.sleep(0)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert trax_telemetry.span("load").attributes[semconv.OUTCOME] == "cancelled"

    async def test_by_wait_for(self) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(waiting_loop(), 0.01)

    @NEEDS_311
    async def test_by_a_timeout_block(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):  # type: ignore[attr-defined,unused-ignore]
                await waiting_loop()

    @NEEDS_311
    async def test_by_a_sibling_of_a_task_group(self) -> None:
        came_back: list[str] = []

        async def sibling() -> None:
            await asyncio.sleep(0.01)
            raise ValueError("the sibling's")

        async def waiter() -> None:
            came_back.append(await waiting_loop())

        with pytest.raises(BaseException) as caught:  # noqa: PT012
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]
                group.create_task(waiter())
                group.create_task(sibling())
        assert [type(error) for error in caught.value.exceptions] == [ValueError]  # type: ignore[attr-defined]
        assert came_back == []

    async def test_by_anyio(self) -> None:
        came_back: list[str] = []
        with anyio.move_on_after(0.01) as scope:
            came_back.append(await waiting_loop())
        assert scope.cancelled_caught
        assert came_back == []

    async def test_that_comes_together_with_the_end_of_all_waits(self) -> None:
        reached = asyncio.Event()
        task = asyncio.create_task(waiting_loop(reached))
        await reached.wait()
        await asyncio.sleep(0)
        clock.wake()
        task.cancel()
        try:
            with pytest.raises(asyncio.CancelledError):
                await task
        finally:
            clock.rest()

    async def test_a_wait_in_a_plain_loop_that_a_signal_interrupts(self, trax_telemetry: CapturedTelemetry) -> None:
        class Interrupting(clock.SystemClock):
            def sleep(self, seconds: float) -> bool:
                raise TimeoutError("what a signal's handler raised")

        with clock.use(Interrupting()), pytest.raises(TimeoutError, match="handler"):  # noqa: PT012
            for attempt in retrying(max_retries=3, initial_delay=1, deadline=9, name="load"):
                with attempt:
                    raise AWAY("refused")
        assert trax_telemetry.span("load").attributes[semconv.OUTCOME] == "cancelled"
        assert in_force() is UNBOUNDED


# --- Left -----------------------------------------------------------------------------------------


def nothing_is_in_force() -> bool:
    return in_force() is UNBOUNDED and get_current_span() is INVALID_SPAN


def failed_attempt(attempt: Any) -> None:
    with attempt:
        assert not nothing_is_in_force()
        raise AWAY("refused")


def by_break() -> None:
    for attempt in retrying(deadline=9, initial_delay=0, name="load"):
        failed_attempt(attempt)
        break
    assert nothing_is_in_force()


def by_break_before_the_attempt() -> None:
    for _ in retrying(deadline=9, name="load"):
        break


def by_return() -> None:
    for attempt in retrying(deadline=9, initial_delay=0, name="load"):
        failed_attempt(attempt)
        return


def by_an_error_of_the_bodys_own() -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        for attempt in retrying(deadline=9, initial_delay=0, name="load"):
            failed_attempt(attempt)
            1 / 0


def by_a_closed_generator() -> None:
    def generator() -> Iterator[int]:
        for attempt in retrying(deadline=9, initial_delay=0, name="load"):
            failed_attempt(attempt)
            yield attempt.number

    values = generator()
    assert next(values) == 1
    assert nothing_is_in_force(), "while the generator is suspended"
    values.close()


def by_a_generator_closed_inside_an_attempt() -> None:
    def generator() -> Iterator[int]:
        for attempt in retrying(deadline=9, initial_delay=0, name="load"):
            with attempt:
                yield attempt.number

    values = generator()
    next(values)
    values.close()


def by_leaving_the_inner_of_two() -> None:
    for outer in retrying(max_retries=0, name="outer", deadline=50, budget=RetryBudget("outer")):
        with outer:
            before = in_force(), get_current_span()
            for attempt in retrying(deadline=9, initial_delay=0, name="load"):
                with attempt:
                    raise AWAY("refused")
                break
            assert (in_force(), get_current_span()) == before


def by_holding_the_iterator() -> None:
    iterator = iter(retrying(deadline=9, initial_delay=0, name="load"))
    failed_attempt(next(iterator))
    assert nothing_is_in_force()
    next(iterator)
    assert nothing_is_in_force(), "between the attempts' beginnings and their blocks"


LEAVINGS: list[Callable[[], None]] = [
    by_break, by_break_before_the_attempt, by_return, by_an_error_of_the_bodys_own, by_a_closed_generator,
    by_a_generator_closed_inside_an_attempt, by_leaving_the_inner_of_two, by_holding_the_iterator,
]  # fmt: skip


@pytest.fixture
def without_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_gc")
@pytest.mark.parametrize("leave", LEAVINGS, ids=lambda leave: leave.__name__)
def test_a_loop_that_is_left_ends_at_once(leave: Callable[[], None], trax_telemetry: CapturedTelemetry) -> None:
    leave()
    assert nothing_is_in_force()
    assert trax_telemetry.span("load").attributes[semconv.OUTCOME] == "cancelled"


@pytest.mark.usefixtures("without_gc")
@pytest.mark.parametrize("how", ["break", "return", "raise"])
async def test_an_async_loop_that_is_left_ends_at_once(how: str, trax_telemetry: CapturedTelemetry) -> None:
    async def load() -> None:
        async for attempt in retrying(deadline=9, initial_delay=0, name="load"):
            failed_attempt(attempt)
            if how == "raise":
                raise ZeroDivisionError
            if how == "return":
                return
            break
        assert nothing_is_in_force()

    try:
        await load()
    except ZeroDivisionError:
        assert how == "raise"
    assert nothing_is_in_force()
    assert trax_telemetry.span("load").attributes[semconv.OUTCOME] == "cancelled"


async def test_an_async_generator_that_nobody_closed_bounds_nobody() -> None:
    async def generator() -> AsyncIterator[int]:
        async for attempt in retrying(deadline=9, initial_delay=0):
            with attempt:
                yield attempt.number

    async for _ in generator():
        break  # suspended inside its attempt, and finalised in another context
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert in_force() is UNBOUNDED


async def test_a_task_begun_inside_outlives_the_deadline_of_a_call_that_has_ended() -> None:
    seen: list[Any] = []
    over = asyncio.Event()

    async def background() -> None:
        seen.append(in_force().deadline is not None)
        await over.wait()
        seen.append(in_force().deadline is not None)

    async for attempt in retrying(deadline=9):
        with attempt:
            task = asyncio.create_task(background())
            await asyncio.sleep(0)
    over.set()
    await task
    assert seen == [True, False]


def test_the_loops_body_outside_its_attempt_sees_the_callers_span(trax_telemetry: CapturedTelemetry) -> None:
    current: list[bool] = []
    for attempt in retrying(max_retries=1, initial_delay=0, name="load"):
        current.append(get_current_span() is INVALID_SPAN)
        with attempt:
            current.append(get_current_span() is INVALID_SPAN)
            if attempt.number == 1:
                raise AWAY("refused")
        current.append(get_current_span() is INVALID_SPAN)
    assert current == [True, False, True] * 2


def test_an_attempt_is_for_one_block_of_its_own_loop() -> None:
    attempt = None
    for attempt in retrying(max_retries=0):
        with attempt:
            pass
    assert attempt is not None
    with pytest.raises(RuntimeError, match="has been left"), attempt:
        pass
    iterator = iter(retrying(max_retries=0))
    attempt = next(iterator)
    with attempt:
        pass
    with pytest.raises(RuntimeError, match="one `with` block"), attempt:
        pass


async def test_what_a_coroutine_waits_for_ends_when_all_are_woken() -> None:
    system = clock.SystemClock()
    with clock.use(system):
        waiting = asyncio.create_task(system.sleep_async(30))
        await asyncio.sleep(0)
        clock.wake()
        try:
            assert await waiting is False
            assert await system.sleep_async(30) is False
        finally:
            clock.rest()
