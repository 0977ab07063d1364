from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel.metrics import create_counter, create_gauge, create_histogram, create_ratio
from trax_otel.signals import snapshot

numbers = itertools.count()


def series(name: str) -> dict[frozenset[tuple[str, Any]], Any]:
    return {frozenset(entry.attributes.items()): entry for entry in snapshot() if entry.spec.name == name}


def fresh(kind: str = "metric") -> str:
    return f"test.{kind}.{next(numbers)}"


def test_a_counter_counts_by_labels(captured):
    orders = create_counter("shop.orders", unit="{order}", description="Orders.", labels=["plan", "country"])
    orders.add(plan="pro", country="de")
    orders.add(2, country="de", plan="pro")
    orders.add(5, plan="free")
    assert captured.points("shop.orders")[frozenset({("plan", "pro"), ("country", "de")})].value == 3
    assert captured.points("shop.orders")[frozenset({("plan", "free")})].value == 5


def test_a_gauge_holds_its_last_value(captured):
    depth = create_gauge("shop.queue", labels=["queue"])
    for value in (3, 9, 4):
        depth.set(value, queue="mail")
    assert captured.point("shop.queue", "mail").value == 4


def test_a_histogram_has_its_own_buckets(captured):
    basket = create_histogram("shop.basket", unit="EUR", buckets=[10, 100])
    for value in (5, 50, 500):
        basket.record(value)
    (point,) = captured.points("shop.basket").values()
    assert (point.explicit_bounds, point.bucket_counts) == ((10, 100), (1, 1, 1))


def test_a_ratio_leaves_as_two_counters_and_a_share(captured):
    paid = create_ratio("shop.paid", labels=["plan"])
    for _ in range(3):
        paid.hit(plan="pro")
    paid.miss(plan="pro")
    paid.miss(plan="free")
    paid.add(5, 10, plan="team")
    assert captured.point("shop.paid", "pro").value == 0.75
    assert captured.point("shop.paid", "free").value == 0
    assert captured.point("shop.paid", "team").value == 0.5
    assert captured.point("shop.paid.part", "pro").value == 3
    assert captured.point("shop.paid.whole", "pro").value == 4


@pytest.mark.parametrize(("part", "whole"), [(-1, 2), (3, 2), (1, math.inf), ("x", 2), (math.nan, 1)])
def test_a_part_that_is_none_is_ignored(part, whole):
    ratio = create_ratio(fresh("ratio"))
    ratio.add(part, whole)
    assert not ratio.observe()


def test_the_same_definition_is_the_same_metric():
    for create in (create_counter, create_gauge, create_histogram):
        name = fresh()
        first, second = create(name, labels=["a"]), create(name, labels=["a"])
        assert first.bind(a=1) is second.bind(a=1)
    name = fresh("ratio")
    assert create_ratio(name) is create_ratio(name)


@pytest.mark.parametrize("create", [create_gauge, create_histogram, create_ratio])
def test_one_name_cannot_mean_two_things(create):
    name = fresh()
    create_counter(name)
    with pytest.raises(ValueError, match=name):
        create(name)


def test_a_bound_series_takes_the_value_alone(captured):
    orders = create_counter("shop.bound", labels=["plan"]).bind(plan="pro")
    orders.add(2)
    orders.add(3)
    assert captured.point("shop.bound", "pro").value == 5


@given(st.lists(st.integers(0, 40), max_size=120), st.integers(1, 10))
def test_series_are_bounded_and_no_amount_is_lost(values, limit):
    metric = create_counter(fresh(), labels=["user"], limit=limit)
    for value in values:
        metric.add(1, user=value)
    found = series(metric.name)
    overflow = found.pop(frozenset({("otel.metric.overflow", True)}), None)
    assert len(found) == min(limit, len(set(values)))
    assert sum(entry.value for entry in found.values()) + (overflow.value if overflow else 0) == len(values)
    first = list(dict.fromkeys(values))[:limit]
    assert {dict(key)["user"] for key in found} == set(first)


class Unprintable:
    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", ["x", 1, 1.5, True, None, [1], object, Unprintable(), "y" * 10_000])
def test_measuring_never_raises_whatever_a_label_is(value):
    metric = create_counter(fresh(), labels=["label"])
    metric.add(1, label=value)
    ((key, entry),) = series(metric.name).items()
    assert entry.value == 1
    assert all(isinstance(part, (str, int, float)) and len(str(part)) <= 256 for _, part in key)


@pytest.mark.parametrize("value", ["many", None, -1, math.nan])
def test_what_is_no_amount_is_ignored(value):
    metric = create_counter(fresh())
    metric.add(2)
    metric.add(value)
    assert [entry.value for entry in series(metric.name).values()] == [2]


def test_an_undeclared_label_is_left_out_and_named_once(capfd):
    metric = create_counter(fresh(), labels=["plan"])
    for _ in range(3):
        metric.add(1, plan="pro", user="u-1")
    assert list(series(metric.name)) == [frozenset({("plan", "pro")})]
    said = capfd.readouterr().err
    assert said.count("label 'user' is not declared (declared: plan)") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"name": ""}, "no name of a metric"),
        ({"name": "1st"}, "begins with a letter"),
        ({"name": "with blank"}, "no name of a metric"),
        ({"name": "x" * 256}, "up to 255"),
        ({"name": None}, "no name of a metric"),
        ({"name": "trax.mine"}, "reserved"),
        ({"name": "otel.mine"}, "reserved"),
        ({"name": "a", "unit": "per second"}, "is no unit"),
        ({"name": "a", "unit": ""}, "is no unit"),
        ({"name": "a", "labels": ["a-b"]}, "is no label"),
        ({"name": "a", "labels": [1]}, "is no label"),
        ({"name": "a", "labels": ["b", "b"]}, "given twice"),
        ({"name": "a", "limit": 0}, "at least 1"),
        ({"name": "a", "limit": True}, "at least 1"),
    ],
)
def test_mistakes_in_a_definition_are_named(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        create_counter(**arguments)


def test_labels_given_as_one_text_are_refused():
    with pytest.raises(TypeError, match="must be a list of names"):
        create_counter("a", labels="plan")


@pytest.mark.parametrize("buckets", [[], [1, 1], [2, 1], [1, math.inf]])
def test_buckets_must_ascend(buckets):
    with pytest.raises(ValueError, match="buckets must be finite"):
        create_histogram("a", buckets=buckets)


def test_a_forked_child_starts_at_zero(forked):
    metric = create_counter(fresh())
    metric.add(7)

    def child() -> float:
        metric.add(2)
        return next(iter(series(metric.name).values())).value

    assert forked(child) == "2"
