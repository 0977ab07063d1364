"""From an OTLP request to rows. Bad items are left out and counted; their neighbours are kept."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from .. import semconv
from .store import Batch, ResourceRows, Row
from .wire import MalformedError, salvage

Signal = Literal["traces", "metrics", "logs"]

REQUESTS: Final[dict[Signal, Any]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
_ITEMS: Final[dict[Signal, Any]] = {"traces": Span, "metrics": Metric, "logs": LogRecord}
_MAX_NS: Final = 2**63 - 1
_dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RefusedError(ValueError):
    """The request as a whole cannot be taken; the text says why."""


def from_protobuf(signal: Signal, body: bytes) -> Batch:
    """Decode a protobuf body. Raises RefusedError where nothing of it can be read."""
    lost = 0
    try:
        request = REQUESTS[signal].FromString(body)
    except DecodeError:
        try:
            body, lost = salvage(body, _ITEMS[signal], InstrumentationScope, Resource)
            request = REQUESTS[signal].FromString(body)
        except (MalformedError, DecodeError) as error:
            raise RefusedError(f"the body is not a protobuf {REQUESTS[signal].DESCRIPTOR.name}: {error}") from None
        if not lost and not body:
            raise RefusedError(f"the body is not a protobuf {REQUESTS[signal].DESCRIPTOR.name}") from None
    batch = from_message(signal, request)
    if lost:
        batch.reject("an item is no valid protobuf (bad UTF-8 or nested too deep)", lost)
    return batch


def from_message(signal: Signal, request: Any) -> Batch:
    """Decode a parsed request."""
    batch = Batch()
    decode: Callable[[Any, Batch], list[ResourceRows]] = {"traces": _traces, "metrics": _metrics, "logs": _logs}[signal]
    batch.resources = [rows for rows in decode(request, batch) if rows.spans or rows.logs or rows.points]
    return batch


# --- Values ----------------------------------------------------------------------------------------------------------


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    plain = getattr(value, kind)
    return str(plain) if kind == "double_value" and not math.isfinite(plain) else plain


def _attributes(items: Iterable[Any]) -> dict[str, Any]:
    return {item.key: _value(item.value) for item in items}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _resource(resource: Any) -> ResourceRows:
    attributes = _attributes(resource.attributes)
    return ResourceRows(
        _dumps(attributes),
        str(attributes.get(semconv.SERVICE_NAME) or "unknown_service"),
        str(attributes.get(semconv.SERVICE_INSTANCE_ID) or ""),
        str(attributes.get(semconv.SERVICE_VERSION) or ""),
    )


def _moment(nanoseconds: int) -> int:
    return min(nanoseconds, _MAX_NS)


# --- Traces ------------------------------------------------------------------------------------------------------------


def _traces(request: Any, batch: Batch) -> list[ResourceRows]:
    decoded = []
    for resource_spans in request.resource_spans:
        rows = _resource(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            for span in scope_spans.spans:
                if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
                    batch.reject(f"span {span.name[:80]!r}: trace ids have 16 bytes, span ids 8")
                elif not any(span.trace_id) or not any(span.span_id):
                    batch.reject(f"span {span.name[:80]!r}: an id must not be all zeros")
                else:
                    rows.spans.append(_span(span, scope))
        decoded.append(rows)
    return decoded


def _span(span: Any, scope: str) -> Row:
    attributes = _attributes(span.attributes)
    error_type, error_code = attributes.get(semconv.ERROR_TYPE), attributes.get(semconv.ERROR_CODE)
    recorded = 0
    events = []
    for event in span.events:
        own = _attributes(event.attributes)
        events.append([event.name, _moment(event.time_unix_nano), own])
        if event.name == semconv.EXCEPTION_EVENT:
            recorded = 1
            error_type = error_type or own.get(semconv.EXCEPTION_TYPE)
            error_code = error_code or own.get(semconv.ERROR_CODE)
    links = [
        [link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes)]
        for link in span.links
        if len(link.trace_id) == 16 and len(link.span_id) == 8
    ]
    return (
        span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex() or None, span.name, span.kind,
        _moment(span.start_time_unix_nano), _moment(span.end_time_unix_nano), span.status.code, span.status.message,
        _text(error_type), _text(error_code), recorded, scope, _dumps(attributes), _dumps(events) if events else "[]",
        _dumps(links) if links else "[]",
    )  # fmt: skip


# --- Logs --------------------------------------------------------------------------------------------------------------


def _logs(request: Any, batch: Batch) -> list[ResourceRows]:
    decoded = []
    for resource_logs in request.resource_logs:
        rows = _resource(resource_logs.resource)
        for scope_logs in resource_logs.scope_logs:
            rows.logs += [_log(record, scope_logs.scope.name) for record in scope_logs.log_records]
        decoded.append(rows)
    return decoded


def _log(record: Any, scope: str) -> Row:
    attributes = _attributes(record.attributes)
    body = _value(record.body)
    traced = len(record.trace_id) == 16 and any(record.trace_id)
    return (
        _moment(record.time_unix_nano or record.observed_time_unix_nano),
        record.severity_text or _severity(record.severity_number),
        record.severity_number,
        body if isinstance(body, str) else "" if body is None else _dumps(body),
        str(attributes.get(semconv.LOGGER_NAME) or scope),
        record.event_name,
        record.trace_id.hex() if traced else None,
        record.span_id.hex() if traced and len(record.span_id) == 8 else None,
        _text(attributes.get(semconv.ERROR_CODE)),
        _text(attributes.get(semconv.EXCEPTION_TYPE) or attributes.get(semconv.ERROR_TYPE)),
        _dumps(attributes),
    )


def _severity(number: int) -> str:
    names = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
    return names[(number - 1) // 4] if 1 <= number <= 24 else ""


# --- Metrics -----------------------------------------------------------------------------------------------------------

_TEMPORALITY: Final = {0: "", 1: "delta", 2: "cumulative"}


def _metrics(request: Any, batch: Batch) -> list[ResourceRows]:
    decoded = []
    for resource_metrics in request.resource_metrics:
        rows = _resource(resource_metrics.resource)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("data")
                if kind is None or not metric.name:
                    batch.reject(f"metric {metric.name[:80]!r}: no name or no data")
                    continue
                rows.points += _points(metric, kind)
        decoded.append(rows)
    return decoded


def _points(metric: Any, kind: str) -> list[tuple[Row, list[Row]]]:
    data = getattr(metric, kind)
    temporality = _TEMPORALITY.get(getattr(data, "aggregation_temporality", 0), "")
    monotonic = int(getattr(data, "is_monotonic", False))
    make = {"gauge": _number, "sum": _number, "histogram": _histogram, "summary": _summary,
            "exponential_histogram": _exponential}[kind]  # fmt: skip
    by_series: dict[str, list[Row]] = {}
    for point in data.data_points:
        by_series.setdefault(_dumps(_attributes(point.attributes)), []).append(make(point))
    return [
        ((metric.name, kind, metric.unit, metric.description, temporality, monotonic, attributes), points)
        for attributes, points in by_series.items()
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _exemplars(point: Any) -> str:
    found = [exemplar.trace_id.hex() for exemplar in point.exemplars if len(exemplar.trace_id) == 16]
    return _dumps(found) if found else "[]"


def _number(point: Any) -> Row:
    kind = point.WhichOneof("value")
    value = _finite(float(getattr(point, kind))) if kind else None
    return _moment(point.time_unix_nano), value, None, None, "[]", "[]", _exemplars(point)


def _histogram(point: Any) -> Row:
    return (
        _moment(point.time_unix_nano), None, min(point.count, _MAX_NS), _finite(point.sum),
        _dumps(list(point.explicit_bounds)), _dumps(list(point.bucket_counts)), _exemplars(point),
    )  # fmt: skip


def _exponential(point: Any) -> Row:
    """With its buckets as explicit ones: bound i is base ** i."""
    base = 2.0 ** (2.0**-point.scale)
    bounds, counts = [0.0], [point.zero_count]
    for place, count in enumerate(point.positive.bucket_counts):
        if len(counts) == 1 and place == 0 and point.positive.offset:
            bounds.append(_power(base, point.positive.offset))
            counts.append(0)
        bounds.append(_power(base, point.positive.offset + place + 1))
        counts.append(count)
    return (
        _moment(point.time_unix_nano), None, min(point.count, _MAX_NS), _finite(point.sum), _dumps(bounds),
        _dumps([*counts, 0]), _exemplars(point),
    )  # fmt: skip


def _power(base: float, exponent: int) -> float:
    try:
        return min(base**exponent, 1e308)
    except OverflowError:
        return 1e308


def _summary(point: Any) -> Row:
    quantiles = [[item.quantile, _finite(item.value)] for item in point.quantile_values]
    return (
        _moment(point.time_unix_nano), None, min(point.count, _MAX_NS), _finite(point.sum),
        _dumps([quantile for quantile, _ in quantiles]), _dumps([value for _, value in quantiles]), "[]",
    )  # fmt: skip
