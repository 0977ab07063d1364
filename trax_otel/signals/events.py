"""The one path by which events and exceptions leave.

OpenTelemetry is moving span events to log records (OTEP 4430); when it does, this file changes and no other. For
exceptions the agreed switch works today: `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` unset gives span events, `logs` log
records, `logs/dup` both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import get_current_span

from .. import clock, lifecycle, semconv
from . import private, providers, told
from .instruments import counter
from .stacktrace import format_exception, message_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .facts import ErrorFacts

Severity = Literal["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
EXCEPTION_SIGNAL_VARIABLE: Final = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"
LOG_EVENTS_PER_SPAN: Final = 32
"""Log records of one span that become span events; the SDK keeps 128 events, so exceptions and retries always fit."""
TRACES_PER_ERROR: Final = 1_000
"""Of so many traces an error object remembers that they have told of it."""

_SEVERITIES: Final = {name: SeverityNumber[name] for name in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")}
_MARK: Final = "__trax_recorded__"
_LOG_EVENTS: Final = "_trax_log_events"
_errors = counter(semconv.ERRORS)


def emit_event(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    severity: Severity = "INFO",
    body: str | None = None,
    span: Span | None = None,
) -> None:
    """Say that something happened: an event of the recording span (the current one unless given), else a log record."""
    target = get_current_span() if span is None else span
    if target.is_recording():
        target.add_event(name, attributes)
        return
    emit_record(name, attributes, severity, body)


def emit_record(name: str, attributes: Mapping[str, Any] | None, severity: Severity, body: str | None) -> None:
    """A log record with an event name; nothing where no logger provider is set."""
    if not providers.log_export():
        return
    now = clock.current().time_ns()
    providers.otel_logger().emit(
        timestamp=now,
        observed_timestamp=now,
        severity_number=_SEVERITIES[severity],
        severity_text=severity,
        body=body,
        attributes=attributes,
        event_name=name,
    )


# --- Exceptions -----------------------------------------------------------------------------------


def is_recorded(error: BaseException, span: Span | None = None) -> bool:
    """Whether this very exception object was recorded already, in this process and in the trace of `span` (the current one
    unless given). Outside of any trace: whether it was anywhere."""
    return marked_in_trace(error, _MARK, span)


def mark_recorded(error: BaseException, span: Span | None = None) -> None:
    """Remember that the exception was recorded; in this process only, so a pickled copy is recorded anew elsewhere."""
    mark_in_trace(error, _MARK, span)


def marked_in_trace(error: BaseException, mark: str, span: Span | None = None) -> bool:
    """Whether something was noted on the exception object in the trace of `span`; see `is_recorded`."""
    try:
        process, traces = error.__dict__[mark]
    except Exception:  # never noted, or a class whose attributes raise
        return False
    trace = _trace_of(span)
    return process == lifecycle.process_token() and (trace in traces or trace == 0)


def mark_in_trace(error: BaseException, mark: str, span: Span | None = None) -> None:
    """Note it. One failure may be met by many traces (a task that many await), and each of them tells of it."""
    try:
        known = error.__dict__.get(mark)
        if known is None or known[0] != lifecycle.process_token():
            known = error.__dict__[mark] = (lifecycle.process_token(), {})
        traces: dict[int, None] = known[1]
        traces[_trace_of(span)] = None
        if len(traces) > TRACES_PER_ERROR:
            del traces[next(iter(traces))]
    except Exception:  # a class that refuses: it may be recorded twice, which loses nothing
        return


def _trace_of(span: Span | None) -> int:
    return (get_current_span() if span is None else span).get_span_context().trace_id


def record_error(
    error: BaseException,
    facts: ErrorFacts,
    *,
    span: Span | None = None,
    escaped: bool = False,
    attributes: Mapping[str, Any] | None = None,
    timestamp: int | None = None,
) -> bool:
    """Put an error on a span (the current one unless given); True where this was its first recording.

    The first recording makes the one `exception` event and counts; outer layers get code and type as attributes alone.
    `attributes` and `timestamp` (nanoseconds since the epoch) go to the event.
    """
    target = get_current_span() if span is None else span
    recording = target.is_recording()
    if recording:
        target.set_attributes(facts.attributes)
    if not count_error(error, facts, target):
        return False
    mode = exception_signal(os.environ.get(EXCEPTION_SIGNAL_VARIABLE))
    as_record = mode != "span" and providers.log_export()
    as_event = mode != "logs" and recording
    if not (as_record or as_event):
        return True
    described = {**exception_attributes(error, facts), **(attributes or {})}
    if as_event:
        target.add_event(semconv.EXCEPTION_EVENT, {semconv.EXCEPTION_ESCAPED: str(escaped), **described}, timestamp)
    if as_record:
        emit_record(semconv.EXCEPTION_EVENT, described, "ERROR", message_of(error))
    return True


def count_error(error: BaseException, facts: ErrorFacts, span: Span | None = None) -> bool:
    """Mark and count an error that is recorded on `span` or elsewhere; False where it was recorded before in this trace.

    One that only tells of an answer that was counted when its span ended is not counted again.
    """
    if is_recorded(error, span):
        return False
    mark_recorded(error, span)
    trace_id = _trace_of(span)
    if not trace_id or not told.follows_from_answer(trace_id, facts.code):
        _errors.add(1, facts.metric_attributes)
    if trace_id:
        told.note_failure(trace_id)
    return True


def record_answer(span: Span, facts: ErrorFacts, *, consequence: bool) -> None:
    """Put the error that an answer is on its span, and count it.

    `consequence`: the answer may be given because of an error that the same trace has told; then that is the one that counts.
    """
    span.set_attributes(facts.attributes)
    trace_id = span.get_span_context().trace_id
    if consequence and told.has_failed(trace_id):
        return
    told.note_answer(trace_id, facts.code)
    _errors.add(1, facts.metric_attributes)


def exception_attributes(error: BaseException, facts: ErrorFacts) -> dict[str, Any]:
    """Type, message and stack trace by their standard names, with the error's facts."""
    return {
        **facts.attributes,
        semconv.EXCEPTION_TYPE: facts.type,
        semconv.EXCEPTION_MESSAGE: message_of(error),
        semconv.EXCEPTION_STACKTRACE: format_exception(error),
    }


