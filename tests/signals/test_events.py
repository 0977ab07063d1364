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

from trax_otel import semconv
from trax_otel.signals import (
    ErrorFacts,
    emit_event,
    events,
    is_recorded,
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


def test_a_pickled_or_copied_error_is_recorded_anew_only_elsewhere(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised()
    assert record_error(error, FACTS)
    assert not record_error(error, FACTS)
    assert is_recorded(copy.copy(error))
    monkeypatch.setattr("trax_otel.lifecycle.process._process_token", "another process")
    assert not is_recorded(pickle.loads(pickle.dumps(error)))


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
