"""Where health checks run, and how they end."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings

import pytest

from trax_otel import lifecycle
from trax_otel.recovery.strategies.health import THREAD_NAME


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


# --- On an event loop -----------------------------------------------------------------------------------------------------


async def test_coroutines_run_on_the_loop_that_started_it(made):
    loops: list[object] = []
    done = asyncio.Event()

    async def check() -> bool:
        loops.append(asyncio.get_running_loop())
        return False

    async def recover(context) -> None:
        loops.append(asyncio.get_running_loop())
        done.set()

    checks = made(recover, interval=30)
    checks.add_check("one", check, failures=1)
    async with checks:
        await asyncio.wait_for(done.wait(), 5)
    assert loops == [asyncio.get_running_loop()] * 2
    assert not checks.running


async def test_a_plain_check_does_not_block_the_loop(made):
    released = threading.Event()
    checks = made(interval=30)
    checks.add_check("slow", lambda: released.wait(5), timeout=5.0)
    async with checks:
        began = time.monotonic()
        for _ in range(20):
            await asyncio.sleep(0)
        assert time.monotonic() - began < 1
    released.set()


# --- The process ----------------------------------------------------------------------------------------------------------


def test_started_twice_it_runs_once(still, made):
    others = threads()  # of tests before, whose last round ends in this moment
    with made(interval=10) as checks:
        checks.add_check("one", lambda: True)
        checks.start()
        still.wait_for_tick()
        assert len([thread for thread in threads() if thread not in others]) == 1
    assert not checks.running


def test_the_end_of_the_process_stops_it(still, made):
    checks = made(interval=10)
    checks.start()
    (participant,) = [entry for entry in lifecycle.participants.participants() if entry.name == "health recovery"]
    participant.shutdown(lifecycle.Deadline(1))
    assert not checks.running


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_goes_on_in_a_forked_child(made):
    checks = made(interval=60)
    checks.add_check("one", lambda: True)
    checks.start()
    while (before := checks.status()["one"].passed) == 0:
        time.sleep(0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: forking with threads
        child = os.fork()
    if child == 0:
        end = time.monotonic() + 5
        while checks.status()["one"].passed <= before and time.monotonic() < end:
            time.sleep(0.005)
        os._exit(0 if checks.running and checks.status()["one"].passed > before else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_round_that_fails_is_not_the_last(still, made, monkeypatch, caplog):
    checks = made(interval=10)
    rounds: list[int] = []

    def broken() -> None:
        rounds.append(1)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(checks, "check_now", broken)
    checks.start()
    still.wait_for_tick()
    still.advance(20)
    assert len(rounds) == 3
    assert "can't start new thread" in caplog.text
