"""Events and exceptions: where they go, and that an error is recorded once however many layers it crosses."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext

from trax_otel import semconv
from trax_otel.signals import (
    ErrorFacts,
    count_error,
    emit_event,
    events,
    is_told,
    log_event,
    record_error,
    snapshot,
    start_span,
    tracer,
    use_providers,
)

FACTS = ErrorFacts("ValueError", "TRAX-004", "validation", retryable=False, fingerprint="f00")


class Seen:
    """What left: spans and log records."""

    def __init__(self) -> None:
        self.span_exporter, self.log_exporter = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.tracer_provider, self.logger_provider = TracerProvider(), LoggerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.span_exporter))
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.log_exporter))

    @property
    def spans(self) -> dict[str, Any]:
        return {span.name: span for span in self.span_exporter.get_finished_spans()}

    @property
    def records(self) -> list[Any]:
        return [data.log_record for data in self.log_exporter.get_finished_logs()]


@pytest.fixture
def seen() -> Iterator[Seen]:
    seen = Seen()
    restore = use_providers(tracer_provider=seen.tracer_provider, logger_provider=seen.logger_provider)
    yield seen
    restore()


def raised(message: str = "bad") -> ValueError:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def errors_counted() -> float:
    return sum(s.value for s in snapshot() if s.spec is semconv.ERRORS and s.attributes == FACTS.metric_attributes)


def test_an_event_goes_on_the_recording_span_else_into_a_record(seen: Seen) -> None:
    scope = start_span("work")
    emit_event("inside", {"a": 1})
    scope.end("success")
    emit_event("outside", {"b": 2}, severity="WARN", body="text")
    assert [event.name for event in seen.spans["work"].events] == ["inside"]
    (record,) = seen.records
    assert (record.event_name, record.severity_text, record.body) == ("outside", "WARN", "text")


def test_one_exception_event_where_it_was_raised_first_and_code_and_type_on_every_layer(seen: Seen) -> None:
    error, before = raised(), errors_counted()
    outer, inner = start_span("outer"), start_span("inner")
    inner.end("failure", error, FACTS)
    outer.end("failure", error, FACTS)
    (event,) = seen.spans["inner"].events
    assert event.name == "exception"
    assert event.attributes["exception.message"] == "bad"
    assert "raise ValueError(message)" in event.attributes["exception.stacktrace"]
    assert seen.spans["outer"].events == ()
    for name in ("inner", "outer"):
        attributes = seen.spans[name].attributes
        assert attributes[semconv.ERROR_CODE] == "TRAX-004"
        assert attributes[semconv.ERROR_TYPE] == "ValueError"
        assert attributes[semconv.OUTCOME] == "failure"
        assert seen.spans[name].status.status_code.name == "ERROR"
    assert errors_counted() == before + 1


@pytest.mark.parametrize(("mode", "in_span", "in_logs"), [("", 1, 0), ("logs", 0, 1), ("logs/dup", 1, 1)])
def test_the_opt_in_chooses_where_exceptions_go(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, mode: str, in_span: int, in_logs: int
) -> None:
    monkeypatch.setenv(events.EXCEPTION_SIGNAL_VARIABLE, mode)
    scope = start_span("work")
    scope.end("failure", raised(), FACTS)
    assert len(seen.spans["work"].events) == in_span
    assert len(seen.records) == in_logs
    for record in seen.records:
        assert record.event_name == "exception"
        assert record.trace_id == seen.spans["work"].context.trace_id
        assert record.attributes["exception.type"] == "ValueError"


def test_a_pickled_or_copied_error_is_told_anew_only_elsewhere(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised()
    assert record_error(error, FACTS)
    assert not record_error(error, FACTS)
    assert is_told(copy.copy(error))
    monkeypatch.setattr("trax_otel.lifecycle.process._process_token", "another process")
    assert not is_told(pickle.loads(pickle.dumps(error)))


def test_an_error_that_refuses_marks_and_text_is_still_recorded(seen: Seen) -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    scope = start_span("work")
    scope.end("failure", Hostile(), FACTS)
    (event,) = seen.spans["work"].events
    assert "its __str__ raised RuntimeError" in event.attributes["exception.message"]


def test_a_span_ends_once_and_is_current_only_meanwhile(seen: Seen) -> None:
    scope = start_span("work")
    inner = tracer().start_span("inner")
    inner.end()
    scope.end("success")
    scope.end("failure", raised(), FACTS)
    assert seen.spans["inner"].parent.span_id == seen.spans["work"].context.span_id
    assert seen.spans["work"].attributes[semconv.OUTCOME] == "success"


def test_log_events_have_a_share_and_what_is_beyond_is_counted(seen: Seen) -> None:
    scope = start_span("work")
    results = [log_event(scope.span, {"log.message": str(n)}) for n in range(events.LOG_EVENTS_PER_SPAN + 5)]
    scope.end("failure", raised(), FACTS)
    span = seen.spans["work"]
    assert sum(results) == events.LOG_EVENTS_PER_SPAN
    assert span.attributes[semconv.LOG_EVENTS_DROPPED] == 5
    assert [event.name for event in span.events].count("exception") == 1


@pytest.mark.timeout(20)
def test_a_del_that_logs_while_the_spans_lock_is_held_does_not_hang(seen: Seen) -> None:
    scope = start_span("work")

    class Logs:
        def __del__(self) -> None:
            log_event(scope.span, {"log.message": "bye"})

    def hold() -> None:
        with scope.span._lock:  # type: ignore[attr-defined]
            victim = Logs()
            del victim
            gc.collect()

    holder = threading.Thread(target=hold)
    holder.start()
    holder.join(10)
    assert not holder.is_alive()
    scope.end("success")
    assert seen.spans["work"].events == ()


# --- Counted and told -------------------------------------------------------------------------------------------------------


SPECIFIC = ErrorFacts("shop.Refused", "ACME-001", "api", retryable=False, fingerprint="ba5", rank=2)


def wrapped() -> RuntimeError:
    outer = RuntimeError("outer")
    outer.__cause__ = raised()
    return outer


def unsampled() -> Any:
    context = SpanContext(1, 2, is_remote=False)
    return NonRecordingSpan(context)


def test_where_no_span_can_tell_a_record_does_and_only_once(seen: Seen) -> None:
    error, span = raised(), unsampled()
    assert not is_told(error, span)
    assert record_error(error, FACTS, span=span)
    assert not record_error(error, FACTS, span=span)
    (record,) = seen.records
    assert (record.event_name, record.trace_id, record.span_id) == ("exception", 1, 2)
    assert is_told(error, span)


def test_what_was_counted_is_not_told_before_something_leaves(seen: Seen) -> None:
    error, before = raised(), errors_counted()
    count_error(error, FACTS)
    assert not is_told(error)
    assert record_error(error, FACTS)
    assert errors_counted() == before + 1
    assert len(seen.records) == 1


def test_without_anything_that_leaves_an_error_is_not_told() -> None:
    restore = use_providers()
    error = raised()
    record_error(error, FACTS)
    restore()
    assert not is_told(error)


def test_no_event_lies_after_its_spans_end(seen: Seen) -> None:
    scope = start_span("work", start_time=1_000)
    scope.end("failure", raised(), FACTS, end_time=2_000)
    (event,) = seen.spans["work"].events
    assert event.timestamp == seen.spans["work"].end_time == 2_000


def test_a_wrapper_is_told_with_what_it_wraps(seen: Seen) -> None:
    error, before = wrapped(), errors_counted()
    outer, inner = start_span("outer"), start_span("inner")
    inner.end("failure", error.__cause__, FACTS)
    outer.end("failure", error, ErrorFacts("RuntimeError", "TRAX-017", "processing", False, "c0d", rank=0))
    assert len(seen.spans["inner"].events) == 1
    assert seen.spans["outer"].events == ()
    attributes = seen.spans["outer"].attributes
    assert attributes[semconv.ERROR_TYPE] == "RuntimeError"
    assert (attributes[semconv.ERROR_CODE], attributes[semconv.ERROR_FINGERPRINT]) == ("TRAX-004", "f00")
    assert errors_counted() == before + 1


def test_a_wrapper_that_says_more_is_told_and_names_what_it_replaces(seen: Seen) -> None:
    error = wrapped()
    outer, inner = start_span("outer"), start_span("inner")
    inner.end("failure", error.__cause__, FACTS)
    outer.end("failure", error, SPECIFIC)
    (event,) = seen.spans["outer"].events
    assert event.attributes[semconv.ERROR_CODE] == "ACME-001"
    assert event.attributes[semconv.ERROR_REPLACES] == "f00"


def test_context_and_severity_are_where_the_error_is_told(seen: Seen) -> None:
    facts = ErrorFacts(
        "ValueError", "TRAX-004", "validation", False, severity="warning", context={"trax.error.context.n": 7}
    )
    scope = start_span("work")
    scope.end("failure", raised(), facts)
    record_error(raised(), facts)
    for told in (seen.spans["work"].events[0], seen.records[0]):
        assert (told.attributes[semconv.ERROR_SEVERITY], told.attributes["trax.error.context.n"]) == ("warning", 7)
    assert semconv.ERROR_SEVERITY not in seen.spans["work"].attributes
