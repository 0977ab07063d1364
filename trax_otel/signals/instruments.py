"""Counters, histograms and gauges from a `MetricSpec`.

One instrument feeds two places: OpenTelemetry's instrument of the provider in force, and the aggregate of this
process. A value that is no number is ignored, an attribute combination beyond the bound goes to the overflow series: an
instrument never raises.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Observation as OtelObservation

from .. import deferral
from . import providers
from .aggregate import OVERFLOW, Cell, Observation, Table, table

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter

    from ..semconv import MetricSpec

_MAKERS: dict[str, Callable[[Meter, MetricSpec], Any]] = {
    "counter": lambda meter, spec: meter.create_counter(spec.name, spec.unit, spec.description).add,
    "up_down_counter": lambda meter, spec: meter.create_up_down_counter(spec.name, spec.unit, spec.description).add,
    "gauge": lambda meter, spec: meter.create_gauge(spec.name, spec.unit, spec.description).set,
    "histogram": lambda meter, spec: (
        meter.create_histogram(
            spec.name, spec.unit, spec.description, explicit_bucket_boundaries_advisory=spec.buckets
        ).record
    ),
}


class Instrument:
    """A synchronous instrument. `add`, `record` and `set` are one act under the name that its kind gives it."""

    __slots__ = ("_bound", "_declared", "_generation", "_otel", "spec", "store", "table")

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self.table: Table = table(spec)
        self.store: Callable[[Cell, float], None] = {
            "counter": self.table.add,
            "up_down_counter": self.table.add,
            "gauge": self.table.put,
            "histogram": self.table.record,
        }[spec.kind]
        self._generation = -1
        self._otel: Callable[..., None] | None = None
        self._bound: dict[int, BoundInstrument] = {}
        self._declared: list[BoundInstrument] = []

    def otel(self) -> Callable[..., None]:
        """OpenTelemetry's own method, of the provider in force."""
        found = self._otel
        if found is None or self._generation != providers.generation():
            self._generation = providers.generation()
            found = self._otel = _MAKERS[self.spec.kind](providers.meter(), self.spec)
        return found

    def measure(self, value: float, attributes: Mapping[str, Any] | None = None) -> None:
        """Add, record or set `value` in the spec's unit."""
        self.bind(attributes).measure(value)

    add = record = set = measure

    def bind(self, attributes: Mapping[str, Any] | None = None) -> BoundInstrument:
        """The instrument with its attributes given once, for hot paths."""
        cell = self.table.cell(attributes)
        bound = self._bound.get(id(cell))
        if bound is None:
            bound = self._bound[id(cell)] = BoundInstrument(self, cell)
        return bound

    def declare(self, *combinations: Mapping[str, Any]) -> None:
        """Emit 0 for each combination: a counter that an alert watches must exist before its first event."""
        for attributes in combinations:
            bound = self.bind(attributes)
            if bound not in self._declared:
                self._declared.append(bound)
            if not deferral.pending():  # else `declare_again` will
                bound.measure(0)


def declare_again() -> None:
    """Emit the zeros that were declared before there was anybody to take them: called when an SDK has been set up."""
    for instrument in list(_instruments.values()):
        for bound in list(instrument._declared):
            bound.measure(0)


class BoundInstrument:
    """An instrument and one combination of attributes."""

    __slots__ = ("_attributes", "_cell", "_generation", "_instrument", "_least", "_otel", "_store")

    def __init__(self, instrument: Instrument, cell: Cell) -> None:
        self._instrument = instrument
        self._cell = cell
        self._store = instrument.store
        self._attributes = OVERFLOW if cell.attributes is OVERFLOW else dict(cell.attributes)
        self._least = 0.0 if instrument.spec.kind in {"counter", "histogram"} else -sys.float_info.max
        self._generation = -1
        self._otel: Callable[..., None] = _nothing

    def measure(self, value: float) -> None:
        """Add, record or set `value`."""
        if self._generation != providers._handle.generation:
            self._otel = self._instrument.otel()
            self._generation = providers._handle.generation
        try:
            if not self._least <= value < math.inf:  # NaN is neither
                return
            self._store(self._cell, value)
            self._otel(value, self._attributes)
        except Exception:  # not a number, or a provider that fails: figures never break what they count
            return

    add = record = set = measure


def _nothing(*_: Any) -> None:
    return


_instruments: dict[str, Instrument] = {}


def _instrument(spec: MetricSpec, kind: str) -> Instrument:
    if spec.kind != kind:
        raise ValueError(f"{spec.name} is a {spec.kind}, not a {kind}")
    found = _instruments.get(spec.name)
    if found is None:
        found = _instruments.setdefault(spec.name, Instrument(spec))
    elif found.spec != spec:
        raise ValueError(f"{spec.name} exists with another description: {found.spec}")
    return found


def counter(spec: MetricSpec) -> Instrument:
    """The counter of this spec: made once, whoever asks. Raises ValueError where the spec is of another kind."""
    return _instrument(spec, "counter")


def up_down_counter(spec: MetricSpec) -> Instrument:
    """The up-down counter of this spec."""
    return _instrument(spec, "up_down_counter")


def histogram(spec: MetricSpec) -> Instrument:
    """The histogram of this spec."""
    return _instrument(spec, "histogram")


def gauge(spec: MetricSpec) -> Instrument:
    """The gauge of this spec."""
    return _instrument(spec, "gauge")


# --- Observables ----------------------------------------------------------------------------------

_OBSERVABLE: Final = {"observable_counter", "observable_gauge", "observable_up_down_counter"}
_observed: dict[str, Table] = {}


def observe(spec: MetricSpec, callback: Callable[[], Iterable[Observation]]) -> Callable[[], None]:
    """Ask `callback` for (value, attributes) pairs at every export; returns the function that ends it.

    Several callbacks may serve one metric. A callback that raises is named once on stderr and asked no more. Raises
    ValueError where the name is another metric's.
    """
    entry = table(spec)
    if entry.spec != spec or spec.kind not in _OBSERVABLE:
        raise ValueError(f"{spec.name} exists with another description: {entry.spec}")
    entry.observers.append(callback)
    if spec.name not in _observed:
        _observed[spec.name] = entry
        _create_observable(entry)

    def unregister() -> None:
        if callback in entry.observers:
            entry.observers.remove(callback)

    return unregister


def _create_observable(entry: Table) -> None:
    def ask(_: CallbackOptions) -> list[OtelObservation]:
        return [OtelObservation(value, attributes) for value, attributes in entry.observe()]

    if deferral.pending():  # it is called again when there is a provider
        return
    spec, meter = entry.spec, providers.meter()
    make: Callable[..., object] = {
        "observable_counter": meter.create_observable_counter,
        "observable_gauge": meter.create_observable_gauge,
        "observable_up_down_counter": meter.create_observable_up_down_counter,
    }[spec.kind]
    make(spec.name, [ask], spec.unit, spec.description)


def _recreate_observables() -> None:
    for entry in _observed.values():
        _create_observable(entry)


providers.on_change(_recreate_observables)
