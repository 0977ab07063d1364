from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from trax_otel.metrics import Distribution

BOUNDS = (1.0, 2.0, 5.0, 10.0)
values = st.lists(st.floats(0, 20), min_size=1, max_size=200)


def of(numbers: list[float]) -> Distribution:
    buckets = [0] * (len(BOUNDS) + 1)
    for number in numbers:
        buckets[bisect_left(BOUNDS, number)] += 1
    return Distribution(
        BOUNDS, tuple(buckets), len(numbers), sum(numbers), min(numbers, default=None), max(numbers, default=None)
    )


@given(values, st.floats(0, 100))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(numbers, percent):
    estimate = of(numbers).percentile(percent)
    rank = max(1, -int(-len(numbers) * percent // 100))
    true = sorted(numbers)[min(rank, len(numbers)) - 1]
    bucket = bisect_left(BOUNDS, true)
    low = BOUNDS[bucket - 1] if bucket else 0.0
    high = BOUNDS[bucket] if bucket < len(BOUNDS) else max(numbers)
    assert low <= estimate <= high
    assert min(numbers) <= estimate <= max(numbers)


@given(values)
def test_percentiles_ascend(numbers):
    distribution = of(numbers)
    estimates = [distribution.percentile(percent) for percent in range(0, 101, 5)]
    assert estimates == sorted(estimates)
    assert estimates[-1] == max(numbers)


@given(values, values)
def test_what_came_since_is_what_was_added(earlier, later):
    difference = (of(earlier) + of(later)).since(of(earlier))
    assert (difference.count, difference.buckets) == (len(later), of(later).buckets)


def test_a_series_that_began_anew_is_all_new():
    now = of([1.0])
    assert now.since(of([1.0, 2.0])) is now


def test_nothing_recorded_has_no_percentiles():
    nothing = Distribution(BOUNDS, (0,) * 5)
    assert (nothing.mean, nothing.percentile(95)) == (None, None)
