"""Metrics as plots: the geometry of small SVG drawings, computed here, drawn by the templates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ..distributions import HISTOGRAMS, Sample, lines_of, overall, percentiles, samples, totals
from ..formats import quantity, shown
from ..model import MetricSeries

WIDTH: Final = 640
HEIGHT: Final = 180
LEFT: Final = 112
RIGHT: Final = 12
TOP: Final = 18
BOTTOM: Final = 24
MAX_LINES: Final = 8
MAX_SAMPLES: Final = 240

_SCALED: Final = frozenset({"s", "ms", "us", "ns", "By", "By/s", "%"})
"""Units whose prefix changes with the value: they stand at the grid, others only with the latest value."""
_Points = Sequence[tuple[int, float | None]]


@dataclass(frozen=True)
class Line:
    """One line of a plot: `path` is SVG path data; `dots` stand where a path would not show (a single point)."""

    label: str
    colour: int
    path: str
    dots: tuple[tuple[float, float], ...]
    latest: str


@dataclass(frozen=True)
class Plot:
    """A drawing of WIDTH × HEIGHT; `levels` are (y, text) of the grid, `hidden` counts lines left out."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    levels: tuple[tuple[float, str], ...]
    first_ns: int
    last_ns: int
    hidden: int


@dataclass(frozen=True)
class Figures:
    """One series as a row of a table."""

    service: str
    process: str
    labels: str
    latest: str
    count: str
    mean: str
    percentiles: tuple[str, ...]
    last_ns: int
    trace_ids: tuple[str, ...]


def names(series: Sequence[MetricSeries]) -> list[str]:
    """What tells each series from its neighbours: attributes that differ, then the service, then the process."""
    keys = sorted({key for entry in series for key in entry.attributes})
    differing = [key for key in keys if len({shown(entry.attributes.get(key)) for entry in series}) > 1]
    services = len({entry.service for entry in series}) > 1
    found = [_name(entry, differing or (keys if len(series) == 1 else []), services) for entry in series]
    scopes = {name: {entry.scope for one, entry in zip(found, series, strict=True) if one == name} for name in found}
    found = [
        f"{name}, by {entry.scope}" if len(scopes[name]) > 1 else name
        for name, entry in zip(found, series, strict=True)
    ]
    return [
        f"{name}, process {entry.instance[:8]}" if found.count(name) > 1 and entry.instance else name
        for name, entry in zip(found, series, strict=True)
    ]


def _name(series: MetricSeries, keys: Sequence[str], with_service: bool) -> str:
    parts = [f"{key.rpartition('.')[2]}={shown(series.attributes[key])}" for key in keys if key in series.attributes]
    return ", ".join([*parts, series.service] if with_service or not parts else parts)


def _scale(series: MetricSeries) -> tuple[float, str]:
    """What values are multiplied by to be read in the unit given: shares and CPU time as percent, counters by second."""
    if (series.unit == "1" and series.name.endswith("utilization")) or (series.unit == "s" and series.monotonic):
        return 100.0, "%"
    return 1.0, f"{series.unit}/s" if series.monotonic else series.unit


def plots(series: Sequence[MetricSeries], limit: int = 6) -> list[Plot]:
    """One plot for all series with a line each, or for each histogram one with its percentiles."""
    filled = [entry for entry in series if entry.points]
    if not filled:
        return []
    if len(lines_of(filled[0])) > 1:
        busiest = sorted(zip(names(filled), filled, strict=True), key=lambda pair: -(pair[1].points[-1].count or 0))
        found = [_plot(name, entry.unit, _split(entry), 0) for name, entry in busiest[:limit]]
        return [plot for plot in found if plot is not None]
    factor, unit = _scale(filled[0])
    counter = filled[0].monotonic and unit != "%"
    told, title = samples, "per second" if counter else ""
    if counter and not any(sample.values[0] for entry in filled for sample in samples(entry)):
        told, title, unit = totals, "in all", filled[0].unit  # nothing was counted meanwhile: a rate says nothing
    lines = []
    for name, entry in zip(names(filled), filled, strict=True):
        points = [(point.time_ns, value * factor) for point in told(entry) if (value := point.values[0]) is not None]
        if points:
            lines.append((name, points, _in_all(entry, points, unit) if counter else ""))
    lines.sort(key=lambda line: -max(value for _, value in line[1]))
    plot = _plot(title, unit, lines[:MAX_LINES], max(0, len(lines) - MAX_LINES))
    return [plot] if plot is not None else []


