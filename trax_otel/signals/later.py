"""Tracers for instrumentors that are loaded before telemetry is set up: the first span sets it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Tracer, TracerProvider, get_tracer

from .. import deferral

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes


class LaterTracer(Tracer):
    """Asks the provider in force for the real tracer when a span is started."""

    def __init__(self, *scope: Any) -> None:
        self._scope = scope
        self._found: Tracer | None = None

    def _real(self) -> Tracer:
        name, version, schema_url, attributes = self._scope
        found = self._found or get_tracer(name, version or "", None, schema_url, attributes)
        if not deferral.pending():
            self._found = found
        return found

    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        """Start a span."""
        return (self._found or self._real()).start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """Start a span that is current in the block."""
        return (self._found or self._real()).start_as_current_span(*args, **kwargs)


class LaterTracerProvider(TracerProvider):
    """Gives such tracers."""

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        """A tracer that is found when it is first used."""
        return LaterTracer(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)
