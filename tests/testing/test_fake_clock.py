"""Time that moves only when told to."""

from __future__ import annotations

import threading
import time

import pytest

from trax_otel import clock
from trax_otel.testing import FakeClock, fake_clock


def test_sleeps_advance_the_time_and_take_none() -> None:
    began = time.monotonic()
    with fake_clock() as fake:
        before = fake.time_ns(), fake.monotonic()
        assert clock.current().sleep(3_600)
        assert (fake.time_ns() - before[0], fake.monotonic() - before[1]) == (3_600 * 10**9, 3_600.0)
        assert fake.sleeps == [3_600]
    assert time.monotonic() - began < 1
    assert clock.current() is not fake


async def test_async_sleeps_do_the_same() -> None:
    with fake_clock() as fake:
        assert await clock.current().sleep_async(60)
        assert fake.sleeps == [60]


def test_every_clock_begins_at_the_same_moment() -> None:
    assert FakeClock().time_ns() == FakeClock().time_ns()


def test_a_background_loop_ticks_when_the_time_moves() -> None:
    ticks: list[float] = []
    stop = threading.Event()
    with fake_clock() as fake:

        def loop() -> None:
            while fake.tick(10, stop):
                ticks.append(fake.monotonic())

        thread = threading.Thread(target=loop)
        thread.start()
        for expected in (1, 2):
            while not fake.ticking:
                time.sleep(0.001)
            fake.advance(9)
            assert len(ticks) == expected - 1
            fake.advance(1)
            while len(ticks) < expected:
                time.sleep(0.001)
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def test_wake_ends_sleeps_without_moving_the_time() -> None:
    with fake_clock() as fake:
        clock.wake()
        before = fake.time_ns()
        assert not fake.sleep(5)
        assert fake.time_ns() == before
        clock.rest()
        assert fake.sleep(5)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        FakeClock().advance(-1)