def _in_all(series: MetricSeries, points: _Points, unit: str) -> str:
    """What a counter has counted, and its latest rate where there is one."""
    total = quantity(totals(series)[-1].values[0], series.unit)
    rate = points[-1][1]
    return f"{total}, {quantity(rate, unit)}" if rate and unit.endswith("/s") else total


def _split(series: MetricSeries) -> list[tuple[str, _Points, str]]:
    points: list[Sample] = samples(series)
    return [
        (name, [(point.time_ns, point.values[place]) for point in points if place < len(point.values)], "")
        for place, name in enumerate(lines_of(series))
    ]


def _plot(title: str, unit: str, lines: Sequence[tuple[str, _Points, str]], hidden: int) -> Plot | None:
    """`lines`: each with its name, its points, and what to say of it instead of its latest value."""
    values = [value for _, points, _ in lines for _, value in points if value is not None]
    if not values or not math.isfinite(2 * (max(values) - min(values))):
        return None
    times = [moment for _, points, _ in lines for moment, _ in points]
    low, high, step = _nice(min(0.0, *values), max(values), binary=unit.startswith("By"))
    first, last = min(times), max(times)

    def x(moment: int) -> float:
        share = (moment - first) / (last - first) if last > first else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    levels = [low + step * number for number in range(round((high - low) / step) + 1)]
    return Plot(
        title, unit, tuple(_line(name, number, points, x, y, said, unit) for number, (name, points, said) in enumerate(lines)),
        tuple((y(level), quantity(level, unit if unit in _SCALED else "")) for level in levels), first, last, hidden,
    )  # fmt: skip


def _line(
    name: str,
    colour: int,
    points: _Points,
    x: Callable[[int], float],
    y: Callable[[float], float],
    said: str,
    unit: str,
) -> Line:
    thinned = points[:: max(1, -(-len(points) // MAX_SAMPLES))]
    placed = [(x(moment), y(value)) for moment, value in thinned if value is not None]
    path = "M" + "L".join(f"{left} {top}" for left, top in placed) if len(placed) > 1 else ""
    known = [value for _, value in points if value is not None]
    dots = tuple(placed) if len(placed) <= 12 else (placed[-1],)
    return Line(name, colour, path, dots, said or (quantity(known[-1], unit) if known else "–"))


def _nice(low: float, high: float, *, binary: bool = False) -> tuple[float, float, float]:
    """Round limits around the values, and the step of the grid (three to six levels)."""
    span = (high - low) or abs(high) or 1.0
    step = float(2 ** math.floor(math.log2(max(span, 2.0) / 4)) if binary else 10 ** math.floor(math.log10(span / 3)))
    for factor in (1, 2, 4) if binary else (1, 2, 5, 10):
        if span / (step * factor) <= 4.5:
            step *= factor
            break
    bottom = math.floor(low / step) * step
    top = math.ceil(high / step - 1e-9) * step
    return bottom, top if top > bottom else bottom + step, step


def figures(series: Sequence[MetricSeries]) -> list[Figures]:
    """The table's rows: the latest value, or count, mean and percentiles over all that is stored."""
    return [_figures(entry) for entry in series]


def _latest(series: MetricSeries) -> float | None:
    """A counter's total, else the latest value."""
    if not series.points:
        return None
    return totals(series)[-1].values[0] if series.monotonic else series.points[-1].value


def _figures(series: MetricSeries) -> Figures:
    point = series.points[-1] if series.points else None
    trace_ids = tuple(dict.fromkeys(one for entry in series.points[-20:] for one in entry.exemplar_trace_ids))[-3:]
    chosen = overall(series) or point
    count = chosen.count if chosen is not None else None
    total = chosen.sum if chosen is not None else None
    pairs = ", ".join(f"{key}={shown(value)}" for key, value in sorted(series.attributes.items()))
    spread = percentiles(chosen) if chosen is not None and series.kind in HISTOGRAMS else ()
    return Figures(
        series.service, series.instance[:8], pairs, quantity(_latest(series), series.unit),
        "–" if count is None else f"{count:,}", quantity(total / count if total is not None and count else None, series.unit),
        tuple(quantity(value, series.unit) for value in spread), point.time_ns if point else 0, trace_ids,
    )  # fmt: skip
