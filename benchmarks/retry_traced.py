"""Retries with tracing and metrics on, against loops that make the same spans, events and metrics by the bare OTel API.

Nothing is exported: the span processor does nothing and the metric reader is never read, so that only the calls are measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Span, StatusCode

from benchmarks.harness import Case, Result, compare
from trax_otel import semconv, signals
from trax_otel.retry import retry

TITLE = "Retries with their telemetry, × loops that emit the same by the bare OTel API"
BY_HAND = "by hand, success at once"
OURS = "trax_otel retry, success at once"
BY_HAND_THIRD = "by hand, success on the third attempt"
OURS_THIRD = "trax_otel retry, success on the third attempt"
TARGETS = {OURS: 0.95, OURS_THIRD: 0.95}

NAME = "fetch"
MAX_RETRIES = 3
LABELS = {semconv.OPERATION_NAME: NAME}
CODE = "TRAX-001"

_tracer_provider = TracerProvider(shutdown_on_exit=False)
_tracer_provider.add_span_processor(SpanProcessor())
_meter_provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
_tracer = _tracer_provider.get_tracer("benchmark")
_meter = _meter_provider.get_meter("benchmark")
_durations = _meter.create_histogram(
    "duration", "s", explicit_bucket_boundaries_advisory=list(semconv.DURATION_BUCKETS)
)
_delays = _meter.create_histogram("delay", "s", explicit_bucket_boundaries_advisory=list(semconv.DURATION_BUCKETS))
_active = _meter.create_up_down_counter("active")
_operations = _meter.create_counter("operations")
_attempts = _meter.create_counter("attempts")
_errors = _meter.create_counter("errors")


def _work(failures: int) -> Callable[[], int]:
    """A function that fails so many times before each success."""
    calls = 0

    def work() -> int:
        nonlocal calls
        calls += 1
        if calls % (failures + 1):
            raise ConnectionError("the peer went away")
        return calls

    return work


def _by_hand(work: Callable[[], int]) -> Callable[[], int]:
    def call() -> int:
        _active.add(1, LABELS)
        began, started = time.perf_counter(), time.time_ns()
        try:
            with _tracer.start_as_current_span(NAME, attributes=LABELS) as span:
                value, attempts = _attempts_of(work, span, started)
                if attempts > 1:
                    span.set_attribute(semconv.RETRY_COUNT, attempts - 1)
                span.set_attribute(semconv.OUTCOME, "success")
                _attempts.add(attempts, LABELS)
                outcome = "succeeded_with_retry" if attempts > 1 else "succeeded_without_retry"
                _operations.add(1, {**LABELS, semconv.RETRY_OUTCOME: outcome})
                _durations.record(time.perf_counter() - began, {**LABELS, semconv.OUTCOME: "success"})
                return value
        finally:
            _active.add(-1, LABELS)

    return call


def _attempts_of(work: Callable[[], int], span: Span, started: int) -> tuple[int, int]:
    """What it returned and the attempts it took; the first attempt gets a span once it has failed."""
    try:
        return work(), 1
    except ConnectionError as error:
        attributes = {semconv.RETRY_ATTEMPT: 1, semconv.RETRY_BACKDATED: True}
        attempt = _tracer.start_span(semconv.RETRY_ATTEMPT_SPAN, attributes=attributes, start_time=started)
        _failed(attempt, error)
        attempt.end()
        _scheduled(span, 1)
    for number in range(2, MAX_RETRIES + 2):
        with _tracer.start_as_current_span(
            semconv.RETRY_ATTEMPT_SPAN, attributes={semconv.RETRY_ATTEMPT: number},
            record_exception=False, set_status_on_exception=False,
        ) as attempt:  # fmt: skip
            try:
                value = work()
            except ConnectionError as error:
                if number > MAX_RETRIES:
                    raise
                _failed(attempt, error)
            else:
                attempt.set_attribute(semconv.OUTCOME, "success")
                return value, number
        _scheduled(span, number)
    raise AssertionError("unreachable")


def _failed(attempt: Span, error: Exception) -> None:
    kind = type(error).__qualname__
    attempt.record_exception(error, {semconv.ERROR_CODE: CODE})
    attempt.set_status(StatusCode.ERROR, str(error))
    attempt.set_attributes(
        {
            semconv.OUTCOME: "failure",
            semconv.ERROR_TYPE: kind,
            semconv.ERROR_CODE: CODE,
            semconv.ERROR_CATEGORY: "network",
            semconv.ERROR_RETRYABLE: True,
        }
    )
    _errors.add(1, {semconv.ERROR_CODE: CODE, semconv.ERROR_CATEGORY: "network", semconv.ERROR_TYPE: kind})


def _scheduled(span: Span, number: int) -> None:
    _delays.record(0.0, LABELS)
    event = {
        semconv.RETRY_ATTEMPT: number,
        semconv.RETRY_DELAY: 0.0,
        semconv.RETRY_DELAY_SOURCE: "backoff",
        semconv.ERROR_CODE: CODE,
    }
    span.add_event(semconv.RETRY_SCHEDULED_EVENT, event)


def _case(function: Callable[[], int]) -> Case:
    def calls(count: int) -> None:
        for _ in range(count):
            function()

    return calls


def run(rounds: int) -> Result:
    """Interleaved, in one process; each pair has its own baseline."""
    ours = retry(max_retries=MAX_RETRIES, initial_delay=0, jitter=None, name=NAME)
    restore = signals.use_providers(
        tracer_provider=_tracer_provider, meter_provider=_meter_provider, logger_provider=None
    )
    try:
        straight = {BY_HAND: _case(_by_hand(_work(0))), OURS: _case(ours(_work(0)))}
        third = {BY_HAND_THIRD: _case(_by_hand(_work(2))), OURS_THIRD: _case(ours(_work(2)))}
        pairs = [compare(pair, rounds=rounds, slice_seconds=0.02) for pair in (straight, third)]
        return Result((*pairs[0].rows, *pairs[1].rows))
    finally:
        restore()
