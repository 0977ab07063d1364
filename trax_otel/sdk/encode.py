"""One codec a signal: items to bytes, bad values made sendable, and what a partial success says.

A lone surrogate in one span name makes protobuf refuse the whole request, so every item is looked at first (cheaply:
ASCII text passes by a flag) and only an item that needs it is copied and cleaned.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status

from .. import clock
from .private import attributes_of, encode_logs, plain_mapping

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import ReadableLogRecord

Item = TypeVar("Item")

_MAX_DEPTH: Final = 8
_INT64: Final = 1 << 63
_PLAIN: Final = frozenset({bool, float})


class Codec(Protocol[Item]):
    """How one signal's items become a request."""

    def count(self, items: Sequence[Item]) -> int:
        """How many spans, records or data points these are."""
        ...

    def clean(self, item: Item) -> Item:
        """The item itself, or a copy of it without values that cannot be sent."""
        ...

    def encode(self, items: Sequence[Item]) -> bytes:
        """The request. Raises where an item cannot be encoded."""
        ...

    def rejected(self, answer: bytes) -> tuple[int, str]:
        """How many of the items the endpoint says it rejected, and why."""
        ...


# --- Values ---------------------------------------------------------------------------------------


def sendable(text: str) -> bool:
    """Whether UTF-8 can express the text: lone surrogates cannot be sent."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean_text(text: Any) -> str:
    """The text with lone surrogates written out (`\\udc80`)."""
    try:
        if isinstance(text, (list, tuple, Mapping)):  # it may hold itself many times: its text would never end
            return f"<{type(text).__name__}>"
        text = text if isinstance(text, str) else str(text)
    except Exception:  # a value whose __str__ raises
        return f"<{type(text).__name__}>"
    return str(text) if sendable(text) else text.encode("utf-8", "backslashreplace").decode()


def clean_value(value: Any, depth: int = 0) -> Any:
    """The value as OTLP can express it; what it cannot express, or what is nested without end, becomes text."""
    if value is None or isinstance(value, (bool, float, bytes)):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {clean_text(key): clean_value(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, (Sequence, set, frozenset)):
            return [clean_value(inner, depth + 1) for inner in value]
    return clean_text(value)


def clean_attributes(attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The attributes themselves where all can be sent, else a cleaned copy."""
    if not attributes or _all_sendable(attributes):
        return attributes
    return {clean_text(key): clean_value(value) for key, value in attributes.items()}


def _all_sendable(attributes: Mapping[str, Any]) -> bool:
    for key, value in plain_mapping(attributes).items():  # noqa: SIM110  (a loop takes a third less than `all`)
        if not (type(key) is str and sendable(key) and _is_sendable(value)):
            return False
    return True


