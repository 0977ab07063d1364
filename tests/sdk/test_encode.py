"""Bad values become sendable, good items are passed on untouched, and each codec counts and decodes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord

from trax_otel.sdk import CapturedProviders, capture_providers
from trax_otel.sdk.encode import (
    LogCodec,
    MetricCodec,
    SpanCodec,
    clean_attributes,
    clean_text,
    clean_value,
    metric_items,
)


@pytest.fixture
def captured() -> CapturedProviders:
    return capture_providers()


def any_text() -> st.SearchStrategy[str]:
    return st.text(alphabet=st.characters(exclude_categories=()))


@given(st.recursive(any_text() | st.integers() | st.floats() | st.booleans() | st.binary(), st.lists))
def test_every_value_can_be_encoded(value: Any) -> None:
    from opentelemetry.exporter.otlp.proto.common._internal import _encode_value

    _encode_value(clean_value(value)).SerializeToString()


@given(st.dictionaries(any_text(), any_text() | st.integers()))
def test_every_mapping_can_be_encoded(attributes: dict[str, Any]) -> None:
    cleaned = clean_attributes(attributes)
    assert cleaned is not None
    for key, value in cleaned.items():
        key.encode()
        str(value).encode()


def test_what_is_good_is_not_copied(captured: CapturedProviders) -> None:
    with captured.tracer_provider.get_tracer("t").start_as_current_span(
        "good", attributes={"a": 1, "b": ["x", "y"]}
    ) as span:
        span.add_event("event", {"k": 1.5})
    [good] = captured.spans()
    assert SpanCodec().clean(good) is good


def test_a_value_whose_text_raises_is_named_by_its_type() -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError

    assert clean_text(Rude()) == "<Rude>"


def test_a_cyclic_value_ends() -> None:
    value: list[Any] = []
    value.append(value)
    assert "<list>" in str(clean_value(value))


def test_spans_keep_everything_else(captured: CapturedProviders) -> None:
    tracer = captured.tracer_provider.get_tracer("scope\ud800", "1")
    with tracer.start_as_current_span("bad\ud800") as span:
        span.add_event("ev\ud800", {"k\ud800": 2**70})
    [bad] = captured.spans()
    message = ExportTraceServiceRequest.FromString(SpanCodec().encode([SpanCodec().clean(bad)]))
    [encoded] = message.resource_spans[0].scope_spans[0].spans
    assert encoded.name == "bad\\ud800"
    assert encoded.start_time_unix_nano == bad.start_time
    assert encoded.span_id == (1).to_bytes(8, "big")
    assert message.resource_spans[0].scope_spans[0].scope.name == "scope\\ud800"
    [event] = encoded.events
    assert (event.name, event.attributes[0].key) == ("ev\\ud800", "k\\ud800")
    assert event.attributes[0].value.string_value == str(2**70)


def test_log_records_are_made_sendable(captured: CapturedProviders) -> None:
    captured.logger_provider.get_logger("t").emit(
        body={"text\udc00": ["\udc01", 1]}, attributes={"k": "\udc02"}, event_name="e\udc03"
    )
    [record] = captured.log_records()
    readable = ReadableLogRecord(record.log_record, captured.logger_provider.resource, record.instrumentation_scope)
    message = ExportLogsServiceRequest.FromString(LogCodec().encode([LogCodec().clean(readable)]))
    [encoded] = message.resource_logs[0].scope_logs[0].log_records
    assert encoded.body.kvlist_value.values[0].key == "text\\udc00"
    assert encoded.attributes[0].value.string_value == "\\udc02"
    assert encoded.event_name == "e\\udc03"


def test_metrics_are_counted_by_points_and_put_together_again(captured: CapturedProviders) -> None:
    meter = captured.meter_provider.get_meter("t")
    counter = meter.create_counter("calls")
    counter.add(1, {"path": "a\udc00"})
    counter.add(1, {"path": "b"})
    meter.create_histogram("took").record(0.1)
    data = captured.metric_reader.get_metrics_data()
    assert data is not None
    items = [MetricCodec().clean(item) for item in metric_items(data)]
    assert MetricCodec().count(items) == 3
    message = ExportMetricsServiceRequest.FromString(MetricCodec().encode(items))
    [scope] = message.resource_metrics[0].scope_metrics
    assert {metric.name for metric in scope.metrics} == {"calls", "took"}
    paths = {p.attributes[0].value.string_value for m in scope.metrics for p in m.sum.data_points}
    assert paths == {"a\\udc00", "b"}


def test_partial_success_is_read() -> None:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 4
    answer.partial_success.error_message = "why"
    assert LogCodec().rejected(answer.SerializeToString()) == (4, "why")
    assert LogCodec().rejected(b"") == (0, "")
