"""Our delivery under the SDK's own processors."""

from __future__ import annotations

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from support.otlp_endpoint import OtlpEndpoint, Reply
from trax_otel.sdk.exporters import OtlpLogExporter, OtlpMetricExporter, OtlpSpanExporter
from trax_otel.sdk.samplers import load


@pytest.fixture(autouse=True)
def _target(endpoint: OtlpEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.url)


def test_spans_go_through_the_sdks_processor(endpoint: OtlpEndpoint) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OtlpSpanExporter()))
    provider.get_tracer("t").start_span("poison\ud800").end()
    provider.shutdown()
    assert [span.name for span in endpoint.spans()] == ["poison\\ud800"]


def test_records_and_metrics_too(endpoint: OtlpEndpoint) -> None:
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(OtlpLogExporter()))
    logs.get_logger("t").emit(body="line")
    logs.shutdown()
    reader = PeriodicExportingMetricReader(OtlpMetricExporter(), export_interval_millis=60_000)
    metrics = MeterProvider([reader], shutdown_on_exit=False)
    metrics.get_meter("t").create_counter("c").add(1)
    metrics.shutdown()
    assert [record.body.string_value for record in endpoint.log_records()] == ["line"]
    assert "c" in {metric.name for _, metric in endpoint.metrics()}


def test_a_refusal_is_a_failure(endpoint: OtlpEndpoint) -> None:
    endpoint.behave = lambda path, count, message: Reply(401)
    exporter = OtlpSpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("t").start_span("s")
    span.end()
    assert exporter.export([span]) is SpanExportResult.FAILURE  # type: ignore[list-item]
    assert exporter.export([]) is SpanExportResult.SUCCESS
    exporter.shutdown()


def test_they_can_be_asked_for_by_name() -> None:
    for signal, kind in (("traces", OtlpSpanExporter), ("metrics", OtlpMetricExporter), ("logs", OtlpLogExporter)):
        assert load(f"opentelemetry_{signal}_exporter", "trax_otlp") is kind
