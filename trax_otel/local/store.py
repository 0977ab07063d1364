"""The writer's side of the SQLite file: one connection writes at a time, in transactions of many requests.

Rows are plain tuples made by `decode`. A trace's summary is kept beside its spans so that a list of traces needs no look
at them. What is too much goes out by `eviction`, after the senders had their answers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .eviction import RECOUNT_TRACE, Bounds, Eviction
from .schema import default_path, open_for_writing

_INSERT_SPAN: Final = (
    "INSERT OR IGNORE INTO span (trace_id, span_id, parent_id, name, kind, start_ns, end_ns, duration_ns, status, status_message,"
    " error_type, error_code, recorded, scope, resource_id, attributes, events, links, more)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_UPSERT_TRACE: Final = (
    "INSERT INTO trace (trace_id, start_ns, end_ns, spans, errors) VALUES (?,?,?,?,?) ON CONFLICT (trace_id) DO UPDATE SET"
    " start_ns = min(start_ns, excluded.start_ns), end_ns = max(end_ns, excluded.end_ns),"
    " spans = spans + excluded.spans, errors = errors + excluded.errors"
)
_INSERT_LOG: Final = (
    "INSERT INTO log (time_ns, severity, severity_number, body, logger, event_name, trace_id, span_id, error_code,"
    " error_type, resource_id, attributes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)
_INSERT_POINT: Final = (
    "INSERT INTO point (series_id, time_ns, value, count, sum, bounds, buckets, exemplars, start_ns, minimum, maximum)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
_MAX_CACHED: Final = 50_000

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
    """Why something was refused; with nothing refused, a warning."""

    def reject(self, reason: str, count: int = 1) -> None:
        """Refuse something of the request; its neighbours are kept."""
        self.reason = self.reason if self.rejected else reason
        self.rejected += count


class Store:
    """The writer's side. One thread uses it; other processes may have their own on the same file.

    Raises OSError or sqlite3.Error where the file cannot be made, is no database of ours, or the disk is full.
    """

    def __init__(self, path: Path | str | None = None, *, bounds: Bounds | None = None, fresh: bool = False) -> None:
        self.path = Path(path) if path is not None else default_path()
        self._connection = open_for_writing(self.path, fresh=fresh)
        self._eviction = Eviction(self._connection, bounds or Bounds())
        self._resources: dict[str, int] = {}
        self._series: dict[Row, int] = {}
        self._epoch = -1

    def write(self, batches: Iterable[Batch]) -> None:
        """Write batches in one transaction: all of them or, where it raises, none."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            self._forget_what_is_gone()
            rejected = 0
            counts = {"span": 0, "log": 0, "point": 0}
            for batch in batches:
                rejected += batch.rejected
                for resource in batch.resources:
                    self._write_resource(resource, counts)
            if rejected:
                run("UPDATE counter SET value = value + ? WHERE name = 'rejected'", (rejected,))
            run("COMMIT")
        except BaseException:
            self._resources.clear()
            self._series.clear()
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        self._eviction.arrived(counts)

    def evict(self) -> int:
        """Let go what is beyond the bounds, oldest first and a bounded number at a time; returns how many rows went."""
        return self._eviction.step()

    def size(self) -> int:
        """Bytes in use."""
        return self._eviction.size()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _forget_what_is_gone(self) -> None:
        """Ids known here are void once any process on this file let resources or series go."""
        epoch = self._connection.execute("SELECT value FROM counter WHERE name = 'epoch'").fetchone()[0]
        if epoch != self._epoch or len(self._resources) > _MAX_CACHED or len(self._series) > _MAX_CACHED:
            self._resources.clear()
            self._series.clear()
            self._epoch = epoch

    def _write_resource(self, rows: ResourceRows, counts: dict[str, int]) -> None:
        resource_id = self._resource_id(rows)
        if rows.spans:
            self._write_spans(
                [(*row[:7], max(0, row[6] - row[5]), *row[7:13], resource_id, *row[13:]) for row in rows.spans]
            )
        if rows.logs:
            self._connection.executemany(_INSERT_LOG, [(*row[:10], resource_id, row[10]) for row in rows.logs])
        for series, points in rows.points:
            series_id = self._series_id(series, resource_id)
            self._connection.executemany(_INSERT_POINT, [(series_id, *point) for point in points])
            counts["point"] += len(points)
        counts["span"] += len(rows.spans)
        counts["log"] += len(rows.logs)

    def _write_spans(self, rows: Sequence[Row]) -> None:
        before = self._connection.total_changes
        self._connection.executemany(_INSERT_SPAN, rows)
        traces: dict[str, list[int]] = {}
        for row in rows:
            summary = traces.get(row[0])
            failed = int(row[8] == 2)
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
            self._connection.executemany(RECOUNT_TRACE, [(key,) for key in traces])

    def _resource_id(self, rows: ResourceRows) -> int:
        found = self._resources.get(rows.attributes)
        if found is None:
            found = self._resources[rows.attributes] = self._identified(
                "resource", {"attributes": rows.attributes},
                {"service": rows.service, "instance": rows.instance, "version": rows.version},
            )  # fmt: skip
        return found

    def _series_id(self, series: Row, resource_id: int) -> int:
        key = (*series, resource_id)
        found = self._series.get(key)
        if found is None:
            name, kind, unit, description, temporality, monotonic, attributes, scope = series
            found = self._series[key] = self._identified(
                "series",
                {"name": name, "kind": kind, "unit": unit, "temporality": temporality, "monotonic": monotonic,
                 "resource_id": resource_id, "attributes": attributes, "scope": scope},
                {"description": description},
            )  # fmt: skip
        return found

    def _identified(self, table: str, key: dict[str, Any], more: dict[str, Any]) -> int:
        """The id of the row with this key, made where there is none."""
        columns = {**key, **more}
        self._connection.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            tuple(columns.values()),
        )
        condition = " AND ".join(f"{column} = ?" for column in key)
        row: sqlite3.Cursor = self._connection.execute(f"SELECT id FROM {table} WHERE {condition}", tuple(key.values()))
        return int(row.fetchone()[0])
