"""A user's own metrics and KPIs: counters, gauges, histograms and ratios with declared labels and a bounded number of
series.

Definitions are checked when they are made and raise a clear ValueError; measuring never raises. A combination of labels
beyond the metric's limit goes to one overflow series (`otel.metric.overflow`), so totals stay right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from .. import config, lifecycle
from ..semconv import Kind, MetricSpec
from ..signals import BoundInstrument, Instrument, Series, counter, gauge, histogram, observe
from ..signals.aggregate import OVERFLOW, Observation, table

_NAME: Final = r"[A-Za-z][A-Za-z0-9_.\-/]{0,254}"
_UNIT: Final = r"[\x21-\x7e]{1,63}"
_RESERVED: Final = ("trax.", "otel.")
_MAX_TEXT: Final = 256
DEFAULT_BUCKETS: Final = (
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0,
)  # fmt: skip
"""OpenTelemetry's own default bounds for histograms."""

Labels = tuple[tuple[str, Any], ...]


class Metric:
    """What all kinds share: which labels there are, and the series made so far."""

    def __init__(self, instrument: Instrument, labels: tuple[str, ...], limit: int | None) -> None:
        self.name = instrument.spec.name
        self.labels = labels
        self._instrument = instrument
        self._limit = limit
        self._series: dict[Labels, BoundInstrument] = {}
        self._complained = False

    def bind(self, **labels: object) -> BoundInstrument:
        """The series of these labels, for hot paths: its `add`, `record` or `set` takes the value alone."""
        try:
            found = self._series.get(tuple(labels.items()))
        except TypeError:  # a value that cannot be a key
            found = None
        return found if found is not None else self._make(labels)

    def read(self) -> list[Series]:
        """The series as they are in this process."""
        return table(self._instrument.spec).read()

    def _make(self, labels: Mapping[str, object]) -> BoundInstrument:
        attributes = {}
        for label in self.labels:  # in the declared order, so that one combination is one series
            value = _value(labels.get(label))
            if value is not None:
                attributes[label] = value
        unknown = [label for label in labels if label not in self.labels]
        if unknown and not self._complained:
            self._complained = True
            declared = ", ".join(self.labels) or "none"
            lifecycle.report(
                f"metric {self.name}: label {unknown[0]!r} is not declared (declared: {declared}); left out"
            )
        key = tuple(attributes.items())
        if key not in self._series:
            if self._limit is None:
                self._limit = config.settings().metrics.cardinality_limit
            if len(self._series) >= self._limit:
                return self._instrument.bind(OVERFLOW)
            self._series[key] = self._instrument.bind(attributes)
        return self._series[key]


class Counter(Metric):
    """How often something happened, or how much there was of it: only ever grows."""

    def add(self, value: float = 1, **labels: object) -> None:
        """Add a number that is not negative; anything else is ignored."""
        self.bind(**labels).add(value)


class Gauge(Metric):
    """What something is now: the last value holds."""

    def set(self, value: float, **labels: object) -> None:
        """Set the value; what is no number is ignored."""
        self.bind(**labels).set(value)


class Histogram(Metric):
    """How values are spread; the export gives mean and percentiles."""

    def record(self, value: float, **labels: object) -> None:
        """Record a number that is not negative; anything else is ignored."""
        self.bind(**labels).record(value)


class Ratio:
    """A KPI that is a share: paid orders of all orders, cache hits of all look-ups.

    It leaves as two counters, `NAME.part` and `NAME.whole`, from which a backend tells the share over any time and
    any number of processes, and as the gauge `NAME`: this process's share since it began.
    """

    def __init__(self, name: str, part: Counter, whole: Counter) -> None:
        self.name = name
        self.labels = part.labels
        self._part = part
        self._whole = whole

    def hit(self, **labels: object) -> None:
        """One more that counts."""
        self.add(1, 1, **labels)

    def miss(self, **labels: object) -> None:
        """One more that does not."""
        self.add(0, 1, **labels)

    def add(self, part: float, whole: float, **labels: object) -> None:
        """`part` of `whole` more. Ignored unless both are numbers, not negative, and the part not more than the
        whole."""
        try:
            if not 0 <= part <= whole < math.inf:
                return
        except TypeError:
            return
        self._part.add(part, **labels)
        self._whole.add(whole, **labels)

    def observe(self) -> list[Observation]:
        """The share of each series that has a whole."""
        parts = {frozenset(series.attributes.items()): series.value for series in self._part.read()}
        return [
            (parts.get(frozenset(series.attributes.items()), 0.0) / series.value, series.attributes)
            for series in self._whole.read()
            if series.value > 0
        ]


