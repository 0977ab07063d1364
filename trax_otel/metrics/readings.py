"""What a threshold sees of a metric: one figure a series, and the value of a statistic since the look before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from .. import semconv
from .distribution import Distribution
from .rates import operation_stats

if TYPE_CHECKING:
    from ..signals import Series

Statistic = Literal["value", "rate", "mean", "p50", "p90", "p95", "p99"]
STATISTICS: Final[tuple[Statistic, ...]] = ("value", "rate", "mean", "p50", "p90", "p95", "p99")
FigureKind = Literal["gauge", "sum", "histogram", "share"]
DEFAULT_STATISTICS: Final[dict[FigureKind, Statistic]] = {
    "gauge": "value", "sum": "rate", "histogram": "p95", "share": "value",
}  # fmt: skip

Key = tuple[tuple[str, Any], ...]


class Figure:
    """The state of one series. `share`: `value` parts (failures) of `whole` (all that were judged)."""

    __slots__ = ("distribution", "kind", "value", "whole")

    def __init__(
        self, kind: FigureKind, value: float = 0.0, whole: float = 0.0, distribution: Distribution | None = None
    ) -> None:
        self.kind: FigureKind = kind
        self.value = value
        self.whole = whole
        self.distribution = distribution


def figures(metric: str, series: Iterable[Series], attributes: Mapping[str, Any]) -> dict[Key, Figure]:
    """The figures of the metric's series that bear `attributes`, by their own."""
    if metric == semconv.OPERATION_FAILURE_RATE:
        found = _failures(series)
    else:
        found = _plain([entry for entry in series if entry.spec.name == metric])
    wanted = attributes.items()
    return {key: figure for key, figure in found.items() if wanted <= dict(key).items()}


def value_of(figure: Figure, statistic: Statistic, before: tuple[Figure, float] | None, now: float) -> float | None:
    """The statistic of what came since `before` (a figure and its time), or None where nothing did or it does not
    apply.

    Without `before`, percentiles, means and shares are of all so far, and there is no rate yet.
    """
    earlier, then = before if before is not None else (None, now)
    if figure.kind == "gauge":
        return figure.value
    if figure.kind == "share":
        return _share_since(figure, earlier)
    if figure.kind == "sum":
        if statistic == "value":
            return figure.value
        return None if earlier is None else _rate(figure.value - earlier.value, now - then)
    return _histogram_value(figure, statistic, earlier, now - then)


def _plain(series: list[Series]) -> dict[Key, Figure]:
    found: dict[Key, Figure] = {}
    for entry in series:
        kind = entry.spec.kind
        if kind == "histogram":
            key, distribution = _key(entry), Distribution.of(entry)
            before = found.get(key)
            if before is not None and before.distribution is not None:
                distribution = before.distribution + distribution
            found[key] = Figure("histogram", distribution=distribution)
        elif kind in {"counter", "observable_counter"}:
            found[_key(entry)] = Figure("sum", entry.value)
        else:
            found[_key(entry)] = Figure("gauge", entry.value)
    return found


def _key(entry: Series) -> Key:
    attributes = entry.attributes
    if entry.spec.name == semconv.OPERATION_DURATION.name:
        # An operation is slow or not however it ends: its outcomes are one series here.
        kept = (semconv.OUTCOME, semconv.ERROR_TYPE, semconv.ERROR_CODE)
        attributes = {name: value for name, value in attributes.items() if name not in kept}
    return tuple(sorted(attributes.items()))


def _failures(series: Iterable[Series]) -> dict[Key, Figure]:
    return {
        ((semconv.OPERATION_NAME, name),): Figure("share", stats.outcomes.get("failure", 0), stats.judged)
        for name, stats in operation_stats(series).items()
    }


def _share_since(figure: Figure, earlier: Figure | None) -> float | None:
    if earlier is None or figure.whole < earlier.whole:  # the first look, or a process that began anew
        earlier = Figure("share")
    whole = figure.whole - earlier.whole
    return (figure.value - earlier.value) / whole if whole > 0 else None


def _histogram_value(figure: Figure, statistic: Statistic, earlier: Figure | None, seconds: float) -> float | None:
    whole = figure.distribution
    if whole is None:
        return None
    recent = whole if earlier is None or earlier.distribution is None else whole.since(earlier.distribution)
    if statistic == "rate":
        return None if earlier is None else _rate(recent.count, seconds)
    if statistic == "mean":
        return recent.mean
    return recent.percentile(float(statistic[1:])) if statistic.startswith("p") else None


def _rate(increase: float, seconds: float) -> float | None:
    return increase / seconds if seconds > 0 and increase >= 0 else None
