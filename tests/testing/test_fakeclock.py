"""The fake clock: sleeps advance and return, background loops wait to be moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from trax_otel import clock
from trax_otel.testing import FakeClock, fake_clock


@pytest.fixture
def loop(trax_clock: FakeClock) -> Iterator[Callable[[float], list[float]]]:
    """Starts background loops that note the time of each round."""
    stop, threads = threading.Event(), []

    def start(pause: float) -> list[float]:
        rounds: list[float] = []

        def run() -> None:
            while clock.current().tick(pause, stop):
                rounds.append(clock.current().monotonic())

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        trax_clock.wait_for_tick(len(threads))
        return rounds

    yield start
    stop.set()
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)


def test_a_sleep_advances_and_returns_at_once() -> None:
    before = time.monotonic()
    with fake_clock() as fake:
        assert clock.current() is fake
        assert clock.current().sleep(3600.0)
        assert fake.monotonic() == 3600.0
        assert fake.sleeps == [3600.0]
        assert fake.slept == 3600.0
    assert clock.current() is not fake
    assert time.monotonic() - before < 5


async def test_an_async_sleep_too(trax_clock: FakeClock) -> None:
    assert await clock.current().sleep_async(30.0)
    assert (trax_clock.sleeps, trax_clock.elapsed) == ([30.0], 30.0)


def test_wall_clock_time_is_the_same_in_every_run() -> None:
    with fake_clock() as fake:
        fake.advance(1.5)
        assert fake.time_ns() == 1_767_225_601_500_000_000
    with fake_clock(start_ns=5) as fake:
        assert fake.time_ns() == 5


def test_a_woken_clock_does_not_sleep(trax_clock: FakeClock) -> None:
    clock.wake()
    assert not clock.current().sleep(9.0)
    assert trax_clock.elapsed == 0.0
    clock.rest()
    assert clock.current().sleep(9.0)


def test_a_loop_runs_as_often_as_the_time_holds_its_pause(
    trax_clock: FakeClock, loop: Callable[[float], list[float]]
) -> None:
    rounds = loop(60.0)
    trax_clock.advance(59.0)
    assert rounds == []
    trax_clock.advance(122.0)
    assert rounds == [60.0, 120.0, 180.0]
    assert trax_clock.elapsed == 181.0


def test_two_loops_run_in_the_order_of_their_times(trax_clock: FakeClock, loop: Callable[[float], list[float]]) -> None:
    fast, slow = loop(10.0), loop(25.0)
    assert trax_clock.waiting == 2
    trax_clock.advance(50.0)
    assert fast == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert slow == [25.0, 50.0]


def test_a_loop_that_ends_is_not_waited_for(trax_clock: FakeClock) -> None:
    thread = threading.Thread(target=lambda: clock.current().tick(1.0, threading.Event()))
    thread.start()
    trax_clock.wait_for_tick()
    trax_clock.advance(10.0)
    thread.join(5)
    assert not thread.is_alive()


def test_waiting_for_a_loop_that_never_comes_fails(monkeypatch: pytest.MonkeyPatch, trax_clock: FakeClock) -> None:
    monkeypatch.setattr("trax_otel.testing.fakeclock._SETTLE_SECONDS", 0.05)
    with pytest.raises(TimeoutError, match="0 background loops"):
        trax_clock.wait_for_tick()
