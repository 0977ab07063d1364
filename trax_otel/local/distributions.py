"""From stored data points to what is worth looking at: rates of counters, percentiles of histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from .model import MetricPoint, MetricSeries

SHARES: Final = (50, 95, 99)
HISTOGRAMS: Final = ("histogram", "exponential_histogram")


@dataclass(frozen=True)
class Sample:
    """One moment of a plot; `values` in the order of its lines, None where there is nothing to tell."""

    time_ns: int
    values: tuple[float | None, ...]


def percentile(bounds: Sequence[float], counts: Sequence[int], percent: float) -> float | None:
    """Estimated from bucket counts, evenly within a bucket; at most the last bound. None without observations."""
    total = sum(counts)
    if total <= 0 or not bounds:
        return None
    rank = total * percent / 100
    passed = 0
    for place, count in enumerate(counts):
        if count and passed + count >= rank:
            if place >= len(bounds):
                return float(bounds[-1])
            low = bounds[place - 1] if place else min(0.0, bounds[0])
            return float(low + (bounds[place] - low) * (rank - passed) / count)
        passed += count
    return float(bounds[-1])


def percentiles(point: MetricPoint) -> tuple[float | None, ...]:
    """p50, p95 and p99 of a histogram's point, within its smallest and largest observation where they are known."""
    found = []
    for share in SHARES:
        value = percentile(point.bounds, point.bucket_counts, share)
        if value is not None and point.maximum is not None:
            value = min(value, point.maximum)
        if value is not None and point.minimum is not None:
            value = max(value, point.minimum)
        found.append(value)
    return tuple(found)


def samples(series: MetricSeries) -> list[Sample]:
    """What to plot of a series: p50, p95 and p99 of a histogram, quantiles of a summary, a counter's rate, else the value.

    Cumulative points tell by their differences; the first one counts where nothing came before it.
    """
    if series.kind in HISTOGRAMS:
        return _histogram_samples(series)
    if series.kind == "summary":
        return [Sample(point.time_ns, tuple(point.bucket_counts)) for point in series.points]
    if series.monotonic:
        return _rates(series)
    return [Sample(point.time_ns, (point.value,)) for point in series.points if point.value is not None]


def totals(series: MetricSeries) -> list[Sample]:
    """How much a counter has counted by each moment; what it stood at before a restart is kept."""
    found, before, last = [], 0.0, 0.0
    for point in series.points:
        value = point.value or 0.0
        if series.temporality != "cumulative" or value < last:
            before += last
        last = value
        found.append(Sample(point.time_ns, (before + value,)))
    return found


def lines_of(series: MetricSeries) -> tuple[str, ...]:
    """The names of a series' lines, as `samples` orders their values."""
    if series.kind in HISTOGRAMS:
        return tuple(f"p{share}" for share in SHARES)
    if series.kind == "summary":
        return tuple(f"p{bound * 100:g}" for bound in series.points[-1].bounds) if series.points else ()
    return ("rate",) if series.monotonic else ("value",)


def overall(series: MetricSeries) -> MetricPoint | None:
    """All that a histogram's stored points say, as one point; None without points."""
    if not series.points or series.kind not in HISTOGRAMS:
        return None
    last = series.points[-1]
    fitting = [index for index, point in enumerate(series.points) if point.bounds == last.bounds]
    counts = tuple(map(sum, zip(*(_difference(series, index) for index in fitting), strict=False)))
    total = sum(_grown(series, index) for index in range(len(series.points)))
    smallest = [point.minimum for point in series.points]
    largest = [point.maximum for point in series.points]
    return MetricPoint(
        last.time_ns, None, sum(counts), total, last.bounds, counts,
        minimum=min((one for one in smallest if one is not None), default=None) if None not in smallest else None,
        maximum=max((one for one in largest if one is not None), default=None) if None not in largest else None,
    )  # fmt: skip


def _histogram_samples(series: MetricSeries) -> list[Sample]:
    found = []
    for index, point in enumerate(series.points):
        counts = _difference(series, index)
        if sum(counts) > 0:
            found.append(Sample(point.time_ns, percentiles(replace(point, bucket_counts=counts))))
    return found


def _difference(series: MetricSeries, index: int) -> tuple[int, ...]:
    """The observations that a point adds to the one before it; all of its own after a restart."""
    point, before = series.points[index], _before(series, index)
    if before is None:
        return point.bucket_counts
    return tuple(max(0, now - then) for now, then in zip(point.bucket_counts, before.bucket_counts, strict=False))


def _grown(series: MetricSeries, index: int) -> float:
    point, before = series.points[index], _before(series, index)
    return (point.sum or 0.0) - ((before.sum or 0.0) if before is not None else 0.0)


def _before(series: MetricSeries, index: int) -> MetricPoint | None:
    """The point that a cumulative one goes on from; None where it begins anew."""
    if index == 0 or series.temporality != "cumulative":
        return None
    point, before = series.points[index], series.points[index - 1]
    anew = before.bounds != point.bounds or (point.count or 0) < (before.count or 0)
    return None if anew else before


def _rates(series: MetricSeries) -> list[Sample]:
    found = []
    for before, point in pairwise(series.points):
        seconds = (point.time_ns - before.time_ns) / 1e9
        if seconds <= 0 or point.value is None or before.value is None:
            continue
        grown = point.value
        if series.temporality == "cumulative" and point.value >= before.value:
            grown -= before.value
        found.append(Sample(point.time_ns, (grown / seconds,)))
    return found
