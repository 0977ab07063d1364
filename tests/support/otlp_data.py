"""OTLP requests made by hand, so that tests of the embedded endpoint can say exactly what arrives."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECOND = 10**9


def any_value(value: Any) -> AnyValue:
    """A Python value as OTLP carries it."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    message = AnyValue()
    if isinstance(value, Mapping):
        message.kvlist_value.values.extend(pairs(value))
        message.kvlist_value.SetInParent()
    elif isinstance(value, (list, tuple)):
        message.array_value.values.extend(any_value(item) for item in value)
        message.array_value.SetInParent()
    elif value is not None:
        message.string_value = value
    return message


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as OTLP carries them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field on the wire."""
    length, head = len(payload), b""
    while length > 0x7F:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + head + bytes([length]) + payload


def nested(levels: int) -> bytes:
    """An attribute `deep` inside `levels` arrays, on the wire: deeper than the library itself makes messages."""
    value = field(1, b"core")
    for _ in range(levels):
        value = field(5, field(1, value))
    return field(1, b"deep") + field(2, value)


def span(
    name: str = "work",
    *,
    trace: bytes | None = None,
    id: bytes | None = None,
    parent: bytes = b"",
    start: int | None = None,
    seconds: float = 0.01,
    error: bool = False,
    attributes: Mapping[str, Any] | None = None,
    exceptions: Iterable[Mapping[str, Any]] = (),
    **fields: Any,
) -> Span:
    """A span; `exceptions` are the attributes of its exception events."""
    begun = time.time_ns() if start is None else start
    message = Span(
        trace_id=secrets.token_bytes(16) if trace is None else trace, span_id=secrets.token_bytes(8) if id is None else id,
        parent_span_id=parent, name=name, start_time_unix_nano=begun, end_time_unix_nano=begun + int(seconds * SECOND),
        attributes=pairs(attributes or {}), **fields,
    )  # fmt: skip
    if error:
        message.status.code = 2
    for attributes_of_event in exceptions:
        message.events.add(name="exception", time_unix_nano=begun, attributes=pairs(attributes_of_event))
    return message


def traces(*spans: Span, service: str = "shop", resource: Mapping[str, Any] | None = None) -> ExportTraceServiceRequest:
    """One service's request."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(pairs({"service.name": service, **(resource or {})}))
    group.scope_spans.add().spans.extend(spans)
    return request


def record(body: Any = "hello", *, at: int | None = None, severity: int = 9, **fields: Any) -> LogRecord:
    """A log record; `attributes` may be a plain mapping."""
    attributes = fields.pop("attributes", {})
    return LogRecord(
        time_unix_nano=time.time_ns() if at is None else at, severity_number=severity, body=any_value(body),
        attributes=pairs(attributes), **fields,
    )  # fmt: skip


def logs(
    *records: LogRecord, service: str = "shop", resource: Mapping[str, Any] | None = None
) -> ExportLogsServiceRequest:
    """One service's request."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(pairs({"service.name": service, **(resource or {})}))
    group.scope_logs.add().log_records.extend(records)
    return request


def metrics(*found: Metric, service: str = "shop") -> ExportMetricsServiceRequest:
    """One service's request."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(pairs({"service.name": service}))
    group.scope_metrics.add().metrics.extend(found)
    return request


def counter(name: str = "requests", value: int = 1, **attributes: Any) -> Metric:
    """A cumulative, monotonic sum with one point."""
    metric = Metric(name=name, unit="{request}", description="Requests.")
    metric.sum.aggregation_temporality = 2
    metric.sum.is_monotonic = True
    metric.sum.data_points.add(time_unix_nano=time.time_ns(), as_int=value, attributes=pairs(attributes))
    return metric
