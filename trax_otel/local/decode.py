"""From an OTLP request to rows. Bad items are left out and counted; their neighbours are kept."""

from __future__ import annotations

from collections.abc import Callable
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
from .decode_metrics import series_rows
from .store import Batch, ResourceRows, Row
from .values import attributes, dumps, moment, plain, short, text_or_none
from .wire import MalformedError, repair

Signal = Literal["traces", "metrics", "logs"]

REQUESTS: Final[dict[Signal, Any]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
_ITEM_NAMES: Final = frozenset(item.DESCRIPTOR.full_name for item in (Span, Metric, LogRecord))
_OPTIONAL_NAMES: Final = frozenset({InstrumentationScope.DESCRIPTOR.full_name, Resource.DESCRIPTOR.full_name})
_SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_EMPTY: Final = "[]"


class RefusedError(ValueError):
    """The request as a whole cannot be taken; the text says why."""


def from_protobuf(signal: Signal, body: bytes) -> Batch:
    """Decode a protobuf body. Raises RefusedError where nothing of it can be read."""
    kind = REQUESTS[signal]
    try:
        return from_message(signal, kind.FromString(body))
    except DecodeError:
        pass
    try:
        repaired, lost = repair(kind.DESCRIPTOR, body, _ITEM_NAMES, _OPTIONAL_NAMES)
        batch = from_message(signal, kind.FromString(repaired))
    except (MalformedError, DecodeError) as error:
        raise RefusedError(f"the body is not a protobuf {kind.DESCRIPTOR.name}: {error}") from None
    if lost:
        batch.reject("an item is no valid protobuf", lost)
    else:
        batch.reason = batch.reason or "text that is no UTF-8 was replaced, values nested too deep were left out"
    return batch


def from_message(signal: Signal, request: Any) -> Batch:
    """Decode a parsed request."""
    batch = Batch()
    decode: Callable[[Any, Batch], list[ResourceRows]] = {"traces": _traces, "metrics": _metrics, "logs": _logs}[signal]
    batch.resources = [rows for rows in decode(request, batch) if rows.spans or rows.logs or rows.points]
    return batch


def _resource(resource: Any) -> ResourceRows:
    own = attributes(resource.attributes)
    return ResourceRows(
        dumps(own),
        str(own.get(semconv.SERVICE_NAME) or "unknown_service"),
        str(own.get(semconv.SERVICE_INSTANCE_ID) or ""),
        str(own.get(semconv.SERVICE_VERSION) or ""),
    )


# --- Traces ------------------------------------------------------------------------------------------------------------


def _traces(request: Any, batch: Batch) -> list[ResourceRows]:
    decoded = []
    for resource_spans in request.resource_spans:
        rows = _resource(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            for span in scope_spans.spans:
                if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
                    batch.reject(f"span {span.name[:80]!r}: trace ids have 16 bytes, span ids 8")
                elif not any(span.trace_id) or not any(span.span_id):
                    batch.reject(f"span {span.name[:80]!r}: an id must not be all zeros")
                else:
                    rows.spans.append(_span(span, scope.name, scope.version))
        decoded.append(rows)
    return decoded


def _span(span: Any, scope: str, scope_version: str) -> Row:
    own = attributes(span.attributes)
    error_type, error_code = own.get(semconv.ERROR_TYPE), own.get(semconv.ERROR_CODE)
    recorded = 0
    events = []
    for event in span.events:
        of_event = attributes(event.attributes)
        events.append([short(event.name), moment(event.time_unix_nano), of_event])
        if event.name == semconv.EXCEPTION_EVENT:
            recorded = 1
            error_type = error_type or of_event.get(semconv.EXCEPTION_TYPE)
            error_code = error_code or of_event.get(semconv.ERROR_CODE)
    links = [
        [link.trace_id.hex(), link.span_id.hex(), attributes(link.attributes)]
        for link in span.links
        if len(link.trace_id) == 16 and len(link.span_id) == 8
    ]
    dropped = [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count]
    more = (
        dumps([scope_version, span.trace_state, *dropped]) if any(dropped) or scope_version or span.trace_state else ""
    )
    parent = span.parent_span_id
    return (
        span.trace_id.hex(), span.span_id.hex(), parent.hex() if any(parent) else None, short(span.name), span.kind,
        moment(span.start_time_unix_nano), moment(span.end_time_unix_nano), span.status.code, short(span.status.message),
        text_or_none(error_type), text_or_none(error_code), recorded, scope, dumps(own), dumps(events) if events else _EMPTY,
        dumps(links) if links else _EMPTY, more,
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
    own = attributes(record.attributes)
    body = plain(record.body)
    traced = len(record.trace_id) == 16 and any(record.trace_id)
    return (
        moment(record.time_unix_nano or record.observed_time_unix_nano),
        record.severity_text or _severity(record.severity_number),
        record.severity_number,
        body if isinstance(body, str) else "" if body is None else dumps(body),
        str(own.get(semconv.LOGGER_NAME) or scope),
        record.event_name,
        record.trace_id.hex() if traced else None,
        record.span_id.hex() if traced and len(record.span_id) == 8 and any(record.span_id) else None,
        text_or_none(own.get(semconv.ERROR_CODE)),
        text_or_none(own.get(semconv.EXCEPTION_TYPE) or own.get(semconv.ERROR_TYPE)),
        dumps(own),
    )


def _severity(number: int) -> str:
    return _SEVERITIES[(number - 1) // 4] if 1 <= number <= 24 else ""


# --- Metrics -----------------------------------------------------------------------------------------------------------


def _metrics(request: Any, batch: Batch) -> list[ResourceRows]:
    decoded = []
    for resource_metrics in request.resource_metrics:
        rows = _resource(resource_metrics.resource)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                rows.points += series_rows(metric, short(scope_metrics.scope.name), batch)
        decoded.append(rows)
    return decoded
