"""What the views ask of the store. Any thread may ask, beside any writer."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..semconv.standard import same_metric
from .failures import error_stats
from .filters import LOG_TEXTS, begin, log_conditions, series_conditions, span_conditions, where
from .left_out import left_out, told
from .model import (
    ErrorStats,
    Filter,
    Log,
    MetricInfo,
    MetricPoint,
    MetricSeries,
    OperationStats,
    ServiceStats,
    Span,
    Totals,
    TraceSummary,
)
from .operations import operation_stats
from .records import SELECT_LOG, SELECT_SPAN, log_of, point_of, series_of, span_of
from .resilience import BreakerStats, Recoveries, RetryStats, breaker_stats, recoveries, retry_stats
from .schema import connect, default_path

MAX_POINTS: Final = 5_000
"""Points of one series that a view gets, the newest."""


class Queries:
    """Reads a store's file. Raises FileNotFoundError where there is none yet."""

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        if not self.path.exists():
            raise FileNotFoundError(f"no telemetry has been stored yet: {self.path} does not exist")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query on a connection that no other thread uses meanwhile."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self.path, read_only=True)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            self._idle.append(connection)
            if self._closed:
                self.close()

    def close(self) -> None:
        """Close the connections, those in use as soon as they are done."""
        self._closed = True
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def revision(self) -> int:
        """A number that grows whenever something has arrived."""
        return int(
            self.rows("SELECT coalesce(sum(seq), 0) FROM sqlite_sequence WHERE name IN ('span', 'log', 'point')")[0][0]
        )

    def totals(self) -> Totals:
        """How much is held and what was let go."""
        ((spans, logs, points),) = self.rows(
            "SELECT (SELECT count(*) FROM span), (SELECT count(*) FROM log), (SELECT count(*) FROM point)"
        )
        counters = dict(self.rows("SELECT name, value FROM counter"))
        size = sum(path.stat().st_size for path in self.path.parent.glob(f"{self.path.name}*"))
        return Totals(spans, logs, points, size, counters.get("evicted", 0), counters.get("rejected", 0))

    # --- Services and operations -------------------------------------------------------------------------------------

    def services(self) -> list[ServiceStats]:
        """Every service, by name."""
        figures: dict[str, dict[str, int]] = {}
        for column, sql in {
            "spans": "SELECT r.service, count(*), max(s.start_ns), sum(s.status = 2) FROM span s"
            " JOIN resource r ON r.id = s.resource_id GROUP BY 1",
            "logs": "SELECT r.service, count(*), max(l.time_ns), 0 FROM log l JOIN resource r ON r.id = l.resource_id GROUP BY 1",
            "metrics": "SELECT r.service, count(DISTINCT e.name), 0, 0 FROM series e JOIN resource r ON r.id = e.resource_id"
            " GROUP BY 1",
        }.items():
            for service, count, last, errors in self.rows(sql):
                entry = figures.setdefault(service, {"spans": 0, "logs": 0, "metrics": 0, "last": 0, "errors": 0})
                entry[column] = count
                entry["errors"] += errors or 0
                entry["last"] = max(entry["last"], last or 0)
        described = {
            service: (versions, instances)
            for service, versions, instances in self.rows(
                "SELECT service, group_concat(DISTINCT nullif(version, '')), max(1, count(DISTINCT nullif(instance, '')))"
                " FROM resource GROUP BY 1"
            )
        }
        return [
            ServiceStats(
                service, (described.get(service, ("", 0))[0] or "").replace(",", ", "), described.get(service, ("", 0))[1],
                entry["spans"], entry["errors"], entry["logs"], entry["metrics"], entry["last"],
            )
            for service, entry in sorted(figures.items())
        ]  # fmt: skip

    def operations(self, wanted: Filter | None = None) -> list[OperationStats]:
        """The spans of each service, name and kind, busiest first; percentiles are exact."""
        return operation_stats(self.rows, wanted or Filter())

    # --- Traces --------------------------------------------------------------------------------------------------------

    def traces(self, wanted: Filter | None = None) -> list[TraceSummary]:
        """Traces with a span that fits, newest first (followers, by `after_id`: oldest first)."""
        wanted = wanted or Filter()
        conditions, values = [], []
        for condition, value in (
            ("t.start_ns >= ?", wanted.since_ns),
            ("t.start_ns <= ?", wanted.until_ns),
            ("t.end_ns - t.start_ns >= ?", wanted.min_duration_ns),
            ("t.id > ?", wanted.after_id),
        ):
            if value:
                conditions.append(condition)
                values.append(value)
        begin(conditions, values, "t.trace_id", wanted.trace_id)
        if wanted.errors_only:
            conditions.append("t.errors > 0")
        if any((wanted.service, wanted.version, wanted.kind, wanted.operation, wanted.code, wanted.text, wanted.extra)):
            inner = Filter(
                service=wanted.service,
                version=wanted.version,
                kind=wanted.kind,
                operation=wanted.operation,
                code=wanted.code,
                text=wanted.text,
                extra=wanted.extra,
            )
            within, inner_values = span_conditions(inner)
            spans = f"SELECT s.trace_id FROM span s JOIN resource r ON r.id = s.resource_id {where(within)}"
            conditions.append(f"t.trace_id IN ({spans})")
            values += inner_values
        order = "t.id" if wanted.after_id else "t.start_ns DESC, t.id DESC"
        rows = self.rows(
            "SELECT t.id, t.trace_id, t.start_ns, t.end_ns, t.spans, t.errors FROM trace t"
            f" {where(conditions)} ORDER BY {order} LIMIT ?",
            (*values, wanted.limit),
        )
        return [self._summary(row) for row in rows]

    def _summary(self, row: tuple[Any, ...]) -> TraceSummary:
        identity, trace_id, start, end, spans, errors = row
        named = "SELECT s.name, r.service FROM span s JOIN resource r ON r.id = s.resource_id WHERE s.trace_id = ?"
        roots = self.rows(f"{named} AND s.parent_id IS NULL ORDER BY s.start_ns LIMIT 1", (trace_id,))
        roots = roots or self.rows(f"{named} ORDER BY s.start_ns LIMIT 1", (trace_id,))
        services = self.rows(
            "SELECT DISTINCT service FROM resource WHERE id IN (SELECT resource_id FROM span WHERE trace_id = ?) ORDER BY 1",
            (trace_id,),
        )
        codes = self.rows(
            "SELECT DISTINCT error_code FROM span WHERE trace_id = ? AND error_code IS NOT NULL ORDER BY 1", (trace_id,)
        )
        name, service = roots[0] if roots else ("", "")
        return TraceSummary(
            identity, trace_id, name, service, tuple(one for (one,) in services), start, max(0, end - start), spans, errors,
            tuple(code for (code,) in codes),
        )  # fmt: skip

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace by start; `trace_id` may be a beginning that is unique. Empty where there is none.

        Raises ValueError where several traces begin so.
        """
        prefix = trace_id.strip().lower()
        if not prefix or any(character not in "0123456789abcdef" for character in prefix):
            return []
        found = self.rows(
            "SELECT trace_id FROM trace WHERE trace_id >= ? AND trace_id < ? LIMIT 2", (prefix, prefix + "g")
        )
        if len(found) > 1:
            raise ValueError(f"several traces begin with {prefix}: give more of the id")
        if not found:
            return []
        return [
            span_of(row) for row in self.rows(f"{SELECT_SPAN} WHERE s.trace_id = ? ORDER BY s.start_ns, s.id", found[0])
        ]

    def span(self, trace_id: str, span_id: str) -> Span | None:
        """One span, by its full ids."""
        rows = self.rows(f"{SELECT_SPAN} WHERE s.trace_id = ? AND s.span_id = ?", (trace_id, span_id))
        return span_of(rows[0]) if rows else None

    def errors(self, wanted: Filter | None = None) -> list[ErrorStats]:
        """Errors that belong together (service, code, type, fingerprint), newest first; each counts once."""
        return error_stats(self.rows, wanted or Filter())

    # --- Retries, breakers, recoveries -------------------------------------------------------------------------------

    def retries(self, wanted: Filter | None = None) -> list[RetryStats]:
        """Retried operations by how they ended, over all processes of a service."""
        return retry_stats(self.rows, wanted or Filter())

    def breakers(self, wanted: Filter | None = None) -> list[BreakerStats]:
        """Circuit breakers with their states over time, each process's own."""
        return breaker_stats(self.rows, wanted or Filter())

    def recoveries(self, wanted: Filter | None = None) -> Recoveries:
        """Recoveries, what was tried, degraded features, resumed operations."""
        return recoveries(self.rows, wanted or Filter())

    # --- Logs ------------------------------------------------------------------------------------------------------------

    def logs(self, wanted: Filter | None = None) -> list[Log]:
        """Log records, newest first; with `after_id` what arrived since, oldest first."""
        wanted = wanted or Filter()
        conditions, values = log_conditions(wanted, texts=(*LOG_TEXTS, "l.event_name"))
        order = "l.id" if wanted.after_id else "l.time_ns DESC, l.id DESC"
        return [
            log_of(row)
            for row in self.rows(f"{SELECT_LOG} {where(conditions)} ORDER BY {order} LIMIT ?", (*values, wanted.limit))
        ]

    def record(self, log_id: int) -> Log | None:
        """One log record."""
        rows = self.rows(f"{SELECT_LOG} WHERE l.id = ?", (log_id,)) if 0 < log_id < 2**63 else []
        return log_of(rows[0]) if rows else None

    def versions(self) -> list[str]:
        """Every version of a service that has sent something."""
        return [one for (one,) in self.rows("SELECT DISTINCT version FROM resource WHERE version <> '' ORDER BY 1")]

    def last_log_id(self) -> int:
        """Where a follower of logs begins."""
        return int(self.rows("SELECT coalesce(max(id), 0) FROM log")[0][0])

    def last_trace_id(self) -> int:
        """Where a follower of traces begins."""
        return int(self.rows("SELECT coalesce(max(id), 0) FROM trace")[0][0])

    def left_out(self, wanted: Filter | None = None) -> str:
        """What services left out of their traces, in a sentence; empty where that is nothing."""
        return told(left_out(self.rows, wanted or Filter()))

    # --- Metrics -----------------------------------------------------------------------------------------------------------

    def metrics(self, wanted: Filter | None = None) -> list[MetricInfo]:
        """Every metric, by name."""
        wanted = wanted or Filter()
        conditions, values = series_conditions(wanted)
        rows = self.rows(
            "SELECT e.name, e.kind, e.unit, e.description, group_concat(DISTINCT r.service), count(*),"
            " sum((SELECT count(*) FROM point p WHERE p.series_id = e.id)),"
            " max((SELECT max(time_ns) FROM point p WHERE p.series_id = e.id))"
            f" FROM series e JOIN resource r ON r.id = e.resource_id {where(conditions)}"
            " GROUP BY e.name, e.kind, e.unit ORDER BY e.name LIMIT ?",
            (*values, wanted.limit),
        )
        return [
            MetricInfo(
                name, kind, unit, text, tuple(sorted((services or "").split(","))), series, points or 0, last or 0
            )
            for name, kind, unit, text, services, series, points, last in rows
        ]

    def metric(self, name: str, wanted: Filter | None = None) -> list[MetricSeries]:
        """The series of a metric with their points, oldest first; where there is none, those of its other name."""
        found = (self._series(one, wanted or Filter()) for one in same_metric(name))
        return next((series for series in found if series), [])

    def _series(self, name: str, wanted: Filter) -> list[MetricSeries]:
        conditions, values = series_conditions(
            Filter(service=wanted.service, version=wanted.version, extra=wanted.extra)
        )
        rows = self.rows(
            "SELECT e.id, e.name, e.unit, e.kind, r.service, r.instance, e.temporality, e.monotonic, e.attributes, e.scope"
            f" FROM series e JOIN resource r ON r.id = e.resource_id {where([*conditions, 'e.name = ?'])} ORDER BY e.id LIMIT ?",
            (*values, name, wanted.limit),
        )
        return [series_of(row[1:], self._points(row[0], wanted)) for row in rows]

    def _points(self, series_id: int, wanted: Filter) -> tuple[MetricPoint, ...]:
        rows = self.rows(
            "SELECT time_ns, value, count, sum, bounds, buckets, exemplars, start_ns, minimum, maximum FROM point"
            " WHERE series_id = ? AND time_ns >= ? AND time_ns <= ? ORDER BY time_ns DESC, id DESC LIMIT ?",
            (series_id, wanted.since_ns, wanted.until_ns or 2**63 - 1, MAX_POINTS),
        )
        return tuple(point_of(row) for row in reversed(rows))
