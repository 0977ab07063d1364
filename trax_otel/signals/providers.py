"""The one handle through which every room reaches OpenTelemetry.

Normally it points to OpenTelemetry's globals, whichever application or SDK sets them and whenever. Captured telemetry
(`trax_otel.testing`) swaps this handle instead of those set-once globals; each swap raises the generation number that
cached instruments compare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry import _logs as logs_api
from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api

from .. import config, deferral, semconv
from ..version import __version__
from . import private

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider


class Handle:
    """Three providers (None: OpenTelemetry's global one) and what was got from them."""

    __slots__ = ("_logger", "_meter", "_tracer", "generation", "logger_provider", "meter_provider", "tracer_provider")

    def __init__(
        self,
        generation: int,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self.generation = generation
        self.tracer_provider = tracer_provider
        self.meter_provider = meter_provider
        self.logger_provider = logger_provider
        self._tracer: Tracer | None = None
        self._meter: Meter | None = None
        self._logger: Logger | None = None

    def tracer(self) -> Tracer:
        deferral.settle()
        if self._tracer is None:
            self._tracer = trace_api.get_tracer(semconv.SCOPE, __version__, self.tracer_provider)
        return self._tracer

    def meter(self) -> Meter:
        deferral.settle()
        if self._meter is None:
            self._meter = metrics_api.get_meter(semconv.SCOPE, __version__, self.meter_provider)
        return self._meter

    def logger(self) -> Logger:
        deferral.settle()
        if self._logger is None:
            self._logger = logs_api.get_logger(semconv.SCOPE, __version__, self.logger_provider)
        return self._logger


_handle = Handle(0)
_generations = 0
_listeners: list[Callable[[], None]] = []
_traced = _watched = False
_TRACERS, _TRACER = private.TRACER.slot
_METERS, _METER = private.METER.slot


def tracer() -> Tracer:
    """The tracer in force (OpenTelemetry's proxy until somebody sets a provider)."""
    return _handle._tracer or _handle.tracer()


def meter() -> Meter:
    """The meter in force."""
    return _handle._meter or _handle.meter()


def otel_logger() -> Logger:
    """The OTel logger in force."""
    return _handle._logger or _handle.logger()


def generation() -> int:
    """A number that changes whenever the handle is swapped."""
    return _handle.generation


def tracing() -> bool:
    """Whether any tracer provider is set or will be: if not, nobody could see a span and none need be made."""
    return _traced or _TRACERS[_TRACER] is not None


def observed() -> bool:
    """Whether a tracer or meter provider is set (or will be), or debug mode is on: if not, a call that goes well need only be
    counted."""
    return _watched or _TRACERS[_TRACER] is not None or _METERS[_METER] is not None


def _watch(_: bool | None = None) -> None:
    """Settle beforehand what need not be asked at each call."""
    global _traced, _watched
    blind = not (private.TRACER.yields and private.METER.yields)  # where they stand cannot be looked at: ask no more
    _traced = blind or deferral.pending() or _handle.tracer_provider is not None
    _watched = _traced or config.debug() or _handle.meter_provider is not None


def log_export() -> bool:
    """Whether any logger provider is set, or will be."""
    return _handle.logger_provider is not None or _global_logger_provider() is not None or deferral.pending()


def logger_provider() -> LoggerProvider | None:
    """The logger provider in force, if any is set: for log records that are filed under their logger's name."""
    deferral.settle()
    return _handle.logger_provider or _global_logger_provider()


def _global_logger_provider() -> LoggerProvider | None:
    found: LoggerProvider | None = private.logger_provider()
    return None if isinstance(found, logs_api.NoOpLoggerProvider) else found


def on_change(listener: Callable[[], None]) -> None:
    """Call `listener` after every swap."""
    _listeners.append(listener)


def use_providers(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
) -> Callable[[], None]:
    """Reach OpenTelemetry through these providers from now on (None: the global one); returns the way back."""
    global _handle, _generations
    before = _handle
    _generations += 1
    _handle = Handle(_generations, tracer_provider, meter_provider, logger_provider)
    _watch()
    for listener in _listeners:
        listener()

    def restore() -> None:
        global _handle, _generations
        _generations += 1
        _handle = Handle(_generations, before.tracer_provider, before.meter_provider, before.logger_provider)
        _watch()
        for listener in _listeners:
            listener()

    return restore


def renew() -> None:
    """Let instruments fetch what they cached anew, from the same providers as before."""
    use_providers(
        tracer_provider=_handle.tracer_provider,
        meter_provider=_handle.meter_provider,
        logger_provider=_handle.logger_provider,
    )


config.on_debug_change(_watch)
deferral.on_change(_watch)
_watch()
