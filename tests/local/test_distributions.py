"""Rates and percentiles from stored data points."""

from __future__ import annotations

import pytest

from trax_otel.local.distributions import lines_of, overall, percentile, samples
from trax_otel.local.model import MetricPoint, MetricSeries

SECOND = 10**9


def series(kind: str, *points: MetricPoint, temporality: str = "cumulative", monotonic: bool = False) -> MetricSeries:
    return MetricSeries("m", "s", kind, "shop", "1", temporality, monotonic, {}, points)


def spread(at: int, *counts: int, total: float = 1.0) -> MetricPoint:
    return MetricPoint(at * SECOND, None, sum(counts), total, (0.1, 1.0, 10.0), counts)


def test_percentiles_lie_within_their_bucket() -> None:
    assert percentile((0.1, 1.0, 10.0), (0, 100, 0, 0), 50) == pytest.approx(0.55)
    assert percentile((0.1, 1.0, 10.0), (100, 0, 0, 0), 50) == pytest.approx(0.05)
    assert percentile((0.1, 1.0, 10.0), (50, 0, 50, 0), 95) == pytest.approx(9.1)


def test_what_passes_the_last_bound_is_told_as_that_bound() -> None:
    assert percentile((0.1, 1.0), (0, 0, 5), 99) == 1.0


def test_no_observation_has_no_percentile() -> None:
    assert percentile((0.1,), (0, 0), 50) is None
    assert percentile((), (5,), 50) is None


def test_cumulative_histograms_tell_by_their_differences() -> None:
    found = samples(series("histogram", spread(1, 10, 0, 0, 0), spread(2, 10, 0, 10, 0), spread(3, 10, 0, 10, 0)))
    assert [sample.time_ns for sample in found] == [SECOND, 2 * SECOND], "nothing was observed before the third point"
    assert found[0].values[0] == pytest.approx(0.05)
    assert found[1].values[0] == pytest.approx(5.5)


def test_a_restart_begins_anew() -> None:
    found = samples(series("histogram", spread(1, 100, 0, 0, 0), spread(2, 0, 4, 0, 0)))
    assert found[1].values[0] == pytest.approx(0.55)
    whole = overall(series("histogram", spread(1, 100, 0, 0, 0), spread(2, 0, 4, 0, 0)))
    assert whole is not None
    assert (whole.count, whole.sum, whole.bucket_counts) == (104, 2.0, (100, 4, 0, 0))


def test_delta_histograms_add_up() -> None:
    whole = overall(series("histogram", spread(1, 1, 2, 0, 0), spread(2, 1, 0, 3, 0, total=4.0), temporality="delta"))
    assert whole is not None
    assert (whole.count, whole.sum, whole.bucket_counts) == (7, 5.0, (2, 2, 3, 0))


def test_counters_are_shown_as_rates() -> None:
    points = [MetricPoint(at * SECOND, value) for at, value in ((10, 100.0), (20, 150.0), (30, 20.0), (30, 25.0))]
    found = samples(series("sum", *points, monotonic=True))
    assert [sample.values for sample in found] == [(5.0,), (2.0,)], "a smaller value is a restart, no time is no rate"
    deltas = samples(series("sum", *points[:2], temporality="delta", monotonic=True))
    assert deltas[0].values == (15.0,)


def test_gauges_are_shown_as_they_are() -> None:
    gauge = series("gauge", MetricPoint(1, 3.0), MetricPoint(2, None), temporality="")
    assert [sample.values for sample in samples(gauge)] == [(3.0,)]
    assert lines_of(gauge) == ("value",)
    assert overall(gauge) is None


def test_summaries_bring_their_own_quantiles() -> None:
    summary = series("summary", MetricPoint(1, None, 9, 4.0, (0.5, 0.99), (1, 2)), temporality="")
    assert lines_of(summary) == ("p50", "p99")
    assert samples(summary)[0].values == (1, 2)
