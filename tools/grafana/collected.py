"""The series that the stack makes by itself, and the fields of log lines and spans that the stores add.

What the package measures is in names.py. Everything here was seen on the real servers (tests/stack/test_dashboards.py).
"""

from __future__ import annotations

from typing import Final

from trax_otel import semconv

from .names import label

SERVICE: Final = frozenset({
    "service_name", "deployment_environment_name", "collector_instance_id", "job", "service_namespace",
})  # fmt: skip
"""On what the collector derives: a series a service, whatever processes it has."""

SPAN_CALLS: Final = "traces_span_metrics_calls_total"
SPAN_DURATION: Final = "traces_span_metrics_duration_seconds"
SPAN_EXCEPTIONS: Final = "trax_span_exceptions_total"
SPAN_RETRIES: Final = "trax_span_retries_total"
SPAN_RETRIES_EXHAUSTED: Final = "trax_span_retries_exhausted_total"
SPAN_BREAKER_TRANSITIONS: Final = "trax_span_breaker_transitions_total"
SPAN_RECOVERIES: Final = "trax_span_recoveries_total"
GRAPH_REQUESTS: Final = "traces_service_graph_request_total"
GRAPH_FAILED: Final = "traces_service_graph_request_failed_total"
GRAPH_SERVER: Final = "traces_service_graph_request_server_seconds"
GRAPH_CLIENT: Final = "traces_service_graph_request_client_seconds"

SPAN_KIND: Final = "span_kind"
SPAN_NAME: Final = "span_name"
STATUS_CODE: Final = "status_code"
LEVEL: Final = "detected_level"
SCOPE_NAME: Final = "scope_name"
CLIENT: Final = "client"
SERVER: Final = "server"

_SPAN = SERVICE | {
    SPAN_KIND, SPAN_NAME, STATUS_CODE, label(semconv.OUTCOME), label(semconv.ERROR_CODE),
    "http_request_method", "http_response_status_code", "http_route", "http_method", "http_status_code",
}  # fmt: skip
_GRAPH = SERVICE | {CLIENT, SERVER, "connection_type", "failed", "client_deployment_environment_name",
                    "server_deployment_environment_name"}  # fmt: skip
_SCRAPED = frozenset({"job", "instance", "server"})
_EXPORTER = _SCRAPED | {"exporter", "data_type"}
_RECEIVER = _SCRAPED | {"receiver", "transport"}
SIGNALS: Final = ("spans", "metric_points", "log_records")
"""How the collector counts each signal."""


def _histogram(name: str, labels: frozenset[str]) -> dict[str, frozenset[str]]:
    return {f"{name}{end}": labels for end in ("_bucket", "_sum", "_count")}


DERIVED: Final[dict[str, frozenset[str]]] = {
    SPAN_CALLS: _SPAN,
    **_histogram(SPAN_DURATION, _SPAN),
    SPAN_EXCEPTIONS: SERVICE
    | {label(semconv.ERROR_CODE), label(semconv.ERROR_CATEGORY), label(semconv.EXCEPTION_TYPE)},
    SPAN_RETRIES: SERVICE | {label(semconv.ERROR_CODE)},
    SPAN_RETRIES_EXHAUSTED: SERVICE | {label(semconv.RETRY_STOP_REASON)},
    SPAN_BREAKER_TRANSITIONS: SERVICE | {label(semconv.BREAKER_NAME), label(semconv.BREAKER_STATE)},
    SPAN_RECOVERIES: SERVICE | {label(semconv.RECOVERY_OUTCOME)},
    GRAPH_REQUESTS: _GRAPH,
    GRAPH_FAILED: _GRAPH,
    **_histogram(GRAPH_SERVER, _GRAPH),
    **_histogram(GRAPH_CLIENT, _GRAPH),
}
"""What the collector makes of spans, whoever sent them."""

COLLECTOR: Final[dict[str, frozenset[str]]] = {
    **{f"otelcol_receiver_{what}_{signal}": _RECEIVER for what in ("accepted", "refused", "failed") for signal in SIGNALS},
    **{f"otelcol_exporter_{what}_{signal}": _EXPORTER
       for what in ("sent", "send_failed", "enqueue_failed") for signal in SIGNALS},
    "otelcol_exporter_queue_size": _EXPORTER,
    "otelcol_exporter_queue_capacity": _EXPORTER,
    "otelcol_process_memory_rss": _SCRAPED,
    "otelcol_process_cpu_seconds": _SCRAPED,
    "otelcol_process_uptime": _SCRAPED,
    "up": _SCRAPED,
}  # fmt: skip
"""What the collector says about itself, and Prometheus about what it scrapes."""

LINE_FIELDS: Final = frozenset({
    "service_name", "service_instance_id", "deployment_environment_name", "detected_level", "severity_text",
    "trace_id", "span_id", "scope_name", "host_name",
})  # fmt: skip
"""What Loki knows of every line that came over OTLP, besides the record's own attributes."""

SECURITY_DETAILS: Final = {name: f"{semconv.SECURITY_PREFIX}{name}" for name in ("actor", "source", "resource")}
"""The attributes of a security event's details, by the argument of log_security_event."""
SECURITY_FIELDS: Final = frozenset(map(label, SECURITY_DETAILS.values()))

SPAN_INTRINSICS: Final = frozenset({
    "name", "status", "duration", "kind", "rootName", "rootServiceName", "traceDuration", "event:name", "error", "nil",
})  # fmt: skip
"""TraceQL's own fields and words."""
