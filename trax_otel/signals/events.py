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
from opentelemetry.trace import get_current_span, set_span_in_context

from .. import clock, semconv
from . import private, providers, told
from .chains import joined, note, noted, noted_of_joined, trace_of
from .instruments import counter
from .stacktrace import format_exception, message_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .facts import ErrorFacts

Severity = Literal["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
EXCEPTION_SIGNAL_VARIABLE: Final = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"
LOG_EVENTS_PER_SPAN: Final = 32
"""Log records of one span that become span events; the SDK keeps 128 events, so exceptions and retries always fit."""

_SEVERITIES: Final = {name: SeverityNumber[name] for name in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")}
_COUNTED: Final = "__trax_counted__"
_TOLD: Final = "__trax_told__"
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
        target.add_event(name, attributes, clock.current().time_ns())
        return
    emit_record(name, attributes, severity, body)


def emit_record(
    name: str, attributes: Mapping[str, Any] | None, severity: Severity, body: str | None, span: Span | None = None
) -> None:
    """A log record with an event name, of `span` (the current one unless given); nothing where no logger provider is set."""
    if not providers.log_export():
        return
    now = clock.current().time_ns()
    providers.otel_logger().emit(
        timestamp=now,
        observed_timestamp=now,
        context=None if span is None else set_span_in_context(span),
        severity_number=_SEVERITIES[severity],
        severity_text=severity,
        body=body,
        attributes=attributes,
        event_name=name,
    )


# --- Exceptions -----------------------------------------------------------------------------------


def is_told(error: BaseException, span: Span | None = None) -> bool:
    """Whether an event of a sampled span or a log record tells of this failure, in this process and in the trace of `span`
    (the current one unless given). Outside of any trace: whether any does."""
    return noted_of_joined(error, _TOLD, span) is not None


def mark_told(error: BaseException, facts: ErrorFacts, span: Span | None = None) -> None:
    """Remember what tells of it; in this process only, so a pickled copy is told anew elsewhere."""
    for one in joined(error):
        note(one, _TOLD, facts, span)


def bears(span: Span) -> bool:
    """Whether what is put on the span leaves this process: it is recording and sampled."""
    return span.is_recording() and span.get_span_context().trace_flags.sampled


def record_error(
    error: BaseException,
    facts: ErrorFacts,
    *,
    span: Span | None = None,
    escaped: bool = False,
    attributes: Mapping[str, Any] | None = None,
    timestamp: int | None = None,
) -> bool:
    """Put an error on a span (the current one unless given); True where that told it first.

    The first recording makes the one `exception` event and counts; outer layers get code and type as attributes alone. Where
    no span can bear the event, a log record tells of it. A wrapper is one failure with what it wraps: it is told again only
    where its own code says more. `attributes` and `timestamp` (nanoseconds since the epoch) go to the event.
    """
    target = get_current_span() if span is None else span
    recording = target.is_recording()
    before: ErrorFacts | None = noted_of_joined(error, _TOLD, target)
    more = before is None or _says_more(error, _TOLD, facts, before, target)
    if recording:
        target.set_attributes(facts.attributes if more or before is None else facts.as_part_of(before))
    counted = count_error(error, facts, target)
    if not (counted or (more and (before is not None or bears(target) or not recording))):
        return False
    mode = exception_signal(os.environ.get(EXCEPTION_SIGNAL_VARIABLE))
    as_record = (mode != "span" or not recording) and providers.log_export()
    as_event = mode != "logs" and recording
    if not (as_record or as_event):
        return counted
    described = {**exception_attributes(error, facts), **(attributes or {})}
    if before is not None and before.fingerprint and before.fingerprint != facts.fingerprint:
        described[semconv.ERROR_REPLACES] = before.fingerprint
    if as_event:
        moment = clock.current().time_ns() if timestamp is None else timestamp
        target.add_event(semconv.EXCEPTION_EVENT, {semconv.EXCEPTION_ESCAPED: str(escaped), **described}, moment)
    if as_record:
        emit_record(semconv.EXCEPTION_EVENT, described, "ERROR", message_of(error), target)
    if as_record or bears(target):
        mark_told(error, facts, target)
    return True


def count_error(error: BaseException, facts: ErrorFacts, span: Span | None = None) -> bool:
    """Count an error that is met on `span` or elsewhere; False where this failure was counted before in this trace.

    A wrapper that says more counts under its own code. One that only tells of an answer that was counted when its span ended is
    not counted again.
    """
    before = noted_of_joined(error, _COUNTED, span)
    if before is not None and (before.code == facts.code or not _says_more(error, _COUNTED, facts, before, span)):
        for one in joined(error):
            note(one, _COUNTED, before, span)
        return False
    for one in joined(error):
        note(one, _COUNTED, facts, span)
    trace_id = trace_of(span)
    if not trace_id or not told.follows_from_answer(trace_id, facts.code):
        _errors.add(1, facts.metric_attributes)
    if trace_id:
        told.note_failure(trace_id)
    return True


def _says_more(error: BaseException, mark: str, facts: ErrorFacts, before: ErrorFacts, span: Span | None) -> bool:
    """Whether a wrapper says more than what was noted of the failure that it wraps."""
    return facts.rank > before.rank and noted(error, mark, span) is None


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
    """Type, message and stack trace by their standard names, with all that is known of the error."""
    return {
        **facts.details,
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
