"""An application's own providers stay in force, whether it sets them before or after ours."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger, set_logger_provider

import trax_otel
from support.otlp_endpoint import OtlpEndpoint, wait_until
from trax_otel import semconv, signals
from trax_otel.sdk import CapturedProviders, capture_providers

pytestmark = pytest.mark.usefixtures("globals_of_otel")


@pytest.fixture
def own() -> CapturedProviders:
    """The providers that the application makes for itself."""
    return capture_providers({"service.name": "own"})


def test_providers_that_were_set_before_stay(endpoint: OtlpEndpoint, own: CapturedProviders) -> None:
    trace.set_tracer_provider(own.tracer_provider)
    handle = trax_otel.configure(endpoint=endpoint.url)
    assert trace.get_tracer_provider() is own.tracer_provider
    assert handle.signals == ("logs", "metrics")
    trace.get_tracer("t").start_span("theirs").end()
    handle.flush(5)
    assert [span.name for span in own.spans()] == ["theirs"]
    assert endpoint.spans() == []


def test_providers_that_are_set_later_win(
    endpoint: OtlpEndpoint, own: CapturedProviders, caplog: pytest.LogCaptureFixture
) -> None:
    handle = trax_otel.configure(endpoint=endpoint.url, log_level="INFO")
    tracer = trace.get_tracer("a library", "1.0")
    tracer.start_span("before").end()
    trace.set_tracer_provider(own.tracer_provider)
    set_logger_provider(own.logger_provider)
    assert trace.get_tracer_provider() is own.tracer_provider
    with tracer.start_as_current_span("outer"):
        logging.getLogger("app").info("a line")
        trace.get_tracer("new").start_span("inner").end()
    assert [span.name for span in own.spans()] == ["inner", "outer"]
    assert own.spans()[0].parent is not None
    assert [record.log_record.body for record in own.log_records()] == ["a line"]
    handle.flush(5)
    assert wait_until(lambda: [span.name for span in endpoint.spans()] == ["before"])
    assert "Overriding" not in caplog.text


def test_instruments_that_exist_are_led_over(endpoint: OtlpEndpoint, own: CapturedProviders) -> None:
    trax_otel.configure(endpoint=endpoint.url)
    meter = metrics.get_meter("a library")
    counter = meter.create_counter("requests", unit="{request}")
    histogram = meter.create_histogram("took", explicit_bucket_boundaries_advisory=[1.0, 2.0])
    meter.create_observable_gauge("level", callbacks=[lambda options: [metrics.Observation(7)]])
    counter.add(1)
    signals.counter(semconv.ERRORS).add(1, {semconv.ERROR_TYPE: "led over"})
    metrics.set_meter_provider(own.meter_provider)
    counter.add(10, {"k": "v"})
    histogram.record(1.5)
    meter.create_counter("new").add(4)
    signals.counter(semconv.ERRORS).add(5, {semconv.ERROR_TYPE: "led over"})
    found = own.metrics()
    assert [point.value for point in found["requests"].data.data_points] == [10]
    assert list(found["took"].data.data_points[0].explicit_bounds) == [1.0, 2.0]
    assert found["level"].data.data_points[0].value == 7
    assert found["new"].data.data_points[0].value == 4
    assert sum(p.value for p in found[semconv.ERRORS.name].data.data_points) == 5
    # ours ends with what it counted until then
    assert wait_until(lambda: any(m.name == "requests" for _, m in endpoint.metrics()))


def test_a_second_provider_of_the_application_is_refused_as_ever(
    endpoint: OtlpEndpoint, own: CapturedProviders, caplog: pytest.LogCaptureFixture
) -> None:
    trax_otel.configure(endpoint=endpoint.url)
    trace.set_tracer_provider(own.tracer_provider)
    trace.set_tracer_provider(capture_providers().tracer_provider)
    assert trace.get_tracer_provider() is own.tracer_provider
    assert "Overriding of current TracerProvider is not allowed" in caplog.text


def test_an_application_may_add_to_our_providers(endpoint: OtlpEndpoint, own: CapturedProviders) -> None:
    handle = trax_otel.configure(endpoint=endpoint.url)
    trace.get_tracer_provider().add_span_processor(own.span_memory)  # type: ignore[attr-defined]
    trace.get_tracer("t").start_span("both").end()
    assert handle.flush(5)
    assert [span.name for span in own.spans()] == ["both"]
    assert [span.name for span in endpoint.spans()] == ["both"]


def test_an_application_may_flush_and_close_our_providers(endpoint: OtlpEndpoint) -> None:
    trax_otel.configure(endpoint=endpoint.url)
    provider = trace.get_tracer_provider()
    trace.get_tracer("t").start_span("flushed").end()
    assert provider.force_flush(5000)  # type: ignore[attr-defined]
    trace.get_tracer("t").start_span("closed").end()
    provider.shutdown()  # type: ignore[attr-defined]
    assert [span.name for span in endpoint.spans()] == ["flushed", "closed"]
    assert metrics.get_meter_provider().force_flush(5000)  # type: ignore[attr-defined]


def test_instruments_made_before_any_provider_wake_up(endpoint: OtlpEndpoint) -> None:
    counter = metrics.get_meter("early").create_counter("early")
    logger = get_logger("early")
    handle = trax_otel.configure(endpoint=endpoint.url)
    counter.add(2)
    logger.emit(body="early")
    assert handle.flush(5)
    assert any(metric.name == "early" for _, metric in endpoint.metrics())
    assert [record.body.string_value for record in endpoint.log_records()] == ["early"]


def test_a_span_that_is_open_when_providers_change_still_arrives(
    endpoint: OtlpEndpoint, own: CapturedProviders
) -> None:
    trax_otel.configure(service_name="first", endpoint=endpoint.url)
    first = trace.get_tracer("t").start_span("begun under the first")
    handle = trax_otel.configure(service_name="second", endpoint=endpoint.url)
    second = trace.get_tracer("t").start_span("begun under the second")
    trace.set_tracer_provider(own.tracer_provider)
    first.end()
    second.end()
    assert handle.shutdown()
    assert {span.name for span in endpoint.spans()} == {"begun under the first", "begun under the second"}
