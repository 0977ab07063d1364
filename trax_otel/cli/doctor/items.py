"""The test span, log record and data point: made aside, with none of OpenTelemetry's globals touched."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import set_span_in_context

from ... import semconv
from ...sdk import temporality
from ...sdk.encode import LogCodec, MetricCodec, SpanCodec, metric_items
from ...sdk.memory import LogMemory, SpanMemory
from ...sdk.resource import build_resource
from ...version import __version__

if TYPE_CHECKING:
    from ...sdk.environment import Environment, Signal

SERVICE: Final = "trax-otel-doctor"
"""The service that test telemetry belongs to, unless another one is asked for."""
SPAN_NAME: Final = "trax-otel doctor"
SPAN_SECONDS: Final = 6.0
"""What the span claims to have taken: sampling after the fact keeps slow traces, where it would drop others."""

CODECS: Final[dict[str, Any]] = {"traces": SpanCodec(), "metrics": MetricCodec(), "logs": LogCodec()}


@dataclass(frozen=True)
class TestItems:
    """What one run sends. `run` is unique to it: the instance id of the resource, and part of the log record."""

    __test__ = False  # no test, whatever pytest makes of the name

    service: str
    run: str
    trace_id: str
    began: float
    payloads: dict[Signal, bytes]
    metric: str = semconv.TELEMETRY_EXPORTED.name


def make(environ: Environment, service: str) -> TestItems:
    """A span, a log record within it and a data point, encoded with the resource that the service would have.

    Raises ValueError where the environment gives the SDK limits that are none.
    """
    run, began = str(uuid.uuid4()), time.time()
    resource = build_resource(environ, [], {semconv.SERVICE_NAME: service, semconv.SERVICE_INSTANCE_ID: run})
    scope = ("trax_otel.cli.doctor", __version__)

    spans, records = SpanMemory(), LogMemory()
    reader = InMemoryMetricReader(temporality.preferred(environ, []), temporality.histograms(environ, []))
    tracers = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(spans)
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(records)
    meters = MeterProvider(
        [reader], resource=resource, shutdown_on_exit=False, exemplar_filter=temporality.exemplar_filter(environ, [])
    )

    now = time.time_ns()
    span = tracers.get_tracer(*scope).start_span(SPAN_NAME, start_time=now - int(SPAN_SECONDS * 1e9))
    loggers.get_logger(*scope).emit(
        LogRecord(
            timestamp=now, observed_timestamp=now, severity_number=SeverityNumber.INFO, severity_text="INFO",
            body=f"a test record of trax-otel doctor, run {run}", context=set_span_in_context(span),
        )
    )  # fmt: skip
    span.end(now)
    spec = semconv.TELEMETRY_EXPORTED
    counter = meters.get_meter(*scope).create_counter(spec.name, spec.unit, spec.description)
    counter.add(1, {semconv.SIGNAL: "metrics"})
    data = reader.get_metrics_data()
    assert data is not None  # something was counted
    found: dict[Signal, Any] = {
        "traces": spans.spans(), "metrics": metric_items(data), "logs": records.records(),
    }  # fmt: skip
    payloads: dict[Signal, bytes] = {signal: CODECS[signal].encode(items) for signal, items in found.items()}
    trace_id = f"{span.get_span_context().trace_id:032x}"
    return TestItems(service, run, trace_id, began, payloads)
