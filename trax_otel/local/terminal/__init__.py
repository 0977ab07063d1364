# The views in a terminal.
#
#   tables        a table where it fits, else each row as a paragraph
#   listings      services, operations, errors, traces, logs, metrics
#   trace         one trace as a tree
#   resilience    retries, breakers, recoveries
#   analysis      what all of it says together
"""The views in a terminal.

What telemetry says is data: control characters are shown as symbols and rich's markup is never read from it.
"""

from .analysis import print_analysis
from .listings import (
    print_errors,
    print_left_out,
    print_logs,
    print_metrics,
    print_operations,
    print_record,
    print_series,
    print_services,
    print_trace_lines,
    print_traces,
)
from .resilience import print_breakers, print_recoveries, print_retries
from .trace import print_trace

__all__ = [
    "print_analysis",
    "print_breakers",
    "print_errors",
    "print_left_out",
    "print_logs",
    "print_metrics",
    "print_operations",
    "print_record",
    "print_recoveries",
    "print_retries",
    "print_series",
    "print_services",
    "print_trace",
    "print_trace_lines",
    "print_traces",
]
