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

from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.trace import NoOpTracerProvider

from .. import originals
from ..signals import providers as handles
from ..signals.private import LOGGER, METER, TRACER, Global, rest_instruments, stand_in_for_meters, wake_instruments
from . import private

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

logger = logging.getLogger("trax_otel.sdk")


class YieldingOnce:
    """The guard of one global: taken by the first who sets it after us, who is then told to whoever stood there.

    OpenTelemetry itself sets what our entry point returned, which stands there already: that is nobody's choice.
    """

    def __init__(self, is_ours: Callable[[], bool], on_set: Callable[[], None]) -> None:
        self._is_ours = is_ours
        self._on_set = on_set
        self._lock = originals.allocate_lock()
        self._done = False

    def do_once(self, func: Callable[[], None]) -> bool:
        """Set the global if nobody else has."""
        with self._lock:
            if self._done:
                return False
            func()
            if self._is_ours():
                return True
            self._done = True
        try:
            self._on_set()
        except Exception as error:  # the application's provider is set; what ours handed out stays with ours
            logger.warning("tracers and meters made before stay as they are: %s: %s", type(error).__name__, error)
        return True


class Place:
    """One of OpenTelemetry's three globals."""

    def __init__(self, place: Global, lead_over: Callable[[Any, Any], None], stand_in: Callable[[], Any]) -> None:
        self._place = place
        self._stand_in = stand_in
        self._held: Any = None
        self._lead_over = lead_over

    def taken(self) -> Any:
        """The provider that stands there, or None."""
        return self._place.provider()

    def hold(self) -> Any:
        """A provider for who asks while ours is being made, or where the signal has none: anybody's own may follow it."""
        if self._held is None:
            held = self._held = self._stand_in()
            if self._place.yields:
                self._place.place(held, YieldingOnce(lambda: self.taken() is held, self._wake_held))
        return self._held

    def _wake_held(self) -> None:
        """Instruments of the provider that was there in the meantime become those of the one that is there now."""
        held, self._held = self._held, None
        wake = getattr(held, "on_set_meter_provider", None)
        if wake is not None:
            wake(self.taken())

    def install(self, provider: Any, retire: Callable[[], None], earlier: Any = None) -> bool:
        """Place a provider of ours, unless another than `earlier` stands there; returns whether it was placed.

        `retire` is called when the application's provider takes the place.
        """
        taken = self.taken()
        if self._held is not None and taken is self._held:
            taken = None
        if taken is not None and taken is not earlier:
            return False

        def give_way() -> None:
            self._lead_over(provider, self.taken())
            handles.renew()
            retire()

        guard = YieldingOnce(lambda: self.taken() is provider, give_way)
        if self._place.place(provider, guard) and self._place is METER:
            wake_instruments(provider)  # those that were made before any provider
        self._wake_held()
        if taken is not None:
            self._lead_over(taken, provider)
        handles.renew()
        return True

    def remove(self, provider: Any) -> None:
        """Leave the place as if nobody had stood there, if `provider` still does."""
        if self.taken() is provider:
            self._place.clear()
            if self._place is METER:
                rest_instruments()


def _lead_tracers(ours: TracerProvider, theirs: Any) -> None:
    for tracer in list(getattr(ours, "tracers", ())):
        scope = private.scope_of(tracer)
        if scope is None:
            continue
        other = theirs.get_tracer(scope.name, scope.version, scope.schema_url)
        tracer.start_span = other.start_span
        tracer.start_as_current_span = other.start_as_current_span


def _lead_meters(ours: MeterProvider, theirs: Any) -> None:
    for scope, meter in private.meters_of(ours):
        other = theirs.get_meter(scope.name, scope.version, scope.schema_url)
        for instrument in private.instruments_of(meter):
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
        getattr(meter, maker)(instrument.name, callbacks=private.callbacks_of(instrument), **described)
        return
    maker, act = _SYNCHRONOUS[kind]
    if kind == "Histogram":
        described |= private.advice_of(instrument)
    setattr(instrument, act, getattr(getattr(meter, maker)(instrument.name, **described), act))


_SYNCHRONOUS: Final = {
    "Counter": ("create_counter", "add"),
    "UpDownCounter": ("create_up_down_counter", "add"),
    "Histogram": ("create_histogram", "record"),
    "Gauge": ("create_gauge", "set"),
}


def _lead_loggers(ours: LoggerProvider, theirs: Any) -> None:
    for logger_of_ours in list(getattr(ours, "loggers", ())):
        scope = private.scope_of(logger_of_ours)
        if scope is None:
            continue
        logger_of_ours.emit = theirs.get_logger(scope.name, scope.version, scope.schema_url).emit


TRACES: Final = Place(TRACER, _lead_tracers, NoOpTracerProvider)
METRICS: Final = Place(METER, _lead_meters, stand_in_for_meters)
LOGS: Final = Place(LOGGER, _lead_loggers, NoOpLoggerProvider)
