"""Our delivery as the SDK's exporter classes: for set-ups that are not ours, such as a declarative OTEL_CONFIG_FILE.

They are registered as the exporter `trax_otlp` and read the standard OTEL_EXPORTER_OTLP_* variables.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from ..lifecycle import Deadline, report
from . import temporality
from .delivery import Effort
from .encode import metric_items
from .pipelines import otlp_delivery

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from .environment import Signal

PATIENCE: Final = 30.0
"""Seconds for one batch: the SDK's processors wait for their exporter, so it gives up sooner than our own queue."""


class _Deliverer:
    """A delivery and the effort of its batches."""

    def __init__(self, signal: Signal) -> None:
        problems: list[str] = []
        self._delivery = otlp_delivery(os.environ, signal, problems)
        self._effort = Effort(PATIENCE)
        for problem in problems:
            report(problem)

    def deliver(self, items: Sequence[Any]) -> bool:
        """Whether all of it was accepted."""
        self._effort.begin()
        return not items or self._delivery.deliver(items, self._effort) == 0

    def close(self) -> None:
        """Try no longer, and close."""
        self._effort.close(Deadline(0))
        self._delivery.close()


class OtlpSpanExporter(SpanExporter):
    """Spans over OTLP, with everything that `delivery` promises."""

    def __init__(self) -> None:
        self._deliverer = _Deliverer("traces")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """SUCCESS only where every span was accepted."""
        return SpanExportResult.SUCCESS if self._deliverer.deliver(spans) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the connection."""
        self._deliverer.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True


class OtlpLogExporter(LogRecordExporter):
    """Log records over OTLP."""

    def __init__(self) -> None:
        self._deliverer = _Deliverer("logs")

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """SUCCESS only where every record was accepted."""
        return LogRecordExportResult.SUCCESS if self._deliverer.deliver(batch) else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the connection."""
        self._deliverer.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True


class OtlpMetricExporter(MetricExporter):
    """Metrics over OTLP."""

    def __init__(self) -> None:
        problems: list[str] = []
        super().__init__(temporality.preferred(os.environ, problems), temporality.histograms(os.environ, problems))
        for problem in problems:
            report(problem)
        self._deliverer = _Deliverer("metrics")

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """SUCCESS only where every point was accepted."""
        accepted = self._deliverer.deliver(metric_items(metrics_data))
        return MetricExportResult.SUCCESS if accepted else MetricExportResult.FAILURE

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Close the connection."""
        self._deliverer.close()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits here."""
        return True
