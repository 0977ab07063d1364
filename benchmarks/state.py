"""A recorded step on SQLite, on one core: its function, one transaction (UPDATE and INSERT), its span-less telemetry.

The baseline is nothing but 500 µs of waiting: a ratio of 1 is 2 000 steps a second. `synchronous=NORMAL` survives the
process and its SIGKILL, FULL a power cut too: its commits wait for the disk, which is what differs between machines. In the
asynchronous cases the store's work is done on a thread of its own, so that the event loop stays free; a hand-written
transaction through `sqlite3` shows what is the disk's and the database's share.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from benchmarks.harness import Case, Result, compare
from trax_otel.recovery.state import SQLStorage, StateRecoveryManager, operation_state_context

TITLE = "A recorded step on SQLite, × 500 µs (2 000 a second), on one core"
BASELINE = "500 µs"
TARGETS = {
    "await state.step, synchronous=NORMAL": 1.0,
    "await state.step, synchronous=FULL": 1.0,
    "state.step, synchronous=NORMAL": 1.0,
    "state.step, synchronous=FULL": 1.0,
}
Synchronous = Literal["NORMAL", "FULL"]
SLICE_SECONDS = 0.1


def _wait(calls: int) -> None:
    end = time.perf_counter() + calls * 500e-6
    while time.perf_counter() < end:
        pass


def _function() -> dict[str, int]:
    return {"page": 1}


def _by_hand(file: Path, synchronous: Synchronous) -> Case:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("CREATE TABLE operation (id TEXT PRIMARY KEY, updated_at REAL) WITHOUT ROWID")
    connection.execute("CREATE TABLE step (id TEXT, name TEXT, result TEXT, PRIMARY KEY (id, name)) WITHOUT ROWID")
    connection.execute("INSERT INTO operation VALUES ('a', 0)")
    number = iter(range(10**9))

    def steps(calls: int) -> None:
        for _ in range(calls):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE operation SET updated_at = julianday('now') WHERE id = ?", ("a",))
            connection.execute("INSERT INTO step VALUES (?, ?, ?)", ("a", f"step {next(number)}", '{"page":1}'))
            connection.execute("COMMIT")

    return steps


def _blocking(manager: StateRecoveryManager, operation_id: str) -> Case:
    state = operation_state_context(manager, operation_id, None, "benchmark").__enter__()

    def steps(calls: int) -> None:
        for _ in range(calls):
            state.step("page", _function)

    return steps


def _awaited(manager: StateRecoveryManager, operation_id: str, loop: asyncio.AbstractEventLoop) -> Case:
    state = loop.run_until_complete(operation_state_context(manager, operation_id, None, "benchmark").__aenter__())

    async def many(calls: int) -> None:
        for _ in range(calls):
            await state.step("page", _function)

    return lambda calls: loop.run_until_complete(many(calls))


@contextmanager
def one_core() -> Iterator[Path]:
    """Stay on one core; yields a folder on the disk of the working directory (a temporary folder may be memory)."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    folder = Path(tempfile.mkdtemp(prefix=".benchmark-", dir="."))
    try:
        if before:
            os.sched_setaffinity(0, {max(before)})
        yield folder
    finally:
        if before:
            os.sched_setaffinity(0, before)
        shutil.rmtree(folder)


def run(rounds: int) -> Result:
    """Measure."""
    cases: dict[str, Case] = {BASELINE: _wait}
    loop = asyncio.new_event_loop()
    managers = []
    with one_core() as folder:
        for synchronous in ("NORMAL", "FULL"):
            cases[f"sqlite3 by hand, {synchronous}"] = _by_hand(folder / f"hand-{synchronous}.db", synchronous)
            storage = SQLStorage(f"sqlite:///{folder / synchronous}.db", synchronous=synchronous)
            managers.append(StateRecoveryManager(storage))
            cases[f"state.step, synchronous={synchronous}"] = _blocking(managers[-1], "blocking")
            cases[f"await state.step, synchronous={synchronous}"] = _awaited(managers[-1], "awaited", loop)
        result = compare(cases, rounds=rounds, slice_seconds=SLICE_SECONDS)
        for manager in managers:
            manager.sync.close()
    loop.close()
    return result
