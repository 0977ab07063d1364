"""The official exporters deliver to the endpoint, all signals over both protocols."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind

from trax_otel.local.model import Filter
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.servers

Exporters = tuple[Any, Any, Any]


@pytest.fixture(params=["http", "http gzip", "http deflate", "grpc", "grpc gzip"])
def exporters(request: pytest.FixtureRequest, endpoint: Endpoint) -> Iterator[Exporters]:
    protocol, _, compression = request.param.partition(" ")
    if protocol == "http":
        packed = Compression(compression or "none")
        yield tuple(
            kind(endpoint=f"{endpoint.url}/v1/{signal}", compression=packed)
            for kind, signal in ((HttpSpans, "traces"), (HttpMetrics, "metrics"), (HttpLogs, "logs"))
        )
        return
    import grpc

    packed = grpc.Compression.Gzip if compression else grpc.Compression.NoCompression
    target = f"http://127.0.0.1:{endpoint.grpc_port}"
    yield tuple(kind(endpoint=target, insecure=True, compression=packed) for kind in (GrpcSpans, GrpcMetrics, GrpcLogs))


RESOURCE = Resource.create({"service.name": "exported", "service.version": "3"})


def test_spans_arrive_as_they_were_made(exporters: Exporters, queries: Queries) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporters[0]))
    tracer = provider.get_tracer("library", "1.0")
    with (
        tracer.start_as_current_span(
            "outer", kind=SpanKind.SERVER, attributes={"http.route": "/x", "sizes": [1, 2]}
        ) as outer,
        pytest.raises(ValueError, match="broken"),
        tracer.start_as_current_span("inner", links=[Link(outer.get_span_context())]),
    ):
        raise ValueError("broken")
    provider.shutdown()
    first, second = queries.trace(format(outer.get_span_context().trace_id, "032x"))
    assert (first.name, first.kind, first.service, first.scope, first.scope_version) == (
        "outer",
        "server",
        "exported",
        "library",
        "1.0",
    )
    assert first.attributes == {"http.route": "/x", "sizes": [1, 2]}
    assert (second.parent_id, second.status, second.error_type) == (first.span_id, "error", "ValueError")
    assert second.links[0].span_id == first.span_id
    assert "broken" in second.events[0].attributes["exception.stacktrace"]
    (error,) = queries.errors()
    assert (error.type, error.message, error.count, error.versions) == ("ValueError", "broken", 1, ("3",))


def test_metrics_arrive_as_they_were_measured(exporters: Exporters, queries: Queries) -> None:
    views = [View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())]
    reader = PeriodicExportingMetricReader(exporters[1], export_interval_millis=60_000)
    provider = MeterProvider([reader], resource=RESOURCE, views=views)
    meter = provider.get_meter("library")
    meter.create_counter("requests", "{request}", "Requests.").add(3, {"route": "/x"})
    meter.create_up_down_counter("open").add(-2)
    meter.create_gauge("level").set(0.5)
    for name in ("explicit", "exponential"):
        for value in (0.2, 3.0, 40.0):
            meter.create_histogram(name, "s").record(value)
    provider.shutdown()
    found = {info.name: queries.metric(info.name)[0] for info in queries.metrics()}
    points = {name: series.points[0] for name, series in found.items()}
    assert (points["requests"].value, points["open"].value, points["level"].value) == (3, -2, 0.5)
    assert (found["requests"].monotonic, found["open"].monotonic, found["requests"].temporality) == (
        True,
        False,
        "cumulative",
    )
    for name, kind in (("explicit", "histogram"), ("exponential", "exponential_histogram")):
        assert (found[name].kind, points[name].count, sum(points[name].bucket_counts)) == (kind, 3, 3)
        assert points[name].sum == pytest.approx(43.2)
        assert (points[name].minimum, points[name].maximum) == (0.2, 40.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_log_records_arrive_as_they_were_written(exporters: Exporters, queries: Queries) -> None:
    from opentelemetry.instrumentation.logging.handler import LoggingHandler

    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporters[2]))
    logger = logging.getLogger("tests.exported")
    handler = LoggingHandler(logger_provider=provider)
    logger.addHandler(handler)
    try:
        raise OSError("gone")
    except OSError:
        logger.exception("no luck with %s", "it", extra={"order": 7})
    finally:
        logger.removeHandler(handler)
        provider.shutdown()
    (found,) = queries.logs(Filter(errors_only=True))
    assert (found.body, found.severity, found.logger, found.service) == (
        "no luck with it",
        "ERROR",
        "tests.exported",
        "exported",
    )
    assert (found.attributes["order"], found.attributes["exception.type"]) == (7, "OSError")
