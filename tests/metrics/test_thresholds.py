from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from trax_otel import semconv, signals
from trax_otel.metrics import (
    Operation,
    ThresholdChange,
    add_threshold,
    create_counter,
    create_gauge,
    create_histogram,
    evaluate_thresholds,
)
from trax_otel.metrics.thresholds import configure_thresholds, thresholds


@pytest.fixture(autouse=True)
def no_thresholds() -> Iterator[None]:
    yield
    configure_thresholds(())
    assert not thresholds(), "a test left a threshold behind"


@pytest.fixture
def watch() -> Iterator[Any]:
    """Adds thresholds that end with the test; `watch.changes` is what their callbacks were told."""
    removers: list[Any] = []
    changes: list[ThresholdChange] = []

    def add(metric: str, **options: Any) -> None:
        removers.append(add_threshold(metric, **{"callback": changes.append, **options}))

    add.changes = changes  # type: ignore[attr-defined]
    yield add
    for remove in removers:
        remove()


def states(changes: list[ThresholdChange]) -> list[str]:
    return [change.state for change in changes]


def test_each_crossing_gives_one_event_one_count_and_one_callback(captured, still, watch):
    queue = create_gauge("test.queue", labels=["name"])
    watch("test.queue", above=100, clear_below=50)
    for value in (10, 120, 150, 70, 120, 40, 30):
        queue.set(value, name="mail")
        evaluate_thresholds()
        still.advance(1)
    assert states(watch.changes) == ["crossed", "cleared"]
    crossed, cleared = watch.changes
    assert (crossed.metric, crossed.value, crossed.limit, crossed.attributes) == (
        "test.queue",
        120,
        100,
        {"name": "mail"},
    )
    assert (cleared.value, cleared.limit) == (40, 100)
    events = captured.events(semconv.THRESHOLD_EVENT)
    assert [event[semconv.THRESHOLD_STATE] for event in events] == ["crossed", "cleared"]
    assert events[0][semconv.THRESHOLD_VALUE] == 120
    assert events[0]["name"] == "mail"
    for state in ("crossed", "cleared"):
        assert captured.point(semconv.THRESHOLD_CROSSINGS.name, "test.queue", state).value == 1


def test_the_count_is_there_as_0_before_the_first_crossing(captured, watch):
    watch("test.never", above=1)
    assert captured.point(semconv.THRESHOLD_CROSSINGS.name, "test.never", "crossed").value == 0


def test_each_series_crosses_by_itself(still, watch):
    queue = create_gauge("test.queues", labels=["name"])
    watch("test.queues", above=10)
    queue.set(20, name="a")
    queue.set(5, name="b")
    evaluate_thresholds()
    queue.set(20, name="b")
    evaluate_thresholds()
    assert [change.attributes for change in watch.changes] == [{"name": "a"}, {"name": "b"}]


def test_attributes_narrow_to_some_series(still, watch):
    queue = create_gauge("test.narrow", labels=["name"])
    watch("test.narrow", above=10, attributes={"name": "b"})
    for name in "abc":
        queue.set(20, name=name)
    evaluate_thresholds()
    assert [change.attributes for change in watch.changes] == [{"name": "b"}]


def test_it_must_last(still, watch):
    queue = create_gauge("test.lasting")
    watch("test.lasting", below=5, for_seconds=30)
    queue.set(1)
    for _ in range(4):
        evaluate_thresholds()
        assert not watch.changes
        still.advance(9.9)
    evaluate_thresholds()
    assert states(watch.changes) == ["crossed"]


def test_counters_are_watched_by_their_rate(still, watch):
    failures = create_counter("test.failures")
    watch("test.failures", above=2)
    for added in (100, 10, 30, 0):
        failures.add(added)
        evaluate_thresholds()
        still.advance(10)
    assert [(change.state, change.value) for change in watch.changes] == [("crossed", 3), ("cleared", 0)]


def test_a_counters_total_can_be_watched(still, watch):
    failures = create_counter("test.failures.total")
    watch("test.failures.total", above=2, statistic="value")
    failures.add(3)
    evaluate_thresholds()
    assert states(watch.changes) == ["crossed"]


def test_histograms_are_watched_by_their_recent_percentile(still, watch):
    sizes = create_histogram("test.sizes", buckets=[1, 10, 100, 1000])
    watch("test.sizes", above=90)
    watch("test.sizes", above=90, statistic="mean")
    for size in (5, 5, 500):
        for _ in range(20):
            sizes.record(size)
        evaluate_thresholds()
        still.advance(10)
    assert [(change.state, change.statistic) for change in watch.changes] == [("crossed", "p95"), ("crossed", "mean")]
    assert watch.changes[1].value == 500
    evaluate_thresholds()
    assert len(watch.changes) == 2, "while nothing happens the state stays"


