"""Timing, health and export, where the specification's users look for them; they live in `trax_otel.metrics`."""

from ..metrics import (
    async_timing_context,
    async_timing_decorator,
    export_all_metrics,
    start_health_monitoring,
    stop_health_monitoring,
    timing_context,
    timing_decorator,
)

__all__ = [
    "async_timing_context",
    "async_timing_decorator",
    "export_all_metrics",
    "start_health_monitoring",
    "stop_health_monitoring",
    "timing_context",
    "timing_decorator",
]
