"""A caller that is cancelled, or interrupted, while it enters or takes over leaves the operation as it was found."""

# ruff: noqa: PT012  (what raises is the end of a block that does something)
from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest

from trax_otel.recovery.state import MemoryStorage, operation_state_context


class Interrupted(BaseException):
    """What a killed process looks like to the block, without the kill."""


class Gate:
    """A store that waits before or after each transaction's commit while it is closed."""

    def __init__(self, storage, when: str) -> None:
        self._transact = storage.transact
        self._when = when
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.opened.set()
        storage.transact = self.transact

    def transact(self, work, *, write=True):
        if self._when == "before":
            self._wait()
        result = self._transact(work, write=write)
        if self._when == "after":
            self._wait()
        return result

    def _wait(self) -> None:
        self.reached.set()
        assert self.opened.wait(10)

    @contextmanager
    def closed(self):
        self.reached.clear()
        self.opened.clear()
        try:
            yield
        finally:
            self.opened.set()


async def cancelled_at(gate: Gate, coroutine) -> None:
    """Cancel it while the store is at work; then let the store go on."""
    with gate.closed():
        task = asyncio.ensure_future(coroutine)
        assert await asyncio.to_thread(gate.reached.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task


async def enter(manager, **options) -> None:
    async with operation_state_context(manager, "t1", None, "t", **options) as state:
        await state.step("one", lambda: 1)


WHEN = pytest.mark.parametrize("when", ["before", "after"])


@WHEN
async def test_an_operation_whose_beginning_was_cancelled_does_not_exist(storage, make_manager, when):
    manager = make_manager(storage)
    gate = Gate(storage, when)
    await cancelled_at(gate, enter(manager))
    assert await manager.get_operation("t1") is None
    await enter(manager)
    record = await manager.get_operation("t1")
    assert (record.status, record.recoveries, record.fencing_token) == ("completed", 0, 1)


@WHEN
async def test_a_cancelled_resumption_counts_as_none(storage, make_manager, when):
    manager = make_manager(storage, max_recoveries=2)
    with pytest.raises(Interrupted):
        async with operation_state_context(manager, "t1", None, "t") as state:
            await state.step("one", lambda: 1)
            raise Interrupted
    gate = Gate(storage, when)
    for _ in range(5):
        await cancelled_at(gate, enter(manager))
        (listed,) = await manager.list_interrupted_operations()
        assert (listed.operation_id, listed.recoveries) == ("t1", 0)
    await enter(manager)
    assert (await manager.get_operation("t1")).status == "completed"


async def test_a_failed_operation_whose_repetition_was_cancelled_is_failed_still(storage, make_manager):
    manager = make_manager(storage)
    with pytest.raises(LookupError):
        async with operation_state_context(manager, "t1", None, "t"):
            raise LookupError("gone")
    gate = Gate(storage, "after")
    await cancelled_at(gate, enter(manager))
    record = await manager.get_operation("t1")
    assert (record.status, record.error) == ("failed", "LookupError: gone")


@WHEN
async def test_a_cancelled_take_over_is_given_back(storage, make_manager, when):
    manager = make_manager(storage)
    with pytest.raises(Interrupted):
        async with operation_state_context(manager, "t1", None, "t"):
            raise Interrupted
    seen = []

    @manager.register_recovery("t")
    async def resume(state):
        seen.append(state.recoveries)

    gate = Gate(storage, when)
    await cancelled_at(gate, manager.recover_operation("t1"))
    assert (await manager.get_operation("t1")).recoveries == 0
    assert [one.outcome for one in await manager.recover_all()] == ["recovered"]
    assert seen == [1]


async def test_a_rivals_operation_is_not_given_back(make_manager):
    storage = MemoryStorage()
    manager, rival = make_manager(storage), make_manager(storage)
    async with operation_state_context(rival, "t1", None, "t") as state:
        gate = Gate(storage, "after")
        await cancelled_at(gate, enter(manager))
        await state.step("one", lambda: 1)
    assert (await manager.get_operation("t1")).status == "completed"


def test_a_signal_that_raises_while_it_is_entered_gives_it_back(storage, make_manager):
    manager = make_manager(storage)
    transact = storage.transact
    times = iter([True])

    def interrupted(work, *, write=True):
        result = transact(work, write=write)
        if next(times, False):
            raise KeyboardInterrupt
        return result

    storage.transact = interrupted
    with pytest.raises(KeyboardInterrupt):
        operation_state_context(manager, "t1", None, "t").__enter__()
    assert manager.sync.get_operation("t1") is None
