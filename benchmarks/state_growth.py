"""What an operation costs where many are finished: 10³ against 10⁶ of them in the same SQLite file.

An operation begins, records a step and completes; then the interrupted ones are listed and what is too old is deleted, as a
service does at times. The finished ones are written by the database itself, each with one step.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.harness import Case, Result, compare
from benchmarks.state import SLICE_SECONDS, one_core
from trax_otel.recovery.state import SQLStorage, StateRecoveryManager, operation_state_context

TITLE = "An operation among 10⁶ finished ones, × among 10³"
FEW, MANY = 1_000, 1_000_000
TARGETS = {"among 10⁶": 1.3}

_OPERATIONS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO trax_state_operation
SELECT 'finished ' || substr(hex(i * 2654435761 % 4294967296), 1, 12) || i, 'benchmark', NULL, 'completed', '{}', '{}',
  '"done"', NULL, NULL, 'host:1:abc', 1, 0, t.now - i, t.now - i, t.now - i, t.now - i % 500000
FROM n, (SELECT (julianday('now') - 2440587.5) * 86400.0 AS now) AS t
"""
_STEPS = "INSERT INTO trax_state_step SELECT operation_id, 'one', 1, '1' FROM trax_state_operation"


def _filled(file: Path, finished: int) -> StateRecoveryManager:
    manager = StateRecoveryManager(SQLStorage(f"sqlite:///{file}", synchronous="NORMAL"))
    manager.sync.list_operations()  # makes the tables
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute(_OPERATIONS, (finished,))
    connection.execute(_STEPS)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return manager


def _case(manager: StateRecoveryManager) -> Case:
    number = iter(range(10**9))

    def operations(calls: int) -> None:
        for _ in range(calls):
            with operation_state_context(manager, f"new {next(number)}", None, "benchmark") as state:
                state.step("one", int)
            manager.sync.list_interrupted_operations()
            manager.sync.purge()

    return operations


def run(rounds: int) -> Result:
    """Measure."""
    with one_core() as folder:
        few, many = _filled(folder / "few.db", FEW), _filled(folder / "many.db", MANY)
        result = compare(
            {
                "among 10³": _case(few),
                "among 10⁶": _case(many),
            },
            rounds=rounds,
            slice_seconds=SLICE_SECONDS,
        )
        few.sync.close()
        many.sync.close()
    return result
