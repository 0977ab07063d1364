"""From rows to the records of `model`."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from .model import Event, Link, Log, MetricPoint, MetricSeries, Span

KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
ENTRY: Final = "entry"
"""What a filter calls the spans with which work enters a service: requests and jobs."""
STATUSES: Final = ("unset", "ok", "error")
SELECT_SPAN: Final = (
    "SELECT s.trace_id, s.span_id, s.parent_id, s.name, s.kind, r.service, s.scope, s.start_ns, s.end_ns, s.status,"
    " s.status_message, s.error_type, s.error_code, s.attributes, s.events, s.links, r.attributes,"
    " s.more FROM span s JOIN resource r ON r.id = s.resource_id"
)
SELECT_LOG: Final = (
    "SELECT l.id, l.time_ns, l.severity, l.severity_number, l.body, l.logger, l.event_name, r.service, l.trace_id, l.span_id,"
    " l.error_code, l.attributes, r.attributes FROM log l JOIN resource r ON r.id = l.resource_id"
)


@lru_cache(maxsize=64)
def _shared(text: str) -> dict[str, Any]:
    """A resource's attributes: the same few for thousands of spans."""
    found: dict[str, Any] = json.loads(text)
    return found


def kind_name(number: int) -> str:
    """A span kind's name."""
    return KINDS[number] if 0 <= number < len(KINDS) else KINDS[0]


def kind_numbers(name: str) -> tuple[int, ...]:
    """The numbers of a span kind's name, of `entry` those of requests and jobs; none where there is no such kind."""
    if name == ENTRY:
        return KINDS.index("server"), KINDS.index("consumer")
    return (KINDS.index(name),) if name in KINDS else ()


def span_of(row: tuple[Any, ...]) -> Span:
    """A span from a row of `SELECT_SPAN`."""
    trace_id, span_id, parent_id, name, kind, service, scope, start, end, status, message, error_type, error_code = row[
        :13
    ]
    attributes, events, links = map(json.loads, row[13:16])
    resource = _shared(row[16])
    more = json.loads(row[17]) if row[17] else ()
    return Span(
        trace_id, span_id, parent_id, name, kind_name(kind), service, scope, start, end,
        STATUSES[status] if 0 <= status < len(STATUSES) else STATUSES[0], message, error_type, error_code, attributes,
        tuple(Event(*event) for event in events), tuple(Link(*link) for link in links), resource, *more,
    )  # fmt: skip


def log_of(row: tuple[Any, ...]) -> Log:
    """A log record from a row of `SELECT_LOG`."""
    identity, moment, severity, number, body, logger, event, service, trace_id, span_id, code = row[:11]
    attributes, resource = map(json.loads, row[11:])
    return Log(
        identity, moment, severity, number, body, logger, event, service, trace_id, span_id, code, attributes, resource
    )


def series_of(row: tuple[Any, ...], points: tuple[MetricPoint, ...]) -> MetricSeries:
    """A series from (name, unit, kind, service, instance, temporality, monotonic, attributes, scope) and its points."""
    name, unit, kind, service, instance, temporality, monotonic, attributes, scope = row
    return MetricSeries(
        name, unit, kind, service, instance, temporality, bool(monotonic), json.loads(attributes), points, scope
    )


def point_of(row: tuple[Any, ...]) -> MetricPoint:
    """A data point from (time, value, count, sum, bounds, buckets, exemplars, start, minimum, maximum)."""
    moment, value, count, total = row[:4]
    bounds, buckets, exemplars = (tuple(json.loads(text)) for text in row[4:7])
    return MetricPoint(moment, value, count, total, bounds, buckets, exemplars, *row[7:])
