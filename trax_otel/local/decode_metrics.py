"""Metrics of all five kinds, to rows: a series' description, and its points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from .store import Batch, Row
from .values import MAX_INTEGER, attributes, dumps, finite, moment, short

TEMPORALITIES: Final = {0: "", 1: "delta", 2: "cumulative"}
MAX_SCALE: Final = 20
"""Beyond ± this no exponential histogram means anything (one bucket would be all doubles, or none)."""
_LARGEST: Final = 1e308


class _UnfitError(ValueError):
    """A point that contradicts itself."""


def series_rows(metric: Any, scope: str, batch: Batch) -> Iterator[tuple[Row, list[Row]]]:
    """Each series of a metric with its points; points that contradict themselves are refused one by one."""
    kind = metric.WhichOneof("data")
    if kind is None or not metric.name:
        batch.reject(f"metric {metric.name[:80]!r}: no name or no data")
        return
    data = getattr(metric, kind)
    temporality = TEMPORALITIES.get(getattr(data, "aggregation_temporality", 0), "")
    monotonic = int(getattr(data, "is_monotonic", False))
    make = _MAKERS[kind]
    by_series: dict[str, list[Row]] = {}
    for point in data.data_points:
        try:
            row = make(point)
        except _UnfitError as error:
            batch.reject(f"metric {metric.name[:80]!r}: {error}")
            continue
        own = attributes(point.attributes)
        by_series.setdefault(dumps(dict(sorted(own.items()))), []).append(row)
    description = short(metric.description)
    for own_text, rows in by_series.items():
        yield (metric.name, kind, metric.unit, description, temporality, monotonic, own_text, scope), rows


# Rows of points: time, value, count, sum, bounds, buckets, exemplars, start, minimum, maximum.


def _number(point: Any) -> Row:
    kind = point.WhichOneof("value")
    value = finite(float(getattr(point, kind))) if kind else None
    return (
        moment(point.time_unix_nano), value, None, None, "[]", "[]", _exemplars(point), moment(point.start_time_unix_nano),
        None, None,
    )  # fmt: skip


def _histogram(point: Any) -> Row:
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if counts and len(counts) != len(bounds) + 1:
        raise _UnfitError("a histogram has one bucket more than bounds")
    if any(finite(bound) is None for bound in bounds) or sorted(bounds) != bounds:
        raise _UnfitError("a histogram's bounds must be finite and grow")
    return _distribution(point, bounds, counts)


def _exponential(point: Any) -> Row:
    """With explicit buckets: bucket i of a scale ends at base ** (i + 1), where base is 2 ** (2 ** -scale)."""
    if abs(point.scale) > MAX_SCALE:
        raise _UnfitError(f"an exponential histogram of scale {point.scale} cannot be read")
    power = 2.0**-point.scale

    def end(index: int) -> float:
        try:
            return float(min(2.0 ** (index * power), _LARGEST))
        except OverflowError:
            return _LARGEST

    positive, negative = point.positive, point.negative
    bounds: list[float] = []
    counts: list[int] = []
    if negative.bucket_counts:
        bounds.append(-end(negative.offset + len(negative.bucket_counts)))
        counts.append(0)
        for place in range(len(negative.bucket_counts) - 1, -1, -1):
            bounds.append(-end(negative.offset + place))
            counts.append(negative.bucket_counts[place])
    zero = finite(point.zero_threshold) or 0.0
    bounds.append(zero)
    counts.append(point.zero_count)
    if positive.bucket_counts:
        bounds.append(end(positive.offset))
        counts.append(0)
        for place, count in enumerate(positive.bucket_counts):
            bounds.append(end(positive.offset + place + 1))
            counts.append(count)
    return _distribution(point, bounds, [*counts, 0])


def _distribution(point: Any, bounds: list[float], counts: list[int]) -> Row:
    return (
        moment(point.time_unix_nano), None, min(point.count, MAX_INTEGER), finite(point.sum), dumps(bounds), dumps(counts),
        _exemplars(point), moment(point.start_time_unix_nano), finite(point.min) if point.HasField("min") else None,
        finite(point.max) if point.HasField("max") else None,
    )  # fmt: skip


def _summary(point: Any) -> Row:
    """Its quantiles stand where a histogram has bounds, their values where it has counts."""
    known = [item for item in point.quantile_values if finite(item.value) is not None and 0 <= item.quantile <= 1]
    return (
        moment(point.time_unix_nano), None, min(point.count, MAX_INTEGER), finite(point.sum),
        dumps([item.quantile for item in known]), dumps([item.value for item in known]), "[]",
        moment(point.start_time_unix_nano), None, None,
    )  # fmt: skip


def _exemplars(point: Any) -> str:
    found = [one.trace_id.hex() for one in point.exemplars if len(one.trace_id) == 16 and any(one.trace_id)]
    return dumps(found) if found else "[]"


_MAKERS: Final[dict[str, Callable[[Any], Row]]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
