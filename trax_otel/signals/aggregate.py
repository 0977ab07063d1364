"""The figures of this process, kept inside it, whether or not an SDK is set up.

Every instrument of `signals` adds to a `Cell` here, one for each combination of attributes. The number of cells of
an instrument is bounded: what comes later is added to one overflow cell, as OpenTelemetry's cardinality limit does. A
forked child starts at zero.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .. import lifecycle, originals

if TYPE_CHECKING:
    from ..semconv import MetricSpec

MAX_CELLS: Final = 2_000
"""Combinations of attributes that one instrument keeps apart."""
OVERFLOW: Final[Mapping[str, Any]] = {"otel.metric.overflow": True}
"""The attributes of the cell that takes what is beyond the bound (OpenTelemetry's own name)."""

Key = tuple[tuple[str, Any], ...]
Observation = tuple[float, Mapping[str, Any]]


class Cell:
    """One series of one instrument. Written under its table's lock."""

    __slots__ = ("attributes", "buckets", "count", "maximum", "minimum", "sum", "value")

    def __init__(self, attributes: Mapping[str, Any], buckets: int) -> None:
        self.attributes = attributes
        self.buckets = [0] * buckets
        self.zero()

    def zero(self) -> None:
        self.value: float = 0
        self.count = 0
        self.sum = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")
        self.buckets[:] = [0] * len(self.buckets)


class Table:
    """The cells of one instrument."""

    __slots__ = ("_by_items", "_cells", "bounds", "lock", "observers", "spec")

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self.bounds = spec.buckets or ()
        self.lock = originals.allocate_lock()
        self.observers: list[Callable[[], Iterable[Observation]]] = []
        self._by_items: dict[Key, Cell] = {}
        self._cells: dict[Key, Cell] = {}

    def cell(self, attributes: Mapping[str, Any] | None) -> Cell:
        """The cell of these attributes; the order in which they are given does not matter."""
        lifecycle.renew_if_forked()
        items = tuple(attributes.items()) if attributes else ()
        try:
            found = self._by_items.get(items)
        except TypeError:  # a list as a value
            return self.cell({key: _hashable(value) for key, value in items})
        if found is not None:
            return found
        key = tuple(sorted(items, key=lambda item: item[0]))
        with self.lock:
            cell = self._cells.get(key)
            if cell is None:
                if len(self._cells) >= MAX_CELLS:
                    return self._overflow()
                cell = self._cells[key] = Cell(dict(items), len(self.bounds) + 1 if self.bounds else 0)
            if len(self._by_items) < 4 * MAX_CELLS:
                self._by_items[items] = cell
        return cell

    def _overflow(self) -> Cell:
        key = tuple(OVERFLOW.items())
        return self._cells.setdefault(key, Cell(OVERFLOW, len(self.bounds) + 1 if self.bounds else 0))

    def add(self, cell: Cell, value: float) -> None:
        """Add to a sum."""
        lifecycle.renew_if_forked()
        with self.lock:
            cell.value += value

    def put(self, cell: Cell, value: float) -> None:
        """Set a gauge."""
        lifecycle.renew_if_forked()
        with self.lock:
            cell.value = value

    def record(self, cell: Cell, value: float) -> None:
        """Record into a histogram."""
        lifecycle.renew_if_forked()
        with self.lock:
            cell.count += 1
            cell.sum += value
            if value < cell.minimum:
                cell.minimum = value
            if value > cell.maximum:
                cell.maximum = value
            if cell.buckets:
                cell.buckets[bisect_left(self.bounds, value)] += 1

    def read(self) -> list[Series]:
        """The series as they are now; observers are asked."""
        lifecycle.renew_if_forked()
        if self.observers:
            return [Series(self.spec, dict(attributes), value=value) for value, attributes in self.observe()]
        with self.lock:
            return [
                Series(
                    self.spec, dict(cell.attributes), cell.value, cell.count, cell.sum,
                    cell.minimum if cell.count else None, cell.maximum if cell.count else None, tuple(cell.buckets),
                )
                for cell in self._cells.values()
            ]  # fmt: skip

    def observe(self) -> list[Observation]:
        """What the observers say; one that raises says nothing."""
        seen: list[Observation] = []
        for observer in list(self.observers):
            try:
                seen.extend(observer())
            except Exception as error:
                lifecycle.report(f"metric {self.spec.name}: its callback raised {type(error).__name__}: {error}")
                self.observers.remove(observer)
        return seen

    def renew(self) -> None:
        """Start at zero with a lock that nobody holds."""
        self.lock = originals.allocate_lock()
        for cell in self._cells.values():
            cell.zero()


class Series:
    """One series at one moment.

    Sums and gauges have `value`; histograms `count`, `sum`, `minimum`, `maximum` and `buckets` (one more than
    `spec.buckets`, the last for what is above).
    """

    __slots__ = ("attributes", "buckets", "count", "maximum", "minimum", "spec", "sum", "value")

    def __init__(
        self,
        spec: MetricSpec,
        attributes: Mapping[str, Any],
        value: float = 0,
        count: int = 0,
        sum: float = 0.0,
        minimum: float | None = None,
        maximum: float | None = None,
        buckets: tuple[int, ...] = (),
    ) -> None:
        self.spec = spec
        self.attributes = attributes
        self.value = value
        self.count = count
        self.sum = sum
        self.minimum = minimum
        self.maximum = maximum
        self.buckets = buckets


_tables: dict[str, Table] = {}


def table(spec: MetricSpec) -> Table:
    """The table of a metric: one for a name, whoever asks."""
    found = _tables.get(spec.name)
    if found is None:
        found = _tables.setdefault(spec.name, Table(spec))
    return found


_counted_elsewhere: list[Callable[[], None]] = []


def snapshot() -> list[Series]:
    """Every series of every instrument, by name."""
    return [series for name in sorted(_tables) for series in _tables[name].read()]


def reset() -> None:
    """Everything at zero (a forked child; tests), also what others count and only show here."""
    for entry in _tables.values():
        entry.renew()
    for zero in _counted_elsewhere:
        zero()


def on_reset(zero: Callable[[], None]) -> None:
    """Call `zero` at every reset: for counts that are kept elsewhere and read through an observable."""
    _counted_elsewhere.append(zero)


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return str(value)
    return value


lifecycle.register(lifecycle.Participant("aggregate", lifecycle.ORDER_SIGNALS, after_fork_in_child=reset))
