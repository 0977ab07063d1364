"""What the store hands to the views: plain frozen records, the same for the terminal, the page and the report.

Times are nanoseconds since the epoch, durations nanoseconds; ids are lower-case hex. Attributes are plain JSON values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """Something that happened at one moment of a span."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True)
class Link:
    """A span's reference to another one, maybe of another trace."""

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(frozen=True)
class Span:
    """One span, with the resource it came from."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    """`internal`, `server`, `client`, `producer`, `consumer` or `unspecified`."""
    service: str
    scope: str
    start_ns: int
    end_ns: int
    status: str
    """`unset`, `ok` or `error`."""
    status_message: str
    error_type: str | None
    error_code: str | None
    attributes: Attributes
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    resource: Attributes
    scope_version: str = ""
    trace_state: str = ""
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0

    @property
    def duration_ns(self) -> int:
        """How long the span took."""
        return max(0, self.end_ns - self.start_ns)


@dataclass(frozen=True)
class Log:
    """One log record; `id` grows with arrival and is what a follower asks from."""

    id: int
    time_ns: int
    severity: str
    severity_number: int
    body: str
    logger: str
    event_name: str
    service: str
    trace_id: str | None
    span_id: str | None
    error_code: str | None
    attributes: Attributes
    resource: Attributes


@dataclass(frozen=True)
class TraceSummary:
    """A trace in a list; `root` is the span without a known parent that began first."""

    id: int
    trace_id: str
    root: str
    service: str
    services: tuple[str, ...]
    start_ns: int
    duration_ns: int
    spans: int
    errors: int
    error_codes: tuple[str, ...]


@dataclass(frozen=True)
class OperationStats:
    """One row of the table of operations: spans of one service and name. Percentiles are exact, in nanoseconds."""

    service: str
    operation: str
    kind: str
    count: int
    errors: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    last_ns: int


@dataclass(frozen=True)
class OverTime:
    """How often something happened in each of equal parts of a stretch of time."""

    counts: tuple[int, ...]
    first_ns: int
    last_ns: int


@dataclass(frozen=True)
class ErrorStats:
    """Errors that belong together: one code, type and fingerprint of one service."""

    code: str
    category: str
    type: str
    fingerprint: str
    service: str
    versions: tuple[str, ...]
    retryable: bool | None
    count: int
    first_ns: int
    last_ns: int
    message: str
    example_trace_id: str | None
    example_span_id: str | None
    example_log_id: int | None
    """Of an error that only a log record tells of: the record."""
    over_time: OverTime


@dataclass(frozen=True)
class ServiceStats:
    """What one service has sent."""

    service: str
    version: str
    instances: int
    spans: int
    errors: int
    logs: int
    metrics: int
    last_ns: int


@dataclass(frozen=True)
class MetricInfo:
    """A metric's name and what is known of it."""

    name: str
    kind: str
    """`gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`."""
    unit: str
    description: str
    services: tuple[str, ...]
    series: int
    points: int
    last_ns: int


@dataclass(frozen=True)
class MetricPoint:
    """One data point. Histograms carry counts by bucket; percentiles are estimated from them by the queries."""

    time_ns: int
    value: float | None
    count: int | None = None
    sum: float | None = None
    bounds: tuple[float, ...] = ()
    bucket_counts: tuple[int, ...] = ()
    """Of a summary its quantiles stand in `bounds`, their values in `bucket_counts`."""
    exemplar_trace_ids: tuple[str, ...] = ()
    start_ns: int = 0
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class MetricSeries:
    """The points of one series, oldest first."""

    name: str
    unit: str
    kind: str
    service: str
    instance: str
    temporality: str
    """`cumulative`, `delta` or empty."""
    monotonic: bool
    attributes: Attributes
    points: tuple[MetricPoint, ...]
    scope: str = ""
    """The instrumentation that measured it."""


@dataclass(frozen=True)
class Filter:
    """What a view asks for; an empty field means any.

    `since_ns`/`until_ns` bound the start time; `text` is looked for in names, messages and attribute values, ignoring case.
    `after_id` is for followers: only what arrived after that row.
    """

    service: str = ""
    version: str = ""
    kind: str = ""
    """A span's kind, or `entry`: requests and jobs, which is `server` and `consumer`."""
    operation: str = ""
    code: str = ""
    text: str = ""
    trace_id: str = ""
    since_ns: int = 0
    until_ns: int = 0
    min_duration_ns: int = 0
    errors_only: bool = False
    min_severity: int = 0
    after_id: int = 0
    limit: int = 100
    sort: str = ""
    """Of operations: `errors`, `p50`, `p95` or `p99`, largest first; else by count."""
    extra: Attributes = field(default_factory=dict)
    """Attribute equality: `{"http.route": "/x"}`."""


@dataclass(frozen=True)
class Totals:
    """How much the store holds, and what it let go to stay within its bounds."""

    spans: int
    logs: int
    points: int
    bytes: int
    evicted: int
    rejected: int
