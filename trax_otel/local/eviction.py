"""Keeping the store within its bounds: rows, bytes and age. The oldest arrivals go first, a bounded number at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .. import clock

_STEP: Final = 4_000
"""Rows that go in one transaction: some 50 ms, so that senders and readers hardly notice."""
_RECOUNT_SECONDS: Final = 60.0
_ARRIVAL_SECONDS: Final = 60.0
_MAX_RESOURCES: Final = 5_000
_TABLES: Final[tuple[str, ...]] = ("span", "log", "point")

RECOUNT_TRACE: Final = (
    "INSERT INTO trace (trace_id, start_ns, end_ns, spans, errors)"
    " SELECT trace_id, min(start_ns), max(end_ns), count(*), sum(status = 2) FROM span WHERE trace_id = ? GROUP BY trace_id"
    " ON CONFLICT (trace_id) DO UPDATE SET start_ns = excluded.start_ns, end_ns = excluded.end_ns,"
    " spans = excluded.spans, errors = excluded.errors"
)
_DROP_EMPTY_TRACE: Final = (
    "DELETE FROM trace WHERE trace_id = ? AND NOT EXISTS (SELECT 1 FROM span WHERE span.trace_id = trace.trace_id)"
)
_DROP_EMPTY_SERIES: Final = (
    "DELETE FROM series WHERE id = ? AND NOT EXISTS (SELECT 1 FROM point WHERE point.series_id = series.id)"
)
_DROP_EMPTY_RESOURCES: Final = (
    "DELETE FROM resource WHERE id NOT IN (SELECT resource_id FROM span UNION SELECT resource_id FROM log"
    " UNION SELECT resource_id FROM series)"
)


@dataclass(frozen=True)
class Bounds:
    """How much is kept, to within a hundredth. `age` is seconds since the arrival."""

    spans: int = 500_000
    logs: int = 500_000
    points: int = 1_000_000
    bytes: int = 2 * 1024**3
    age: float = 7 * 86_400.0


class Eviction:
    """Counts what arrives and lets go what is too much. Works on the writer's connection, on the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds) -> None:
        self._connection = connection
        self._limits: dict[str, int] = {"span": bounds.spans, "log": bounds.logs, "point": bounds.points}
        self._bounds = bounds
        self._rows: dict[str, int] = dict.fromkeys(_TABLES, 0)
        self._recounted: float | None = None
        self._marked: float | None = None
        self._due = 0

    def arrived(self, rows: Mapping[str, int]) -> None:
        """Rows were written."""
        for table, count in rows.items():
            self._rows[table] += count
            self._due += count

    def step(self) -> int:
        """Let go what is beyond the bounds, about twice as many rows as came since the last step; returns how many."""
        now = clock.current().monotonic()
        # Another process may write to this file too, and repeated spans were counted though none was added.
        if self._recounted is None or now - self._recounted > _RECOUNT_SECONDS:
            self._rows = {table: self._number(f"SELECT count(*) FROM {table}") for table in _TABLES}
            self._recounted = now
        if self._marked is None or now - self._marked > _ARRIVAL_SECONDS:
            self._mark_arrival()
            self._marked = now
        budget, self._due = max(2 * _STEP, 2 * self._due), 0
        gone = 0
        while gone < budget:
            chunk = self._transaction()
            if not chunk:
                break
            gone += chunk
        if gone:
            self._give_back_space()
        return gone

    def size(self) -> int:
        """Bytes in use."""
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def _number(self, sql: str, values: tuple[int, ...] = ()) -> int:
        row = self._connection.execute(sql, values).fetchone()
        return int(row[0] or 0) if row else 0

    def _mark_arrival(self) -> None:
        self._connection.execute(
            "INSERT INTO arrival SELECT ?, coalesce((SELECT max(id) FROM span), 0), coalesce((SELECT max(id) FROM log), 0),"
            " coalesce((SELECT max(id) FROM point), 0)",
            (clock.current().time_ns(),),
        )

    def _transaction(self) -> int:
        """One step of every table; returns how many rows went."""
        run = self._connection.execute
        wanted = self._wanted()
        if not any(wanted.values()):
            return 0
        run("BEGIN IMMEDIATE")
        try:
            gone = {table: self._oldest(table, number) for table, number in wanted.items() if number}
            run("UPDATE counter SET value = value + ? WHERE name = 'evicted'", (sum(gone.values()),))
            if self._number("SELECT count(*) FROM resource") > _MAX_RESOURCES and run(_DROP_EMPTY_RESOURCES).rowcount:
                run("UPDATE counter SET value = value + 1 WHERE name = 'epoch'")
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        for table, number in gone.items():
            self._rows[table] -= number
        return sum(gone.values())

    def _wanted(self) -> dict[str, int]:
        """How many of each table's oldest rows should go now."""
        wanted: dict[str, int] = dict.fromkeys(_TABLES, 0)
        for table, limit in self._limits.items():
            # Many at a time: each commit costs by the pages that it touches, of which one row touches several.
            if self._rows[table] - limit > min(_STEP, limit // 100):
                wanted[table] = self._rows[table] - limit
        if self.size() > self._bounds.bytes:
            for table in _TABLES:
                wanted[table] = max(wanted[table], -(-self._rows[table] // 50))
        oldest = clock.current().time_ns() - int(self._bounds.age * 1e9)
        aged = self._connection.execute(
            "SELECT max(time_ns), span, log, point FROM arrival WHERE time_ns < ?", (oldest,)
        ).fetchone()
        if aged[0] is not None:
            for table, last in zip(_TABLES, aged[1:], strict=True):
                below = f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE id <= ? LIMIT {_STEP})"
                wanted[table] = max(wanted[table], self._number(below, (last,)))
            if not any(wanted.values()):
                self._connection.execute("DELETE FROM arrival WHERE time_ns < ?", (oldest,))
        return {table: min(number, _STEP) for table, number in wanted.items()}

    def _oldest(self, table: str, number: int) -> int:
        run = self._connection.execute
        last = self._number(f"SELECT max(id) FROM (SELECT id FROM {table} ORDER BY id LIMIT ?)", (number,))
        owner = {"span": "trace_id", "point": "series_id"}.get(table)
        owners = run(f"SELECT DISTINCT {owner} FROM {table} WHERE id <= ?", (last,)).fetchall() if owner else []
        gone = run(f"DELETE FROM {table} WHERE id <= ?", (last,)).rowcount
        if table == "span":
            self._connection.executemany(_DROP_EMPTY_TRACE, owners)
            self._connection.executemany(RECOUNT_TRACE, owners)
        elif table == "point":
            before = self._connection.total_changes
            self._connection.executemany(_DROP_EMPTY_SERIES, owners)
            if self._connection.total_changes > before:
                run("UPDATE counter SET value = value + 1 WHERE name = 'epoch'")
        return gone

    def _give_back_space(self) -> None:
        """Free pages are used again; only where they are many does the file shrink."""
        if self._number("PRAGMA freelist_count") * 4 > self._number("PRAGMA page_count"):
            self._connection.execute("PRAGMA incremental_vacuum(2000)").fetchall()