# --- Definitions -----------------------------------------------------------------------------------------------------


def create_counter(
    name: str, *, unit: str = "1", description: str = "", labels: Sequence[str] = (), limit: int | None = None
) -> Counter:
    """Define a counter: `orders = create_counter("shop.orders", unit="{order}", labels=["plan"])`,
    `orders.add(plan="pro")`.

    `unit` is UCUM (`s`, `By`, `{order}`); `labels` are the only ones ever set; `limit` bounds their combinations
    (None: the setting `metrics.cardinality_limit`). The same definition made twice is the same metric. Raises
    ValueError for a name, unit or label that OpenTelemetry does not allow, for a reserved name, and for a name
    defined otherwise before.
    """
    return Counter(counter(_spec("counter", name, unit, description, labels)), tuple(labels), _checked(limit))


def create_gauge(
    name: str, *, unit: str = "1", description: str = "", labels: Sequence[str] = (), limit: int | None = None
) -> Gauge:
    """Define a gauge: `queue.set(17, queue="mail")`. Arguments and errors as for `create_counter`."""
    return Gauge(gauge(_spec("gauge", name, unit, description, labels)), tuple(labels), _checked(limit))


def create_histogram(
    name: str,
    *,
    unit: str = "1",
    description: str = "",
    labels: Sequence[str] = (),
    buckets: Sequence[float] = DEFAULT_BUCKETS,
    limit: int | None = None,
) -> Histogram:
    """Define a histogram: `size.record(12.5, plan="pro")`. `buckets` are the upper bounds, ascending; the rest as for
    `create_counter`."""
    bounds = tuple(float(bound) for bound in buckets)
    if not bounds or not all(map(math.isfinite, bounds)) or any(a >= b for a, b in pairwise(bounds)):
        raise ValueError(
            f"metric {name}: buckets must be finite numbers, each greater than the one before: {buckets!r}"
        )
    spec = _spec("histogram", name, unit, description, labels, bounds)
    return Histogram(histogram(spec), tuple(labels), _checked(limit))


def create_ratio(name: str, *, description: str = "", labels: Sequence[str] = (), limit: int | None = None) -> Ratio:
    """Define a ratio: `paid.hit(plan="pro")`, `paid.miss(plan="free")`. Arguments and errors as for
    `create_counter`."""
    spec = _spec("observable_gauge", name, "1", description, labels)
    if name in _ratios:
        known, ratio = _ratios[name]
        if known != spec:
            raise ValueError(f"{name} exists with another description: {known}")
        return ratio
    part = create_counter(f"{name}.part", description=f"{description} (part)".strip(), labels=labels, limit=limit)
    whole = create_counter(f"{name}.whole", description=f"{description} (whole)".strip(), labels=labels, limit=limit)
    ratio = Ratio(name, part, whole)
    _ratios[name] = (spec, ratio)
    observe(spec, ratio.observe)
    return ratio


_ratios: dict[str, tuple[MetricSpec, Ratio]] = {}


def _spec(
    kind: Kind, name: str, unit: str, description: str, labels: Sequence[str], buckets: tuple[float, ...] | None = None
) -> MetricSpec:
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise ValueError(
            f"{name!r} is no name of a metric: it begins with a letter and has up to 255 letters, digits and _ . - /"
        )
    if name.lower().startswith(_RESERVED):
        raise ValueError(f"metric {name}: names that begin with {' or '.join(_RESERVED)} are reserved")
    if not re.fullmatch(_UNIT, unit):
        raise ValueError(
            f"metric {name}: {unit!r} is no unit: up to 63 ASCII characters without blanks, such as s, By, {{item}}"
        )
    if isinstance(labels, str):
        raise TypeError(f"metric {name}: labels must be a list of names, not the text {labels!r}")
    for label in labels:
        if not isinstance(label, str) or not label.isidentifier():
            raise ValueError(f"metric {name}: {label!r} is no label: letters, digits and _, not beginning with a digit")
    if len(set(labels)) != len(labels):
        raise ValueError(f"metric {name}: a label is given twice: {', '.join(labels)}")
    return MetricSpec(name, kind, unit, description, tuple(labels), buckets)


def _checked(limit: int | None) -> int | None:
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit={limit!r} must be a whole number of at least 1")
    return limit


def _value(value: object) -> str | bool | int | float | None:
    """A label's value as telemetry takes it; a long text is cut, what has no text is left out."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    try:
        return str(value)[:_MAX_TEXT]
    except Exception:
        return None