@lru_cache(maxsize=16)
def exception_signal(setting: str | None) -> Literal["span", "logs", "logs/dup"]:
    """The mode that a value of the opt-in variable asks for; `logs/dup` wins, as with every OTel opt-in list."""
    values = {part.strip().lower() for part in (setting or "").split(",")}
    if "logs/dup" in values:
        return "logs/dup"
    return "logs" if "logs" in values else "span"


# --- Log records as span events -------------------------------------------------------------------


def log_event(span: Span, attributes: Mapping[str, Any], timestamp: int | None = None) -> bool:
    """Mirror a log record as an event of a recording span; False where the span had its share or is being written.

    A `__del__` that logs while its own thread holds the span's lock would wait for ever: a held lock means no event.
    """
    seen = getattr(span, _LOG_EVENTS, 0)
    lock = private.lock_of(span)
    if lock is not None:
        if not lock.acquire(blocking=False):
            _count_log_event(span, seen)
            return False
        lock.release()
    if not _count_log_event(span, seen):
        return False
    if seen >= LOG_EVENTS_PER_SPAN:
        span.set_attribute(semconv.LOG_EVENTS_DROPPED, seen - LOG_EVENTS_PER_SPAN + 1)
        return False
    span.add_event(semconv.LOG_EVENT, attributes, timestamp)
    return True


def _count_log_event(span: Span, seen: int) -> bool:
    try:
        setattr(span, _LOG_EVENTS, seen + 1)
    except AttributeError:  # a foreign span that keeps no attributes of ours: without a count there is no bound
        return False
    return True
