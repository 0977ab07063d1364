"""What OpenTelemetry loads at the first access to a provider, where `OTEL_PYTHON_*_PROVIDER` is `trax`.

Each sets up all that is pending and returns the final provider, which then stands in OpenTelemetry's global already.
"""

from __future__ import annotations

from typing import Any

from .. import deferral
from .configuration import configure_from_environment
from .install import LOGS, METRICS, TRACES, Place


def tracer_provider() -> Any:
    """The tracer provider of this process."""
    return _provider(TRACES)


def meter_provider() -> Any:
    """The meter provider of this process."""
    return _provider(METRICS)


def logger_provider() -> Any:
    """The logger provider of this process."""
    return _provider(LOGS)


def _provider(place: Place) -> Any:
    deferral.begin(configure_from_environment)  # does nothing but where an interpreter began without our start
    deferral.settle()
    return place.taken() or place.hold()
