"""OpenTelemetry's API finds our providers at their first use, by the variables that name one: it alone sees them set.

In the process's real environment they would reach children that do not start with us (`python -I`), and OpenTelemetry raises
where a variable names a provider that is not installed. Its API has no other place to be told at: it looks into `os.environ`
at each access as long as there is no provider.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any, Final

from .. import deferral
from .imports import when_imported

PROVIDER: Final = "trax"
"""The name of our entry points."""
_PLACES: Final = {
    "OTEL_PYTHON_TRACER_PROVIDER": ("opentelemetry.trace", "_TRACER_PROVIDER"),
    "OTEL_PYTHON_METER_PROVIDER": ("opentelemetry.metrics._internal", "_METER_PROVIDER"),
    "OTEL_PYTHON_LOGGER_PROVIDER": ("opentelemetry._logs._internal", "_LOGGER_PROVIDER"),
}
"""Variable → where the API reads it, and keeps the provider."""
_LOADER: Final = "opentelemetry.util._providers"


class Announcing:
    """`os.environ`, in which a provider of ours is named once it is there; who asks for it sets telemetry up."""

    def __contains__(self, name: object) -> bool:
        if name in _PLACES and os.environ.get(str(name), PROVIDER) == PROVIDER:
            deferral.settle()
            module, provider = _PLACES[str(name)]
            return getattr(sys.modules[module], provider, None) is not None or name in os.environ
        return name in os.environ

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a variable."""
        return os.environ.get(name, PROVIDER if name in _PLACES else default)

    def __getattr__(self, name: str) -> Any:
        return getattr(os.environ, name)

    def __getitem__(self, name: str) -> str:
        return os.environ[name]


class _Os:
    """`os`, with that environment."""

    environ: Final = Announcing()

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def announce_providers() -> None:
    """Lead the API's first access to a provider to the set-up, whenever the API is imported."""
    for module in (*(module for module, _ in _PLACES.values()), _LOADER):
        when_imported(module, partial(_announce, module))


def _announce(name: str) -> None:
    names = vars(sys.modules[name])
    if names.get("environ") is os.environ:
        names["environ"] = _Os.environ
    elif names.get("os") is os:
        names["os"] = _Os()
