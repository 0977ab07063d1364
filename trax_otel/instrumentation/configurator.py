"""The configurator: what OpenTelemetry's auto-instrumentation calls, by `opentelemetry-instrument` or by our own start."""

from __future__ import annotations

from typing import Any

from .start import activate, disabled, place_hooks


class TraxConfigurator:
    """`OTEL_PYTHON_CONFIGURATOR=trax`."""

    def configure(self, **_: Any) -> None:
        """Place the hooks; providers are made when they are first needed."""
        if not disabled():
            activate(by_hand=False)
            place_hooks()
