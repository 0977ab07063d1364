"""One operation with one log line in it: span, event of the log line, duration, active count and log record.

The bare calls give the same telemetry by hand. They differ in how the log line becomes a record: through OpenTelemetry's own
handler for `logging` (what one sets up), or by the OTel logger directly (what one could write). Nothing is exported: the
processors do nothing, so that only the calls are measured.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry._logs import SeverityNumber
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from benchmarks.harness import Case, Result, compare
from trax_otel import semconv, signals
from trax_otel.logging import attach_otlp_handler, detach_otlp_handler, get_logger
from trax_otel.metrics import timing_context

if TYPE_CHECKING:
    from opentelemetry.trace import Span

TITLE = "An operation with a log line, × the bare OTel calls for the same telemetry"
BASELINE = "bare OTel, logging through its handler"
BARE_EMIT = "bare OTel, its logger called directly"
OURS = "timing_context + get_logger().info"
BARE_SILENT = "bare OTel, no log line"
OURS_SILENT = "timing_context, no log line"
TARGETS = {OURS: 1.0}

NAME = "resize"
MESSAGE = "resized"
LABELS = {semconv.OPERATION_NAME: NAME}
ENDED = {**LABELS, semconv.OUTCOME: "success"}


class NoExport(LogRecordProcessor):
    def on_emit(self, log_record: ReadWriteLogRecord) -> None: ...

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


_tracer_provider = TracerProvider(shutdown_on_exit=False)
_tracer_provider.add_span_processor(SpanProcessor())
_meter_provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
_logger_provider = LoggerProvider(shutdown_on_exit=False)
_logger_provider.add_log_record_processor(NoExport())

_tracer = _tracer_provider.get_tracer("benchmark")
_meter = _meter_provider.get_meter("benchmark")
_durations = _meter.create_histogram(
    "duration", "s", explicit_bucket_boundaries_advisory=list(semconv.DURATION_BUCKETS)
)
_active = _meter.create_up_down_counter("active")
_otel_logger = _logger_provider.get_logger("benchmark.operation")
_standard_logger = logging.Logger("benchmark.operation", logging.INFO)
_standard_logger.addHandler(LoggingHandler(logger_provider=_logger_provider))
_our_logger = get_logger("benchmark.ours")
_our_logger.setLevel(logging.INFO)
_our_logger.propagate = False


def _bare(log: Callable[[Span], None] | None) -> Case:
    def operations(calls: int) -> None:
        for _ in range(calls):
            _active.add(1, LABELS)
            began = time.perf_counter()
            try:
                with _tracer.start_as_current_span(NAME, attributes=LABELS) as span:
                    if log is not None:
                        log(span)
                    span.set_attribute(semconv.OUTCOME, "success")
                    _durations.record(time.perf_counter() - began, ENDED)
            finally:
                _active.add(-1, LABELS)

    return operations


def _add_event(span: Span) -> None:
    event = {semconv.LOG_SEVERITY: "INFO", semconv.LOG_MESSAGE: MESSAGE, semconv.LOGGER_NAME: "benchmark.operation"}
    span.add_event(semconv.LOG_EVENT, {**event, "pixels": 400})


def _log_through_handler(span: Span) -> None:
    _standard_logger.info(MESSAGE, extra={"pixels": 400})
    _add_event(span)


def _emit_directly(span: Span) -> None:
    now = time.time_ns()
    _otel_logger.emit(
        timestamp=now,
        observed_timestamp=now,
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body=MESSAGE,
        attributes={
            "pixels": 400,
            semconv.CODE_FILE_PATH: __file__,
            semconv.CODE_FUNCTION_NAME: "_emit_directly",
            semconv.CODE_LINE_NUMBER: 1,
        },
    )
    _add_event(span)


def _ours(calls: int) -> None:
    attach_otlp_handler("benchmark")
    try:
        for _ in range(calls):
            with timing_context(NAME):
                _our_logger.info(MESSAGE, extra={"pixels": 400})
    finally:
        detach_otlp_handler("benchmark")


def _ours_silent(calls: int) -> None:
    for _ in range(calls):
        with timing_context(NAME):
            pass


def run(rounds: int) -> Result:
    """Interleaved, in one process."""
    cases = {
        BASELINE: _bare(_log_through_handler),
        BARE_EMIT: _bare(_emit_directly),
        OURS: _ours,
        BARE_SILENT: _bare(None),
        OURS_SILENT: _ours_silent,
    }
    restore = signals.use_providers(
        tracer_provider=_tracer_provider, meter_provider=_meter_provider, logger_provider=_logger_provider
    )
    try:
        return compare(cases, rounds=rounds, slice_seconds=0.02)
    finally:
        restore()
