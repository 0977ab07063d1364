"""The heartbeat: what runs is never listed as interrupted, what is dead is listed within a lease's time."""

# ruff: noqa: PT012  (what raises is the end of a block that does something)
from __future__ import annotations

import asyncio
import threading
import time

import pytest

from trax_otel.recovery.state import MemoryStorage, SQLStorage, StateLostError, operation_state_context
from trax_otel.testing import FakeClock, fake_clock


@pytest.fixture
def clock():
    with fake_clock() as fake:
        yield fake


def test_an_operation_that_renews_its_lease_is_never_listed(clock: FakeClock, make_manager):
    storage = MemoryStorage()
    manager, rival = make_manager(storage, lease_seconds=30), make_manager(storage, lease_seconds=30)
    with operation_state_context(manager, "t1", None, "t") as state:
        clock.wait_for_tick()
        for _ in range(20):  # one step of 200 s
            clock.advance(10)
            assert rival.sync.list_interrupted_operations() == []
        state.step("one", lambda: 1)
    assert rival.sync.get_operation("t1").status == "completed"
    manager.sync.close()


def test_a_dead_one_is_listed_after_its_lease(clock: FakeClock, make_manager):
    storage = MemoryStorage()
    manager, rival = make_manager(storage, lease_seconds=30), make_manager(storage)
    manager.sync.core.keeper.keep = lambda lease: None  # its process is gone
    operation_state_context(manager, "t1", None, "t").__enter__()
    clock.advance(29.9)
    assert rival.sync.list_interrupted_operations() == []
    clock.advance(0.2)
    assert [one.operation_id for one in rival.sync.list_interrupted_operations()] == ["t1"]


def test_saving_renews_the_lease_too(clock: FakeClock, make_manager):
    storage = MemoryStorage()
    manager, rival = make_manager(storage, lease_seconds=30), make_manager(storage)
    manager.sync.core.keeper.keep = lambda lease: None
    with operation_state_context(manager, "t1", None, "t") as state:
        for number in range(5):
            clock.advance(20)
            state.step(f"{number}", lambda: 1)
            assert rival.sync.list_interrupted_operations() == []


def test_a_stopped_process_that_nobody_replaced_goes_on(clock: FakeClock, make_manager):
    storage = MemoryStorage()
    manager, rival = make_manager(storage, lease_seconds=30), make_manager(storage)
    manager.sync.core.keeper.keep = lambda lease: None  # SIGSTOP
    with operation_state_context(manager, "t1", None, "t") as state:
        clock.advance(3_600)
        assert len(rival.sync.list_interrupted_operations()) == 1
        assert state.step("one", lambda: 1) == 1
        assert rival.sync.list_interrupted_operations() == []
    assert rival.sync.get_operation("t1").status == "completed"


def test_the_heartbeat_learns_that_the_operation_was_taken_over(clock: FakeClock, make_manager):
    storage = MemoryStorage()
    manager, rival = make_manager(storage, lease_seconds=30), make_manager(storage)
    ran = []
    with pytest.raises(StateLostError, match="taken over"), operation_state_context(manager, "t1", None, "t") as state:
        manager.sync.core.keeper.close()
        clock.advance(31)
        assert rival.sync.recover_operation("t1").fencing_token == 2
        manager.sync.core.keeper.beat()
        state.step("one", ran.append, 1)
    assert ran == []


def test_one_thread_serves_all_and_ends_when_nothing_runs(clock: FakeClock, make_manager):
    manager = make_manager(MemoryStorage(), lease_seconds=30)

    def beating() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "trax-otel state leases"]

    others = set(beating())
    for number in range(5):
        with operation_state_context(manager, f"t{number}", None, "t"), operation_state_context(manager, f"u{number}"):
            assert len(set(beating()) - others) == 1
    (thread,) = set(beating()) - others
    clock.wait_for_tick()
    clock.advance(60)
    thread.join(5)
    assert not thread.is_alive()
    with operation_state_context(manager, "again", None, "t"):
        assert len(set(beating()) - others) == 1
    manager.sync.close()


@pytest.mark.parametrize("seconds", [0.3])
async def test_no_false_alarm_with_the_real_clock(url, make_manager, seconds):
    manager, rival = make_manager(SQLStorage(url), lease_seconds=seconds), make_manager(SQLStorage(url))
    listed = []
    async with operation_state_context(manager, "t1", None, "t") as state:
        end = time.monotonic() + 5 * seconds
        while time.monotonic() < end:
            listed += await rival.list_interrupted_operations()
            await asyncio.sleep(0.02)
        await state.step("one", lambda: 1)
    assert listed == []


def test_a_held_interpreter_lock_is_survived_by_the_fence(url, make_manager):
    """No thread of the process may run, the lease lapses, a rival takes over: the late step is refused."""
    manager, rival = make_manager(SQLStorage(url), lease_seconds=0.1), make_manager(SQLStorage(url))
    manager.sync.core.keeper.keep = lambda lease: None
    with pytest.raises(StateLostError), operation_state_context(manager, "t1", None, "t") as state:
        time.sleep(0.15)
        assert rival.sync.recover_operation("t1") is not None
        state.step("one", lambda: 1)
