"""What OpenTelemetry loads at the first access to a provider, where `OTEL_PYTHON_*_PROVIDER` is `trax`, or seems to be.

Each sets up all that is pending and returns the final provider, which then stands in OpenTelemetry's global already. The room is
imported after that: another thread may be importing it for the set-up, and two that import a package from its two ends fail.
"""

from __future__ import annotations

from typing import Any

from .. import deferral


def tracer_provider() -> Any:
    """The tracer provider of this process."""
    return _provider("TRACES")


def meter_provider() -> Any:
    """The meter provider of this process."""
    return _provider("METRICS")


def logger_provider() -> Any:
    """The logger provider of this process."""
    return _provider("LOGS")


def _provider(name: str) -> Any:
    deferral.begin(_set_up)  # does nothing but where an interpreter began without our start
    deferral.settle()
    from . import install

    place: install.Place = getattr(install, name)
    return place.taken() or place.hold()


def _set_up() -> None:
    from .configuration import configure_from_environment

    configure_from_environment()
