"""Waiting that can be woken, in threads and in loops."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator

import pytest

from trax_otel import clock


@pytest.fixture(autouse=True)
def rested() -> Iterator[None]:
    yield
    clock.rest()


def test_a_sleep_lasts_its_time_and_says_so() -> None:
    began = time.monotonic()
    assert clock.current().sleep(0.05)
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_to_sleep_returns_at_once(seconds: float) -> None:
    began = time.monotonic()
    assert clock.current().sleep(seconds)
    assert time.monotonic() - began < 0.05


def test_wake_ends_every_sleep_and_later_ones_until_rest() -> None:
    slept: list[bool] = []
    sleepers = [threading.Thread(target=lambda: slept.append(clock.current().sleep(30))) for _ in range(8)]
    for sleeper in sleepers:
        sleeper.start()
    clock.wake()
    for sleeper in sleepers:
        sleeper.join(5)
    assert slept == [False] * 8
    assert not clock.current().sleep(30)
    clock.rest()
    assert clock.current().sleep(0.001)


async def test_wake_ends_a_sleeping_task_from_another_thread() -> None:
    task = asyncio.create_task(clock.current().sleep_async(30))
    await asyncio.sleep(0)
    threading.Thread(target=clock.wake).start()
    assert await asyncio.wait_for(task, 5) is False


async def test_an_async_sleep_lasts_its_time_and_can_be_cancelled() -> None:
    assert await clock.current().sleep_async(0.01)
    task = asyncio.create_task(clock.current().sleep_async(30))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_tick_ends_when_its_stop_is_set() -> None:
    stop = threading.Event()
    assert clock.current().tick(0.001, stop)
    stop.set()
    assert not clock.current().tick(30, stop)


def test_another_clock_is_in_force_inside_the_block_only() -> None:
    class Stopped(clock.SystemClock):
        def monotonic(self) -> float:  # type: ignore[override]
            return 42.0

    before = clock.current()
    with clock.use(Stopped()):
        assert clock.current().monotonic() == 42.0
    assert clock.current() is before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 warns of any fork beside threads
def test_a_forked_child_sleeps_though_its_parent_was_woken() -> None:
    import trax_otel.lifecycle  # noqa: F401 - it hears of forks, and renews the clock

    clock.wake()
    child = os.fork()
    if child == 0:
        os._exit(0 if clock.current().sleep(0.01) else 1)
    assert os.waitpid(child, 0)[1] == 0
