# Zero code: an existing service, unchanged.
#
#   autostart/    the folder that `trax-otel run` puts on PYTHONPATH; it holds only sitecustomize.py
#   start         what that file calls: hooks alone, until telemetry is needed
#   distro, configurator   OpenTelemetry's own two doors, for `opentelemetry-instrument` and for start
#   lazy, targets, imports   each instrumentor is loaded when its library is imported
#   patching      gevent and eventlet: nothing happens while a program patches itself
#   hooks         uncaught exceptions become errors
#   records       the first log record sets telemetry up
#   propagation, greenlets   threads, executors and greenlets carry the context
#   correlation   the inbound correlation id
#   conventions   stable names by default, and spans without a meaning left out
#   handled       exceptions that a framework answers before any span sees them
#   adoption      libraries without an instrumentor, hooked here: loggers/, jobs/, servers/
#   worker_threads, sqlite_queries   queries of aiosqlite and sqlite3 that would be seen elsewhere or not at all
#   refusals      libraries in use that stay without spans
#   hint          libraries that are installed without their instrumentation
"""Distro, configurator and hooks for services whose code is not changed. Parts load at first use: interpreters start here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .configurator import TraxConfigurator
    from .correlation import CorrelationPropagator
    from .distro import TraxDistro

__all__ = ["CorrelationPropagator", "TraxConfigurator", "TraxDistro"]

_HOMES: Final = {"CorrelationPropagator": "correlation", "TraxConfigurator": "configurator", "TraxDistro": "distro"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