def _is_sendable(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return sendable(value)
    if kind is int:
        return bool(-_INT64 <= value < _INT64)
    if kind in _PLAIN:
        return True
    return kind is tuple and all(type(inner) is not tuple and _is_sendable(inner) for inner in value)


def _clean_scope(scope: InstrumentationScope | None) -> InstrumentationScope | None:
    if scope is None or _is_good_scope(scope):
        return scope
    return InstrumentationScope(
        clean_text(scope.name),
        clean_text(scope.version or ""),
        clean_text(scope.schema_url or ""),
        clean_attributes(scope.attributes),
    )


def _is_good_scope(scope: InstrumentationScope) -> bool:
    texts = (scope.name, scope.version or "", scope.schema_url or "")
    return all(type(text) is str and sendable(text) for text in texts) and _all_sendable(scope.attributes or {})


# --- Spans ----------------------------------------------------------------------------------------


_TIMES: Final = 1 << 64


def _is_good(span: ReadableSpan) -> bool:
    """Whether all of it can be sent as it is. Raises where something is of no kind that is known here."""
    description, events = span.status.description, span.events
    return (
        type(span.name) is str
        and sendable(span.name)
        and sendable(description or "")
        and type(span.kind) is SpanKind
        and 0 <= (span.start_time or 0) < _TIMES
        and 0 <= (span.end_time or 0) < _TIMES
        and type(span.start_time) is type(span.end_time) is int
        and _all_sendable(attributes_of(span) or {})
        and all(type(event.timestamp) is int and 0 <= event.timestamp < _TIMES for event in events)
        and all(sendable(event.name) and _all_sendable(event.attributes or {}) for event in events)
        and all(_all_sendable(link.attributes or {}) for link in span.links)
    )


def _time(stamp: Any, instead: int) -> int:
    return stamp if type(stamp) is int and 0 <= stamp < _TIMES else instead


class SpanCodec:
    """Ended spans."""

    def count(self, items: Sequence[ReadableSpan]) -> int:
        """One each."""
        return len(items)

    def clean(self, item: ReadableSpan) -> ReadableSpan:
        """A span whose texts and values can all be sent."""
        scope = _clean_scope(item.instrumentation_scope)
        try:
            if scope is item.instrumentation_scope and _is_good(item):
                return item
        except Exception:  # a name, a time or a kind that is none
            pass
        status, attributes, now = item.status, attributes_of(item), clock.current().time_ns()
        return ReadableSpan(
            name=clean_text(item.name),
            context=item.context,
            parent=item.parent,
            resource=item.resource,
            attributes=clean_attributes(attributes),
            events=[
                Event(clean_text(e.name), clean_attributes(e.attributes), _time(e.timestamp, now)) for e in item.events
            ],
            links=[Link(link.context, clean_attributes(link.attributes)) for link in item.links],
            kind=item.kind if isinstance(item.kind, SpanKind) else SpanKind.INTERNAL,
            status=Status(
                status.status_code, clean_text(status.description) if status.description is not None else None
            ),
            start_time=_time(item.start_time, now),
            end_time=_time(item.end_time, now),
            instrumentation_scope=scope,
        )

    def encode(self, items: Sequence[ReadableSpan]) -> bytes:
        """An ExportTraceServiceRequest."""
        return encode_spans(items).SerializePartialToString()

    def rejected(self, answer: bytes) -> tuple[int, str]:
        """What an ExportTraceServiceResponse says."""
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        return partial.rejected_spans, partial.error_message


# --- Log records ----------------------------------------------------------------------------------


def _is_good_record(record: LogRecord) -> bool:
    """Whether all of it can be sent as it is. Raises where something is of no kind that is known here."""
    texts = (record.severity_text, record.event_name)
    stamps = (record.timestamp or 0, record.observed_timestamp or 0)
    return (
        (record.body is None or _is_sendable(record.body))
        and _all_sendable(record.attributes or {})
        and all(text is None or sendable(text) for text in texts)
        and all(type(stamp) is int and 0 <= stamp < _TIMES for stamp in stamps)
        and (record.severity_number is None or type(record.severity_number) is SeverityNumber)
    )


class LogCodec:
    """Log records."""

    def count(self, items: Sequence[ReadableLogRecord]) -> int:
        """One each."""
        return len(items)

    def clean(self, item: ReadableLogRecord) -> ReadableLogRecord:
        """A record whose texts and values can all be sent."""
        record, scope = item.log_record, _clean_scope(item.instrumentation_scope)
        try:
            if scope is item.instrumentation_scope and _is_good_record(record):
                return item
        except Exception:  # a text, a time or a severity that is none
            pass
        cleaned = copy.copy(record)
        cleaned.body = clean_value(record.body)
        cleaned.attributes = clean_attributes(record.attributes)
        cleaned.severity_text = clean_text(record.severity_text) if record.severity_text else record.severity_text
        cleaned.event_name = clean_text(record.event_name) if record.event_name else record.event_name
        now = clock.current().time_ns()
        cleaned.timestamp = None if record.timestamp is None else _time(record.timestamp, now)
        cleaned.observed_timestamp = _time(record.observed_timestamp, now)
        if not isinstance(record.severity_number, SeverityNumber):
            cleaned.severity_number = SeverityNumber.UNSPECIFIED
        return dataclasses.replace(item, log_record=cleaned, instrumentation_scope=scope)

    def encode(self, items: Sequence[ReadableLogRecord]) -> bytes:
        """An ExportLogsServiceRequest."""
        return encode_logs(items)

    def rejected(self, answer: bytes) -> tuple[int, str]:
        """What an ExportLogsServiceResponse says."""
        partial = ExportLogsServiceResponse.FromString(answer).partial_success
        return partial.rejected_log_records, partial.error_message


# --- Metrics --------------------------------------------------------------------------------------


class MetricItem(NamedTuple):
    """One metric with where it belongs, so that a collection can be split and put together again."""

    resource: ResourceMetrics
    scope: ScopeMetrics
    metric: Metric


def metric_items(data: MetricsData) -> list[MetricItem]:
    """A collection taken apart."""
    return [
        MetricItem(resource, scope, metric)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]


def metrics_data(items: Iterable[MetricItem]) -> MetricsData:
    """A collection put together again."""
    grouped: dict[int, tuple[ResourceMetrics, dict[int, tuple[ScopeMetrics, list[Metric]]]]] = {}
    for item in items:
        _, scopes = grouped.setdefault(id(item.resource), (item.resource, {}))
        _, metrics = scopes.setdefault(id(item.scope), (item.scope, []))
        metrics.append(item.metric)
    return MetricsData(
        [
            dataclasses.replace(
                resource,
                scope_metrics=[dataclasses.replace(scope, metrics=metrics) for scope, metrics in scopes.values()],
            )
            for resource, scopes in grouped.values()
        ]
    )


class MetricCodec:
    """Collected metrics."""

    def count(self, items: Sequence[MetricItem]) -> int:
        """Their data points."""
        return sum(len(item.metric.data.data_points) for item in items)

    def clean(self, item: MetricItem) -> MetricItem:
        """A metric whose texts and attributes can all be sent."""
        metric = item.metric
        points = metric.data.data_points
        good = all(sendable(text) for text in (metric.name, metric.description or "", metric.unit or ""))
        if good and all(_all_sendable(point.attributes or {}) for point in points):
            return item
        cleaned = [dataclasses.replace(point, attributes=clean_attributes(point.attributes)) for point in points]
        return item._replace(
            metric=Metric(
                name=clean_text(metric.name),
                description=clean_text(metric.description or ""),
                unit=clean_text(metric.unit or ""),
                data=dataclasses.replace(metric.data, data_points=cleaned),  # type: ignore[arg-type]
            )
        )

    def encode(self, items: Sequence[MetricItem]) -> bytes:
        """An ExportMetricsServiceRequest."""
        return encode_metrics(metrics_data(items)).SerializePartialToString()

    def rejected(self, answer: bytes) -> tuple[int, str]:
        """What an ExportMetricsServiceResponse says."""
        partial = ExportMetricsServiceResponse.FromString(answer).partial_success
        return partial.rejected_data_points, partial.error_message
