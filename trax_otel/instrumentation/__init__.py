# Zero code: an existing service, unchanged.
#
#   autostart/    the folder that `trax-otel run` puts on PYTHONPATH; it holds only sitecustomize.py
#   start         what that file calls, once the interpreter can import this package
#   distro, configurator   OpenTelemetry's own two doors, for `opentelemetry-instrument` and for start
#   lazy, targets, imports   each instrumentor is loaded when its library is imported
#   hooks         uncaught exceptions become errors
#   propagation   threads and executors carry the context
#   correlation   the inbound correlation id
#   conventions   stable names by default, and spans without a meaning left out
#   handled       exceptions that a framework answers before any span sees them
#   adoption      libraries without an instrumentor, hooked here: loggers/, jobs/, servers/
#   worker_threads, sqlite_queries   queries of aiosqlite and sqlite3 that would be seen elsewhere or not at all
#   refusals      libraries in use that stay without spans
#   hint          libraries that are installed without their instrumentation
"""Distro, configurator and hooks for services whose code is not changed."""

from .configurator import TraxConfigurator
from .correlation import CorrelationPropagator
from .distro import TraxDistro

__all__ = ["CorrelationPropagator", "TraxConfigurator", "TraxDistro"]
