# Operations and their figures, health, thresholds, and users' own metrics.
#
#   operation       one run of what a user names: span, duration, outcome (timing, retry and recovery stand on it)
#   timing          a block, function, coroutine or generator as an operation; `generators` drives the last
#   usage           CPU time and memory while an operation runs
#   resources       figures of process and machine; `cgroup` those of the container
#   health          users' checks and the snapshot; `health_metrics` publishes, `monitor` is the thread
#   thresholds      say once that a limit was crossed; `hysteresis` decides, `readings` gives it values
#   business        users' own counters, gauges, histograms and ratios
#   rates           success and failure by operation; `distribution` estimates percentiles
#   export          all of it as JSON
"""Timing, health, thresholds, business metrics and their export; everything works without an SDK."""

from .business import (
    Counter,
    Gauge,
    Histogram,
    Ratio,
    create_counter,
    create_gauge,
    create_histogram,
    create_ratio,
)
from .distribution import Distribution
from .export import SCHEMA_VERSION, export_all_metrics
from .health import CheckResult, add_health_check, health
from .health_metrics import publish_health_metrics
from .monitor import MonitorState, start_health_monitoring, stop_health_monitoring
from .operation import CANCELLED, FAILURE, REJECTED, SUCCESS, Operation, Outcome
from .rates import OperationStats, operation_stats
from .thresholds import ThresholdChange, add_threshold, evaluate_thresholds
from .timing import Timer, async_timing_context, async_timing_decorator, timing_context, timing_decorator

__all__ = [
    "CANCELLED",
    "FAILURE",
    "REJECTED",
    "SCHEMA_VERSION",
    "SUCCESS",
    "CheckResult",
    "Counter",
    "Distribution",
    "Gauge",
    "Histogram",
    "MonitorState",
    "Operation",
    "OperationStats",
    "Outcome",
    "Ratio",
    "ThresholdChange",
    "Timer",
    "add_health_check",
    "add_threshold",
    "async_timing_context",
    "async_timing_decorator",
    "create_counter",
    "create_gauge",
    "create_histogram",
    "create_ratio",
    "evaluate_thresholds",
    "export_all_metrics",
    "health",
    "operation_stats",
    "publish_health_metrics",
    "start_health_monitoring",
    "stop_health_monitoring",
    "timing_context",
    "timing_decorator",
]
