# The standard library's logging, with structure, correlation and files that survive.
#
#   utils         get_logger, initialize_logging, shutdown_logging
#   config        LoggingConfig and how it becomes settings
#   installation  what is done to the process's logging, and its undoing
#   dispatch      the one place where every record passes
#   logger        the shorter way from a call to a record
#   records       what is read from a record and written on one
#   values        values of any kind made fit for a line or an attribute
#   formatters    JSON, text, console
#   stacktrace    the detailed stack traces of debug mode
#   handlers      console and file, contained
#   rotation      a file that several processes append to and rotate
#   otlp          records as OTLP log records and span events
#   correlation   correlation ids and bound fields
#   debug         debug mode
#   security      security events
#   metrics       timing and health, re-exported from trax_otel.metrics
"""Structured logging over the standard library's: `get_logger`, `initialize_logging`, correlation, debug mode, security."""

from .config import LoggingConfig
from .correlation import (
    bind,
    bound_fields,
    correlation_context,
    correlation_id_from_headers,
    current_correlation_id,
)
from .debug import MemoryUsage, disable_debug, enable_debug, is_debug, memory_usage
from .formatters import ConsoleFormatter, JsonFormatter, TextFormatter
from .handlers import ConsoleHandler, FileHandler
from .metrics import (
    async_timing_context,
    async_timing_decorator,
    export_all_metrics,
    start_health_monitoring,
    stop_health_monitoring,
    timing_context,
    timing_decorator,
)
from .otlp import attach_otlp_handler, detach_otlp_handler, otlp_handler_attached
from .rotation import RotatingFile
from .security import SecurityEvent, log_security_event, register_security_counts
from .utils import get_logger, initialize_logging, shutdown_logging

__all__ = [
    "ConsoleFormatter",
    "ConsoleHandler",
    "FileHandler",
    "JsonFormatter",
    "LoggingConfig",
    "MemoryUsage",
    "RotatingFile",
    "SecurityEvent",
    "TextFormatter",
    "async_timing_context",
    "async_timing_decorator",
    "attach_otlp_handler",
    "bind",
    "bound_fields",
    "correlation_context",
    "correlation_id_from_headers",
    "current_correlation_id",
    "detach_otlp_handler",
    "disable_debug",
    "enable_debug",
    "export_all_metrics",
    "get_logger",
    "initialize_logging",
    "is_debug",
    "log_security_event",
    "memory_usage",
    "otlp_handler_attached",
    "register_security_counts",
    "shutdown_logging",
    "start_health_monitoring",
    "stop_health_monitoring",
    "timing_context",
    "timing_decorator",
]
