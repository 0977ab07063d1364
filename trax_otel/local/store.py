"""The SQLite file: bounded, in WAL mode, written by one connection at a time and read by many.

Rows are plain tuples made by `decode`. A trace's summary is kept beside its spans so that a list of traces needs no look
at them. What is too much (rows, bytes, age) is let go oldest first, in small steps after a commit, and counted.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

DATABASE_VARIABLE: Final = "TRAX_LOCAL_DB"
SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS resource (
  id INTEGER PRIMARY KEY, attributes TEXT NOT NULL UNIQUE, service TEXT NOT NULL, instance TEXT NOT NULL,
  version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS span (
  id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, name TEXT NOT NULL,
  kind INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, status INTEGER NOT NULL,
  status_message TEXT NOT NULL, error_type TEXT, error_code TEXT, recorded INTEGER NOT NULL, scope TEXT NOT NULL,
  resource_id INTEGER NOT NULL, attributes TEXT NOT NULL, events TEXT NOT NULL, links TEXT NOT NULL,
  UNIQUE (trace_id, span_id));
CREATE INDEX IF NOT EXISTS span_failed ON span (error_type, error_code) WHERE error_type IS NOT NULL;
CREATE TABLE IF NOT EXISTS trace (
  id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id TEXT NOT NULL UNIQUE, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
  spans INTEGER NOT NULL, errors INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS trace_start ON trace (start_ns);
CREATE TABLE IF NOT EXISTS log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, severity TEXT NOT NULL, severity_number INTEGER NOT NULL,
  body TEXT NOT NULL, logger TEXT NOT NULL, event_name TEXT NOT NULL, trace_id TEXT, span_id TEXT, error_code TEXT,
  error_type TEXT, resource_id INTEGER NOT NULL, attributes TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS log_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL, description TEXT NOT NULL,
  temporality TEXT NOT NULL, monotonic INTEGER NOT NULL, resource_id INTEGER NOT NULL, attributes TEXT NOT NULL,
  UNIQUE (name, resource_id, attributes, kind));
CREATE TABLE IF NOT EXISTS point (
  id INTEGER PRIMARY KEY AUTOINCREMENT, series_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, value REAL, count INTEGER,
  sum REAL, bounds TEXT NOT NULL, buckets TEXT NOT NULL, exemplars TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS point_series ON point (series_id, time_ns);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

_INSERT_SPAN: Final = (
    "INSERT OR IGNORE INTO span (trace_id, span_id, parent_id, name, kind, start_ns, end_ns, status, status_message,"
    " error_type, error_code, recorded, scope, resource_id, attributes, events, links)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_UPSERT_TRACE: Final = (
    "INSERT INTO trace (trace_id, start_ns, end_ns, spans, errors) VALUES (?,?,?,?,?) ON CONFLICT (trace_id) DO UPDATE SET"
    " start_ns = min(start_ns, excluded.start_ns), end_ns = max(end_ns, excluded.end_ns),"
    " spans = spans + excluded.spans, errors = errors + excluded.errors"
)
_RECOUNT_TRACE: Final = (
    "INSERT INTO trace (trace_id, start_ns, end_ns, spans, errors)"
    " SELECT trace_id, min(start_ns), max(end_ns), count(*), sum(status = 2) FROM span WHERE trace_id = ? GROUP BY trace_id"
    " ON CONFLICT (trace_id) DO UPDATE SET start_ns = excluded.start_ns, end_ns = excluded.end_ns,"
    " spans = excluded.spans, errors = excluded.errors"
)
_INSERT_LOG: Final = (
    "INSERT INTO log (time_ns, severity, severity_number, body, logger, event_name, trace_id, span_id, error_code,"
    " error_type, resource_id, attributes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_POINT: Final = (
    "INSERT INTO point (series_id, time_ns, value, count, sum, bounds, buckets, exemplars) VALUES (?,?,?,?,?,?,?,?)"
)

Row = tuple[Any, ...]


@dataclass
class ResourceRows:
    """What one resource sent: its description, and rows whose resource id is still open."""

    attributes: str
    service: str
    instance: str
    version: str
    spans: list[Row] = field(default_factory=list)
    logs: list[Row] = field(default_factory=list)
    points: list[tuple[Row, list[Row]]] = field(default_factory=list)
    """For each series its description and its points."""


@dataclass
class Batch:
    """One request, decoded: rows by resource, and what was refused of it."""

    resources: list[ResourceRows] = field(default_factory=list)
    rejected: int = 0
    reason: str = ""

    def reject(self, reason: str, count: int = 1) -> None:
        """Refuse something of the request; its neighbours are kept."""
        self.rejected += count
        self.reason = self.reason or reason


@dataclass(frozen=True)
class Bounds:
    """How much is kept. `age` is seconds."""

    spans: int = 500_000
    logs: int = 500_000
    points: int = 1_000_000
    bytes: int = 2 * 1024**3
    age: float = 7 * 86_400.0


def default_path() -> Path:
    """Where the data lives unless told otherwise: `TRAX_LOCAL_DB`, else the user's state folder."""
    chosen = os.environ.get(DATABASE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "trax-otel" / "local.db"


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that waits for others instead of failing at once."""
    if read_only:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5, check_same_thread=False)
    else:
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


class Store:
    """The writer's side. One thread uses it; other processes may have their own on the same file.

    Raises OSError or sqlite3.Error where the file cannot be made, is no database of ours, or the disk is full.
    """

    def __init__(self, path: Path | str | None = None, *, bounds: Bounds | None = None, fresh: bool = False) -> None:
        self.path = Path(path) if path is not None else default_path()
        self.bounds = bounds or Bounds()
        self._prepare_files()
        self._connection = connect(self.path)
        self._set_up(fresh)
        self._resources: dict[str, int] = {}
        self._series: dict[Row, int] = {}
        self._since_check = 0
        self._last_check = time.monotonic()

    def _prepare_files(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
        os.close(descriptor)

    def _set_up(self, fresh: bool) -> None:
        run = self._connection.execute
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA temp_store = MEMORY")
        run("PRAGMA cache_size = -65536")
        found = run("PRAGMA user_version").fetchone()[0]
        outdated = found not in (0, SCHEMA_VERSION)
        if fresh or outdated:
            run("BEGIN IMMEDIATE")
            for name in ("resource", "span", "trace", "log", "series", "point", "counter"):
                run(f"DROP TABLE IF EXISTS {name}")
            run("COMMIT")
        self._connection.executescript(_SCHEMA)
        run(f"PRAGMA user_version = {SCHEMA_VERSION}")
        run("INSERT OR IGNORE INTO counter VALUES ('evicted', 0), ('rejected', 0)")

    def write(self, batches: Iterable[Batch]) -> None:
        """Write batches in one transaction: all of them or, where it raises, none."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            rejected = 0
            for batch in batches:
                rejected += batch.rejected
                for resource in batch.resources:
                    self._write_resource(resource)
            if rejected:
                run("UPDATE counter SET value = value + ? WHERE name = 'rejected'", (rejected,))
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            self._resources.clear()
            self._series.clear()
            raise
        if self._since_check >= 20_000 or time.monotonic() - self._last_check > 30:
            self.evict()

    def _write_resource(self, rows: ResourceRows) -> None:
        resource_id = self._resource_id(rows)
        if rows.spans:
            self._write_spans([(*row[:13], resource_id, *row[13:]) for row in rows.spans])
        if rows.logs:
            self._connection.executemany(_INSERT_LOG, [(*row[:10], resource_id, row[10]) for row in rows.logs])
        for series, points in rows.points:
            series_id = self._series_id(series, resource_id)
            self._connection.executemany(_INSERT_POINT, [(series_id, *point) for point in points])
            self._since_check += len(points)
        self._since_check += len(rows.spans) + len(rows.logs)

    def _write_spans(self, rows: Sequence[Row]) -> None:
        before = self._connection.total_changes
        self._connection.executemany(_INSERT_SPAN, rows)
        traces: dict[str, list[int]] = {}
        for row in rows:
            summary = traces.get(row[0])
            failed = int(row[7] == 2)
            if summary is None:
                traces[row[0]] = [row[5], row[6], 1, failed]
            else:
                summary[0] = min(summary[0], row[5])
                summary[1] = max(summary[1], row[6])
                summary[2] += 1
                summary[3] += failed
        if self._connection.total_changes - before == len(rows):
            self._connection.executemany(_UPSERT_TRACE, [(key, *value) for key, value in traces.items()])
        else:  # a sender repeated what it had sent: count what is really there
            self._connection.executemany(_RECOUNT_TRACE, [(key,) for key in traces])

    def _resource_id(self, rows: ResourceRows) -> int:
        found = self._resources.get(rows.attributes)
        if found is None:
            self._connection.execute(
                "INSERT OR IGNORE INTO resource (attributes, service, instance, version) VALUES (?,?,?,?)",
                (rows.attributes, rows.service, rows.instance, rows.version),
            )
            row = self._connection.execute(
                "SELECT id FROM resource WHERE attributes = ?", (rows.attributes,)
            ).fetchone()
            if len(self._resources) > 10_000:
                self._resources.clear()
            found = self._resources[rows.attributes] = int(row[0])
        return found

    def _series_id(self, series: Row, resource_id: int) -> int:
        key = (*series, resource_id)
        found = self._series.get(key)
        if found is None:
            name, kind, unit, description, temporality, monotonic, attributes = series
            self._connection.execute(
                "INSERT OR IGNORE INTO series (name, kind, unit, description, temporality, monotonic, resource_id, attributes)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (name, kind, unit, description, temporality, monotonic, resource_id, attributes),
            )
            row = self._connection.execute(
                "SELECT id FROM series WHERE name = ? AND resource_id = ? AND attributes = ? AND kind = ?",
                (name, resource_id, attributes, kind),
            ).fetchone()
            if len(self._series) > 50_000:
                self._series.clear()
            found = self._series[key] = int(row[0])
        return found

    # --- Bounds ----------------------------------------------------------------------------------------------------

    def evict(self) -> int:
        """Let go what is beyond the bounds, oldest first; returns how many rows went."""
        self._since_check = 0
        self._last_check = time.monotonic()
        limits = {"span": self.bounds.spans, "log": self.bounds.logs, "point": self.bounds.points}
        oldest = time.time_ns() - int(self.bounds.age * 1e9)
        gone = 0
        for table, limit in limits.items():
            gone += self._evict_rows(table, limit, oldest)
        for _ in range(40):
            if self.size() <= self.bounds.bytes:
                break
            step = sum(self._evict_share(table) for table in limits)
            if not step:
                break
            gone += step
        if gone:
            self._connection.execute("UPDATE counter SET value = value + ? WHERE name = 'evicted'", (gone,))
            self._drop_orphans()
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return gone

    def size(self) -> int:
        """Bytes in use."""
        run = self._connection.execute
        pages = run("PRAGMA page_count").fetchone()[0] - run("PRAGMA freelist_count").fetchone()[0]
        return int(pages * run("PRAGMA page_size").fetchone()[0])

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def _evict_rows(self, table: str, limit: int, oldest_ns: int) -> int:
        excess = self._count(table) - limit
        gone = self._evict_oldest(table, excess) if excess > 0 else 0
        moment = "end_ns" if table == "span" else "time_ns"
        # Rows arrive about in the order of time: the oldest are among the lowest ids.
        row = self._connection.execute(
            f"SELECT count(*) FROM (SELECT {moment} AS at FROM {table} ORDER BY id LIMIT 50000) WHERE at < ?",
            (oldest_ns,),
        ).fetchone()
        if row[0]:
            cursor = self._connection.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT 50000) AND {moment} < ?",
                (oldest_ns,),
            )
            gone += cursor.rowcount
        return gone

    def _evict_share(self, table: str) -> int:
        return self._evict_oldest(table, -(-self._count(table) // 20))

    def _evict_oldest(self, table: str, number: int) -> int:
        if number <= 0:
            return 0
        cursor = self._connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT ?)", (number,)
        )
        return cursor.rowcount

    def _drop_orphans(self) -> None:
        """Traces without spans, series without points; a trace that lost some of its spans is counted anew."""
        run = self._connection.execute
        first = run("SELECT min(start_ns) FROM span").fetchone()[0]
        run("DELETE FROM trace WHERE NOT EXISTS (SELECT 1 FROM span WHERE span.trace_id = trace.trace_id)")
        if first is not None:
            cut = run("SELECT trace_id FROM trace WHERE start_ns < ?", (first,)).fetchall()
            self._connection.executemany(_RECOUNT_TRACE, cut)
        run("DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM point WHERE point.series_id = series.id)")
        self._series.clear()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
