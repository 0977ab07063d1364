"""What captured telemetry is asked of: spans, events, log records and data points as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.trace import ReadableSpan

Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class CapturedEvent:
    """An event: of a span, or a log record with an event name."""

    name: str
    attributes: Attributes
    time_ns: int
    span: str | None
    """The name of the span it happened in."""


@dataclass(frozen=True)
class CapturedSpan:
    """An ended span."""

    name: str
    attributes: Attributes
    events: tuple[CapturedEvent, ...]
    links: tuple[int, ...]
    """Ids of the spans that it links to."""
    status: str
    """`unset`, `ok` or `error`."""
    message: str
    """The status's description."""
    kind: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    raw: ReadableSpan = field(repr=False, compare=False)

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.end_ns - self.start_ns) / 1e9

    @property
    def error_code(self) -> str | None:
        """`trax.error.code`."""
        return self.attributes.get(semconv.ERROR_CODE)

    @property
    def outcome(self) -> str | None:
        """`trax.outcome`."""
        return self.attributes.get(semconv.OUTCOME)

    def event(self, name: str) -> CapturedEvent:
        """The one event of this name. Raises AssertionError that lists the span's events."""
        found = [event for event in self.events if event.name == name]
        if len(found) != 1:
            there = ", ".join(event.name for event in self.events) or "none"
            raise AssertionError(f"span {self.name!r} has {len(found)} events {name!r}; its events: {there}")
        return found[0]


@dataclass(frozen=True)
class CapturedLog:
    """A log record."""

    body: str
    severity: str
    attributes: Attributes
    logger: str
    event_name: str | None
    time_ns: int
    trace_id: int | None
    span_id: int | None
    raw: ReadWriteLogRecord = field(repr=False, compare=False)

    @property
    def correlation_id(self) -> str | None:
        """The correlation id that was in force."""
        return self.attributes.get(semconv.CORRELATION_ID)


@dataclass(frozen=True)
class CapturedPoint:
    """One data point. `value` is a counter's or gauge's; a histogram has `count`, `sum`, `min`, `max` instead."""

    metric: str
    unit: str
    attributes: Attributes
    value: float | None = None
    count: int | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None

    def __str__(self) -> str:
        figures = {key: getattr(self, key) for key in ("value", "count", "sum") if getattr(self, key) is not None}
        shown = " ".join(f"{key}={figure:g}" for key, figure in figures.items())
        return f"{self.metric}{dict(self.attributes)} {shown}"


def span_of(span: ReadableSpan) -> CapturedSpan:
    """The SDK's span as ours."""
    name = span.name
    events = tuple(CapturedEvent(e.name, dict(e.attributes or {}), e.timestamp, name) for e in span.events)
    return CapturedSpan(
        name=name,
        attributes=dict(span.attributes or {}),
        events=events,
        links=tuple(link.context.span_id for link in span.links),
        status=span.status.status_code.name.lower(),
        message=span.status.description or "",
        kind=span.kind.name.lower(),
        trace_id=span.context.trace_id if span.context else 0,
        span_id=span.context.span_id if span.context else 0,
        parent_id=span.parent.span_id if span.parent else None,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        raw=span,
    )


def log_of(entry: ReadWriteLogRecord) -> CapturedLog:
    """The SDK's log record as ours."""
    record = entry.log_record
    scope = entry.instrumentation_scope
    return CapturedLog(
        body="" if record.body is None else str(record.body),
        severity=record.severity_text or (record.severity_number.name if record.severity_number else ""),
        attributes=dict(record.attributes or {}),
        logger=scope.name if scope else "",
        event_name=record.event_name,
        time_ns=record.timestamp or record.observed_timestamp or 0,
        trace_id=record.trace_id or None,
        span_id=record.span_id or None,
        raw=entry,
    )


def points_of(metric: Metric) -> list[CapturedPoint]:
    """The data points of the SDK's metric."""
    points = []
    for point in metric.data.data_points:
        figures = {key: getattr(point, key, None) for key in ("value", "count", "sum", "min", "max")}
        points.append(CapturedPoint(metric.name, metric.unit or "", dict(point.attributes or {}), **figures))
    return points
