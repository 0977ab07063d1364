"""SDK pieces that keep telemetry in memory: what `trax_otel.testing` captures with."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from .. import semconv
from ..signals import told
from .correlate import CorrelationProcessor
from .exceptions import classify_recorded_exceptions
from .finishing import FinishingProcessor

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.trace import ReadableSpan


class SequentialIds(IdGenerator):
    """Ids that count up from 1: the same test sees the same ids in every run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traces = 0
        self._spans = 0

    def generate_trace_id(self) -> int:
        """The next trace id."""
        with self._lock:
            self._traces += 1
            return self._traces

    def generate_span_id(self) -> int:
        """The next span id."""
        with self._lock:
            self._spans += 1
            return self._spans


class SpanMemory(SpanProcessor):
    """Keeps ended spans, in the order in which they ended."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span."""
        self._spans.append(span)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True

    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended."""
        return tuple(self._spans)

    def clear(self) -> None:
        """Forget all."""
        self._spans.clear()


class LogMemory(LogRecordProcessor):
    """Keeps emitted log records, in order."""

    def __init__(self) -> None:
        self._records: list[ReadWriteLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Keep a copy: the record may be changed by processors that follow."""
        self._records.append(copy.copy(log_record))

    def records(self) -> tuple[ReadWriteLogRecord, ...]:
        """The records that were emitted; each has `.log_record`, `.resource` and `.instrumentation_scope`."""
        return tuple(self._records)

    def clear(self) -> None:
        """Forget all."""
        self._records.clear()

    def shutdown(self) -> None:
        """Nothing to close."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True


@dataclass
class CapturedProviders:
    """A full set of SDK providers that keep everything in memory; hand them to `signals.use_providers`."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider
    span_memory: SpanMemory
    log_memory: LogMemory
    metric_reader: InMemoryMetricReader = field(repr=False)

    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in that order."""
        return self.span_memory.spans()

    def log_records(self) -> tuple[ReadWriteLogRecord, ...]:
        """The log records, in order of emission."""
        return self.log_memory.records()

    def metrics(self) -> dict[str, Metric]:
        """The current state of every metric by name: cumulative, collected now."""
        data = self.metric_reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource_metrics in data.resource_metrics
            for scope_metrics in resource_metrics.scope_metrics
            for metric in scope_metrics.metrics
        }

    def clear(self) -> None:
        """Forget spans and log records; metrics are cumulative and stay."""
        self.span_memory.clear()
        self.log_memory.clear()

    def shutdown(self) -> None:
        """Close the providers; what was captured stays readable."""
        self.tracer_provider.shutdown()
        self.logger_provider.shutdown()
        self.meter_provider.shutdown()


def capture_providers(resource_attributes: Mapping[str, str] | None = None) -> CapturedProviders:
    """Providers with deterministic ids that sample every span, with correlation and classification as in service."""
    classify_recorded_exceptions()
    told.forget()  # these ids begin anew
    resource = Resource(dict(resource_attributes or {semconv.SERVICE_NAME: "captured"}))
    spans, records, reader = SpanMemory(), LogMemory(), InMemoryMetricReader()
    meter_provider = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
    tracer_provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=resource,
        shutdown_on_exit=False,
        id_generator=SequentialIds(),
    )
    tracer_provider.add_span_processor(CorrelationProcessor())
    tracer_provider.add_span_processor(FinishingProcessor())
    tracer_provider.add_span_processor(spans)
    logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logger_provider.add_log_record_processor(records)
    return CapturedProviders(tracer_provider, meter_provider, logger_provider, spans, records, reader)
