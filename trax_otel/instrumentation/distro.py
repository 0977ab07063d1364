"""The distro: defaults for what the user left open, and instrumentors that cannot take each other down."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Final

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from .. import deferral
from ..signals.later import LaterTracerProvider
from ..signals.private import waiting_meter_provider
from .conventions import arguments, prefer_stable_names, quiet_starlette
from .handled import tell_handled_exceptions
from .lazy import Instrumentor
from .refusals import listen
from .targets import triggers

LOG_CORRELATION_VARIABLE: Final = "OTEL_PYTHON_LOG_CORRELATION"
CONFIG_FILE_VARIABLE: Final = "OTEL_CONFIG_FILE"
DEFAULTS: Final = {
    # Every record leaves through our own bridge, as exactly one OTLP record; the contrib handler would be a second way.
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "false",
}
"""What is set where the user set nothing; nothing at all where OTEL_CONFIG_FILE is given."""


class TraxDistro(BaseDistro):  # type: ignore[misc,unused-ignore]
    """`OTEL_PYTHON_DISTRO=trax`."""

    def _configure(self, **kwargs: Any) -> None:
        listen()
        if os.environ.get(CONFIG_FILE_VARIABLE):
            return
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        prefer_stable_names()

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Have one instrumentor loaded when its library is imported; none of them can end the service."""
        if entry_point.name == "logging" and os.environ.get(LOG_CORRELATION_VARIABLE, "").lower() != "true":
            return  # without a format to set it would only add a wrapper around every record
        if entry_point.name == "structlog":
            return  # its events leave through our own bridge; that one would send each a second time, and configure structlog
        if entry_point.name == "starlette":
            quiet_starlette()
        tell_handled_exceptions(entry_point.name)
        kwargs = {**arguments(entry_point), **kwargs}
        Instrumentor(entry_point, partial(self._load, entry_point, **kwargs)).wait()

    def _load(self, entry_point: Any, **kwargs: Any) -> None:
        """Have an instrumentor wrap its library; before there are providers, its first span has them made."""
        if deferral.pending() and triggers(entry_point):
            kwargs = {"tracer_provider": LaterTracerProvider(), "meter_provider": waiting_meter_provider(), **kwargs}
        super().load_instrumentor(entry_point, **kwargs)
