"""Many callers at once: exactly so many probes, whoever is late, dropped, cancelled or forked."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading

import pytest

from trax_otel.retry import CircuitBreaker, CircuitOpenError, StateChange
from trax_otel.retry.breaker.windows import CountWindow
from trax_otel.testing import FakeClock

THREADS, TASKS, OPENINGS = 64, 1_000, 5


def opened(half_open_calls: int) -> CircuitBreaker:
    return CircuitBreaker(failure_threshold=1, timeout=10.0, half_open_calls=half_open_calls)


def fails() -> None:
    raise ConnectionError("refused")


@pytest.mark.parametrize("probes", [1, 3])
def test_threads_get_exactly_so_many_probes_at_every_opening(probes: int, time: FakeClock) -> None:
    breaker = opened(probes)
    breaker.open()
    for _ in range(OPENINGS):
        time.advance(10.0)
        start, everyone_asked = threading.Barrier(THREADS), threading.Barrier(THREADS)
        outcomes: list[str] = []

        def ask() -> None:
            start.wait()
            try:
                permit = breaker.acquire()
            except CircuitOpenError:
                outcomes.append("rejected")
                everyone_asked.wait()
                return
            everyone_asked.wait()  # no probe ends before all have asked
            outcomes.append("probe")
            permit.record(ConnectionError("refused"))

        threads = [threading.Thread(target=ask) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert outcomes.count("probe") == probes
        assert outcomes.count("rejected") == THREADS - probes
        assert breaker.state == "open"


@pytest.mark.parametrize("probes", [1, 3])
async def test_tasks_get_exactly_so_many_probes_at_every_opening(probes: int, time: FakeClock) -> None:
    breaker = opened(probes)
    breaker.open()
    for _ in range(OPENINGS):
        time.advance(10.0)
        calls = 0

        @breaker
        async def work() -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(0.01)
            raise ConnectionError("refused")

        outcomes = await asyncio.gather(*(work() for _ in range(TASKS)), return_exceptions=True)
        assert calls == probes
        assert sum(isinstance(outcome, CircuitOpenError) for outcome in outcomes) == TASKS - probes
        assert breaker.state == "open"


async def test_a_cancelled_task_frees_its_place(time: FakeClock) -> None:
    breaker = opened(1)
    breaker.open()
    time.advance(10.0)
    entered = asyncio.Event()

    @breaker
    async def hangs() -> None:
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(hangs())
    await entered.wait()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    breaker.call(int)
    assert breaker.state == "closed"


def test_a_permit_that_is_forgotten_frees_its_place(time: FakeClock) -> None:
    breaker = opened(1)
    breaker.open()
    time.advance(10.0)
    permit = breaker.acquire()
    assert permit.is_probe
    del permit
    gc.collect()
    breaker.call(int)
    assert breaker.state == "closed"


def test_a_probe_that_an_interrupt_keeps_from_its_caller_frees_its_place(time: FakeClock) -> None:
    breaker = opened(1)
    breaker.open()
    time.advance(10.0)

    def interrupted(change: StateChange) -> None:
        raise KeyboardInterrupt

    remove = breaker.on_state_change(interrupted)
    with pytest.raises(KeyboardInterrupt):
        breaker.acquire()
    remove()
    gc.collect()
    breaker.call(int)
    assert breaker.state == "closed"


def test_a_probe_that_hangs_frees_its_place_after_its_time_and_is_stale_then(time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=10.0, probe_timeout=3.0)
    breaker.open()
    time.advance(10.0)
    hanging = breaker.acquire()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    time.advance(3.0)
    probe = breaker.acquire()
    hanging.record(ConnectionError("at last"))
    assert breaker.state == "half_open"
    probe.record()
    assert breaker.state == "closed"


def test_a_late_success_never_closes_and_a_late_failure_never_opens(time: FakeClock) -> None:
    breaker = opened(1)
    success, failure = breaker.acquire(), breaker.acquire()
    with pytest.raises(ConnectionError):
        breaker.call(fails)
    success.record()
    assert breaker.state == "open"
    time.advance(10.0)
    breaker.call(int)
    failure.record(ConnectionError("late"))
    assert (breaker.state, breaker.machine.failures) == ("closed", 0)


def test_a_permit_counts_once() -> None:
    breaker = CircuitBreaker(failure_threshold=2)
    permit = breaker.acquire()
    permit.record(ConnectionError("refused"))
    permit.record(ConnectionError("refused"))
    permit.release()
    assert breaker.machine.failures == 1


def test_no_lock_is_held_during_a_call() -> None:
    breaker = CircuitBreaker()
    inside, done = threading.Barrier(2), threading.Barrier(2)

    def slow() -> None:
        inside.wait(10)
        done.wait(10)

    thread = threading.Thread(target=breaker.call, args=(slow,))
    thread.start()
    inside.wait(10)
    assert breaker.call(lambda: "meanwhile") == "meanwhile"
    breaker.isolate()
    done.wait(10)
    thread.join(10)


def test_a_finaliser_may_call_through_the_breaker_whose_lock_it_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector runs where it likes; so do signal handlers."""
    breaker = CircuitBreaker(failure_rate=1.0, window_calls=1_000, minimum_calls=1_000)

    class Connection:
        def __del__(self) -> None:
            breaker.call(int)

    def collects(*args: object) -> None:
        gc.collect()
        added(*args)  # type: ignore[arg-type]

    added = CountWindow.add
    monkeypatch.setattr(CountWindow, "add", collects)
    connection = Connection()
    connection.itself = connection  # type: ignore[attr-defined]
    del connection
    thread = threading.Thread(target=breaker.call, args=(int,), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert breaker.calls.by_outcome()["success"] == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_keeps_the_state_and_not_the_parents_probes(time: FakeClock) -> None:
    breaker = opened(1)
    breaker.open()
    time.advance(10.0)
    permit = breaker.acquire()  # the only place; the child must not wait for it
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with breaker.machine._lock:
            held.set()
            forked.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)  # a lock that another thread holds at the fork is not held in the child
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(10)
            before, counted = breaker.state, any(breaker.calls.by_outcome().values())
            breaker.call(int)
            status = 0 if (before, counted, breaker.state) == ("half_open", False, "closed") else 2
        finally:
            os._exit(status)
    forked.set()
    other.join(10)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    permit.record()
    assert breaker.state == "closed"
