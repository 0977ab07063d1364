"""Instruments feed OpenTelemetry and the aggregate, and never raise."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from trax_otel.semconv import MetricSpec
from trax_otel.signals import aggregate, counter, gauge, histogram, observe, snapshot, up_down_counter, use_providers

names = (f"signals.metric.{number}" for number in range(10**9))


def spec(kind: str, **options: object) -> MetricSpec:
    return MetricSpec(next(names), kind, "s", "A metric.", **options)  # type: ignore[arg-type]


def series(name: str) -> dict[tuple[tuple[str, object], ...], aggregate.Series]:
    return {tuple(sorted(s.attributes.items())): s for s in snapshot() if s.spec.name == name}


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    restore = use_providers(meter_provider=provider)
    yield reader
    restore()
    provider.shutdown()


def exported(reader: InMemoryMetricReader, name: str) -> list[object]:
    data = reader.get_metrics_data()
    assert data is not None
    return [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def test_a_counter_adds_up_by_attributes_whatever_their_order() -> None:
    requests = counter(spec("counter"))
    requests.add(1, {"a": 1, "b": 2})
    requests.add(2, {"b": 2, "a": 1})
    requests.add(5)
    found = series(requests.spec.name)
    assert found[(("a", 1), ("b", 2))].value == 3
    assert found[()].value == 5


def test_a_histogram_keeps_count_sum_extremes_and_buckets() -> None:
    duration = histogram(spec("histogram", buckets=(1.0, 2.0)))
    for value in (0.5, 1.0, 1.5, 99):
        duration.record(value)
    (only,) = series(duration.spec.name).values()
    assert (only.count, only.sum, only.minimum, only.maximum, only.buckets) == (4, 102.0, 0.5, 99, (2, 1, 1))


def test_a_gauge_holds_the_last_value_and_an_up_down_counter_goes_down() -> None:
    level, active = gauge(spec("gauge")), up_down_counter(spec("up_down_counter"))
    level.set(3)
    level.set(-2)
    active.add(2)
    active.add(-1)
    assert series(level.spec.name)[()].value == -2
    assert series(active.spec.name)[()].value == 1


@pytest.mark.parametrize("value", ["3", None, object(), [1], -1])
def test_what_is_no_measurement_of_a_counter_is_ignored(value: object) -> None:
    requests = counter(spec("counter"))
    requests.add(value)  # type: ignore[arg-type]
    assert series(requests.spec.name)[()].value == 0


def test_an_unhashable_attribute_is_kept_as_text() -> None:
    requests = counter(spec("counter"))
    requests.add(1, {"list": [1, 2]})
    assert series(requests.spec.name)[(("list", "[1, 2]"),)].value == 1


def test_combinations_beyond_the_bound_share_one_overflow_series(reader: InMemoryMetricReader) -> None:
    requests = counter(spec("counter"))
    for number in range(aggregate.MAX_CELLS + 50):
        requests.add(1, {"user": number})
    found = series(requests.spec.name)
    assert len(found) == aggregate.MAX_CELLS + 1
    assert found[tuple(aggregate.OVERFLOW.items())].value == 50
    assert len(exported(reader, requests.spec.name)) == aggregate.MAX_CELLS + 1


def test_the_same_name_is_the_same_instrument_and_a_contradiction_is_refused() -> None:
    one = spec("counter")
    assert counter(one) is counter(one)
    with pytest.raises(ValueError, match="is a counter, not a gauge"):
        gauge(one)
    with pytest.raises(ValueError, match="exists with another description"):
        counter(MetricSpec(one.name, "counter", "s", "Something else."))


def test_what_is_recorded_reaches_the_provider_in_force(reader: InMemoryMetricReader) -> None:
    requests = counter(spec("counter"))
    bound = requests.bind({"route": "/"})
    bound.add(2)
    (point,) = exported(reader, requests.spec.name)
    assert point.value == 2  # type: ignore[attr-defined]
    other = InMemoryMetricReader()
    restore = use_providers(meter_provider=MeterProvider([other]))
    bound.add(3)
    restore()
    bound.add(4)
    assert [p.value for p in exported(other, requests.spec.name)] == [3]  # type: ignore[attr-defined]
    assert [p.value for p in exported(reader, requests.spec.name)] == [6]  # type: ignore[attr-defined]
    assert series(requests.spec.name)[(("route", "/"),)].value == 9


def test_declared_combinations_exist_at_zero(reader: InMemoryMetricReader) -> None:
    requests = counter(spec("counter"))
    requests.declare({"outcome": "ok"}, {"outcome": "failed"})
    assert [point.value for point in exported(reader, requests.spec.name)] == [0, 0]  # type: ignore[attr-defined]


def test_observers_are_asked_at_export_and_one_that_raises_is_named_once(
    reader: InMemoryMetricReader, capsys: pytest.CaptureFixture[str]
) -> None:
    described = spec("observable_gauge")
    observe(described, lambda: [(1.5, {"disk": "/"})])
    unregister = observe(described, lambda: [(2.5, {"disk": "/data"})])
    observe(described, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert [point.value for point in exported(reader, described.name)] == [1.5, 2.5]  # type: ignore[attr-defined]
    unregister()
    assert [s.value for s in series(described.name).values()] == [1.5]
    assert capsys.readouterr().err.count("its callback raised ZeroDivisionError") == 1


def test_threads_lose_no_count() -> None:
    bound = counter(spec("counter")).bind({"x": 1})
    threads = [threading.Thread(target=lambda: [bound.add(1) for _ in range(5_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bound._cell.value == 40_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_counts_from_zero_on_the_same_instrument() -> None:
    bound = counter(spec("counter")).bind()
    bound.add(5)
    child = os.fork()
    if child == 0:
        bound.add(1)
        os._exit(0 if bound._cell.value == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert bound._cell.value == 5


@given(st.lists(st.floats(min_value=0, max_value=1e6, allow_nan=False), max_size=50))
def test_the_buckets_always_add_up_to_the_count(values: list[float]) -> None:
    duration = histogram(spec("histogram", buckets=(0.1, 1.0, 10.0)))
    for value in values:
        duration.record(value)
    found = list(series(duration.spec.name).values())
    assert sum(s.count for s in found) == len(values)
    assert all(sum(s.buckets) == s.count for s in found)
    assert math.isclose(sum(s.sum for s in found), sum(values), rel_tol=1e-9, abs_tol=1e-9)
