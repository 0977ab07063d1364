"""OpenTelemetry's globals: ours stand there until the application sets its own, then give way.

OpenTelemetry lets a global provider be set once, and zero code comes first: an application that later calls
`set_tracer_provider` would be refused with a warning, and its own set-up be dead. So our providers are placed without
using up that one time. When the application sets a provider it wins; what libraries got from ours before (tracers,
meters' instruments, loggers) is led over to the application's, so that no trace is torn in two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import opentelemetry._logs._internal
import opentelemetry.metrics._internal
from opentelemetry import trace as trace_api
from opentelemetry.util._once import Once

from ..signals import providers as handles

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

logs_api: Any = opentelemetry._logs._internal
metrics_api: Any = opentelemetry.metrics._internal
logger = logging.getLogger("trax_otel.sdk")


class YieldingOnce(Once):
    """The guard of one global: taken by the first who sets it after us, who is then told to whoever stood there.

    OpenTelemetry itself sets what our entry point returned, which stands there already: that is nobody's choice.
    """

    def __init__(self, is_ours: Callable[[], bool], on_set: Callable[[], None]) -> None:
        super().__init__()
        self._is_ours = is_ours
        self._on_set = on_set

    def do_once(self, func: Callable[[], None]) -> bool:
        """Set the global if nobody else has."""
        done = super().do_once(func)
        if done and self._is_ours():
            self._done = False
        elif done:
            try:
                self._on_set()
            except Exception as error:  # the application's provider is set; what ours handed out stays with ours
                logger.warning("tracers and meters made before stay as they are: %s: %s", type(error).__name__, error)
        return done


class Place:
    """One of OpenTelemetry's three globals."""

    def __init__(
        self, module: Any, name: str, lead_over: Callable[[Any, Any], None], stand_in: Callable[[], Any]
    ) -> None:
        self._module = module
        self._stand_in = stand_in
        self._held: Any = None
        self._name = f"_{name}_PROVIDER"
        self._once = f"_{name}_PROVIDER_SET_ONCE"
        self._lead_over = lead_over

    def taken(self) -> Any:
        """The provider that stands there, or None."""
        return getattr(self._module, self._name)

    def hold(self) -> Any:
        """A provider for who asks while ours is being made, or where the signal has none: anybody's own may follow it."""
        if self._held is None:
            held = self._held = self._stand_in()

            def wake() -> None:
                if self._module is metrics_api:
                    held.on_set_meter_provider(self.taken())

            setattr(self._module, self._once, YieldingOnce(lambda: self.taken() is held, wake))
        return self._held

    def install(self, provider: Any, retire: Callable[[], None], earlier: Any = None) -> bool:
        """Place a provider of ours, unless another than `earlier` stands there; returns whether it was placed.

        `retire` is called when the application's provider takes the place.
        """
        taken = self.taken()
        if taken is self._held:
            taken = None
        if taken is not None and taken is not earlier:
            return False

        def give_way() -> None:
            self._lead_over(provider, self.taken())
            renew_signals()
            retire()

        setattr(self._module, self._once, YieldingOnce(lambda: self.taken() is provider, give_way))
        setattr(self._module, self._name, provider)
        if self._module is metrics_api:  # instruments that were made before any provider wake up
            metrics_api._PROXY_METER_PROVIDER.on_set_meter_provider(provider)
            if self._held is not None:
                self._held.on_set_meter_provider(provider)
        self._held = None
        if taken is not None:
            self._lead_over(taken, provider)
        renew_signals()
        return True

    def remove(self, provider: Any) -> None:
        """Leave the place as if nobody had stood there, if `provider` still does."""
        if self.taken() is provider:
            setattr(self._module, self._name, None)
            setattr(self._module, self._once, Once())
            if self._module is metrics_api:
                metrics_api._PROXY_METER_PROVIDER._real_meter_provider = None


def renew_signals() -> None:
    """Let the instruments of `signals` fetch what they cached anew, from the same providers as before."""
    handle = handles._handle
    handles.use_providers(
        tracer_provider=handle.tracer_provider,
        meter_provider=handle.meter_provider,
        logger_provider=handle.logger_provider,
    )


def _lead_tracers(ours: TracerProvider, theirs: Any) -> None:
    for tracer in list(getattr(ours, "tracers", ())):
        scope = tracer._instrumentation_scope
        other = theirs.get_tracer(scope.name, scope.version, scope.schema_url)
        tracer.start_span = other.start_span
        tracer.start_as_current_span = other.start_as_current_span


def _lead_meters(ours: MeterProvider, theirs: Any) -> None:
    for scope, meter in list(ours._meters.items()):
        other = theirs.get_meter(scope.name, scope.version, scope.schema_url)
        for instrument in list(meter._instrument_id_instrument.values()):
            _lead_instrument(instrument, other)
        for maker in [name for name in dir(other) if name.startswith("create_")]:
            setattr(meter, maker, getattr(other, maker))


def _lead_instrument(instrument: Any, meter: Any) -> None:
    kind = type(instrument).__name__.lstrip("_")
    described = {"unit": instrument.unit, "description": instrument.description}
    if kind.startswith("Observable"):
        maker = "create_observable_" + {"ObservableCounter": "counter", "ObservableGauge": "gauge"}.get(
            kind, "up_down_counter"
        )
        getattr(meter, maker)(instrument.name, callbacks=list(instrument._callbacks), **described)
        return
    maker, act = _SYNCHRONOUS[kind]
    if kind == "Histogram" and getattr(instrument, "_advisory", None) is not None:
        described["explicit_bucket_boundaries_advisory"] = instrument._advisory.explicit_bucket_boundaries
    setattr(instrument, act, getattr(getattr(meter, maker)(instrument.name, **described), act))


_SYNCHRONOUS: Final = {
    "Counter": ("create_counter", "add"),
    "UpDownCounter": ("create_up_down_counter", "add"),
    "Histogram": ("create_histogram", "record"),
    "Gauge": ("create_gauge", "set"),
}


def _lead_loggers(ours: LoggerProvider, theirs: Any) -> None:
    for logger_of_ours in list(getattr(ours, "loggers", ())):
        scope = logger_of_ours._instrumentation_scope
        logger_of_ours.emit = theirs.get_logger(scope.name, scope.version, scope.schema_url).emit


TRACES: Final = Place(trace_api, "TRACER", _lead_tracers, trace_api.NoOpTracerProvider)
METRICS: Final = Place(metrics_api, "METER", _lead_meters, metrics_api._ProxyMeterProvider)
LOGS: Final = Place(logs_api, "LOGGER", _lead_loggers, logs_api.NoOpLoggerProvider)