def test_a_slow_operation_crosses_however_it_ends(still, watch):
    watch(semconv.OPERATION_DURATION.name, above=30)

    def run(seconds: float, error: Exception | None = None) -> None:
        operation = Operation("report").begin()
        still.advance(seconds)
        operation.end(error)

    run(1)
    evaluate_thresholds()
    run(40, OSError("slow disk"))
    evaluate_thresholds()
    (change,) = watch.changes
    assert change.attributes == {semconv.OPERATION_NAME: "report"}
    assert 30 < change.value <= 40


def test_a_failure_rate_crosses_and_clears_by_what_happened_since(still, watch):
    watch(semconv.OPERATION_FAILURE_RATE, above=0.05, attributes={semconv.OPERATION_NAME: "pay"})
    for failures, successes in ((0, 100), (10, 90), (0, 100)):
        for _ in range(failures):
            Operation("pay").begin().end(OSError())
        for _ in range(successes):
            Operation("pay").begin().end()
        evaluate_thresholds()
    assert [(change.state, change.value) for change in watch.changes] == [("crossed", 0.1), ("cleared", 0)]


def test_a_callback_that_raises_is_contained_and_named_once(still, watch, caplog):
    queue = create_gauge("test.raising")

    def fail(change: ThresholdChange) -> None:
        raise RuntimeError("callback")

    watch("test.raising", above=1, callback=fail)
    watch("test.raising", above=1)
    with caplog.at_level(logging.WARNING):
        for value in (2, 0, 2):
            queue.set(value)
            evaluate_thresholds()
    assert states(watch.changes) == ["crossed", "cleared", "crossed"]
    assert caplog.text.count("the callback of the threshold on test.raising raised") == 1


def test_a_callback_may_remove_its_threshold(still):
    queue = create_gauge("test.removing")
    seen: list[str] = []
    remove = add_threshold("test.removing", above=1, callback=lambda change: (seen.append(change.state), remove()))
    for value in (2, 0, 2):
        queue.set(value)
        evaluate_thresholds()
    assert seen == ["crossed"]


def test_removing_twice_does_nothing():
    remove = add_threshold("test.removed", above=1)
    remove()
    remove()


async def nothing(change: ThresholdChange) -> None: ...


@pytest.mark.parametrize(
    ("metric", "options", "kind", "complaint"),
    [
        ("", {"above": 1}, ValueError, "needs the name of a metric"),
        ("m", {}, ValueError, "needs above"),
        ("m", {"above": 1, "statistic": "p42"}, ValueError, "must be one of value, rate"),
        ("m", {"above": 1, "callback": 3}, TypeError, "must be a plain function"),
        ("m", {"above": 1, "callback": nothing}, TypeError, "must be a plain function"),
    ],
)
def test_mistakes_are_named(metric, options, kind, complaint):
    with pytest.raises(kind, match=complaint):
        add_threshold(metric, **options)


def test_the_settings_thresholds_replace_those_they_gave_before(still):
    configure_thresholds([{"metric": "a", "above": 1}, {"metric": "b", "below": 2, "for_seconds": 3}])
    configure_thresholds([{"metric": "a", "above": 1}, {"metric": "b", "below": 2, "for_seconds": 3}])
    assert [threshold.metric for threshold in thresholds()] == ["a", "b"]
    configure_thresholds([{"metric": "c", "above": 1, "statistic": "p99"}])
    assert [threshold.metric for threshold in thresholds()] == ["c"]


def test_a_bad_entry_of_the_settings_is_named_and_left_out(capfd):
    configure_thresholds([{"metric": "a"}, {"metric": "b", "above": 1, "colour": "red"}, {"metric": "c", "above": 1}])
    assert [threshold.metric for threshold in thresholds()] == ["c"]
    said = capfd.readouterr().err
    assert "needs above" in said
    assert "unknown key 'colour'" in said


def test_observed_metrics_are_watched_too(still, watch):
    spec = semconv.MetricSpec("test.observed", "observable_gauge", "1", "")
    end = signals.observe(spec, lambda: [(7, {})])
    watch("test.observed", above=5)
    evaluate_thresholds()
    end()
    assert [change.value for change in watch.changes] == [7]
