from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import Link, SpanKind, StatusCode

from trax_otel import config, semconv, signals
from trax_otel.metrics import Operation, operation_stats
from trax_otel.metrics import operation as room

DURATION = semconv.OPERATION_DURATION.name
ACTIVE = semconv.OPERATION_ACTIVE.name


def test_a_success_is_one_internal_span_with_its_outcome(captured, still):
    with Operation("resize", {"image.width": 20}):
        still.advance(1.5)
    span = captured.span
    assert (span.name, span.kind, span.status.status_code) == ("resize", SpanKind.INTERNAL, StatusCode.UNSET)
    assert span.attributes == {semconv.OPERATION_NAME: "resize", semconv.OUTCOME: "success", "image.width": 20}
    assert span.end_time - span.start_time == 1_500_000_000
    assert span.start_time == still.time_ns() - 1_500_000_000


def test_the_histogram_has_the_spans_duration_and_an_exemplar_of_its_trace(captured, still):
    with Operation("resize"):
        still.advance(1.5)
    point = captured.point(DURATION, "resize", "success")
    assert (point.count, point.sum) == (1, 1.5)
    assert point.explicit_bounds == semconv.DURATION_BUCKETS
    assert [exemplar.trace_id for exemplar in point.exemplars] == [captured.span.context.trace_id]


def test_attributes_of_the_span_never_reach_the_metrics(captured):
    with Operation("resize", {"file": "a.png"}):
        pass
    assert set(captured.points(DURATION)) == {
        frozenset({(semconv.OPERATION_NAME, "resize"), (semconv.OUTCOME, "success")})
    }


def test_a_failure_says_what_failed_and_the_exception_goes_on(captured):
    error = LookupError("nobody home")
    with pytest.raises(LookupError) as caught, Operation("find"):
        raise error
    assert caught.value is error
    assert error.__context__ is None
    span = captured.span
    assert span.status.status_code is StatusCode.ERROR
    assert "nobody home" in span.status.description
    assert span.attributes[semconv.OUTCOME] == "failure"
    assert span.attributes[semconv.ERROR_TYPE] == "LookupError"
    assert {semconv.ERROR_CODE, semconv.ERROR_CATEGORY, semconv.ERROR_RETRYABLE} <= set(span.attributes)
    (event,) = span.events
    assert event.name == "exception"
    point = captured.point(DURATION, "failure", "LookupError", span.attributes[semconv.ERROR_CODE])
    assert point.count == 1


def test_an_error_is_recorded_once_however_many_operations_it_crosses(captured):
    with pytest.raises(ValueError), Operation("outer"), Operation("inner"):
        raise ValueError("x")
    inner, outer = captured.spans
    assert (len(inner.events), len(outer.events)) == (1, 0)
    assert outer.attributes[semconv.ERROR_TYPE] == "ValueError"
    assert outer.status.status_code is StatusCode.ERROR
    assert sum(point.value for point in captured.points(semconv.ERRORS.name).values()) == 1


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_only_ends_the_work_early_is_cancelled_and_no_error(captured, kind):
    with pytest.raises(kind), Operation("wait") as operation:
        raise kind
    span = captured.span
    assert operation.outcome == span.attributes[semconv.OUTCOME] == "cancelled"
    assert span.status.status_code is StatusCode.UNSET
    assert not span.events
    assert semconv.ERROR_TYPE not in span.attributes
    assert captured.point(DURATION, "cancelled").count == 1
    assert not captured.points(semconv.ERRORS.name)


def test_it_is_current_inside_and_not_after(captured):
    with Operation("outer") as outer:
        assert trace.get_current_span() is outer.span
        with Operation("inner") as inner:
            assert trace.get_current_span() is inner.span
        assert trace.get_current_span() is outer.span
    assert trace.get_current_span() is trace.INVALID_SPAN
    first, second = captured.spans
    assert first.parent.span_id == second.context.span_id


def test_by_hand_it_ends_as_told(captured):
    operation = Operation("guarded").begin()
    assert operation.running
    operation.set("note", 1)
    operation.end(outcome="rejected")
    assert not operation.running
    assert captured.span.attributes[semconv.OUTCOME] == "rejected"
    assert captured.span.attributes["note"] == 1
    assert captured.point(DURATION, "rejected").count == 1


def test_ending_twice_or_before_the_beginning_does_nothing(captured):
    operation = Operation("once")
    operation.end()
    operation.begin().begin()
    operation.end()
    operation.end(ValueError("late"))
    assert [span.attributes[semconv.OUTCOME] for span in captured.spans] == ["success"]
    assert captured.point(ACTIVE, "once").value == 0


def test_one_object_can_run_again_after_its_end(captured, still):
    operation = Operation("again")
    for seconds in (1, 2):
        with operation:
            still.advance(seconds)
        assert operation.duration_s == seconds
    assert captured.point(DURATION, "again").sum == 3


def test_an_error_with_facts_of_its_own_is_not_classified_again(captured):
    facts = signals.ErrorFacts("Custom", "ACME-1", "network", True)
    Operation("call").begin().end(ValueError("x"), facts=facts)
    assert captured.span.attributes[semconv.ERROR_CODE] == "ACME-1"


def test_it_links_to_other_spans(captured):
    with captured.tracer.start_as_current_span("tripped") as other:
        pass
    with Operation("rejected", links=[Link(other.get_span_context())]):
        pass
    assert captured.spans[-1].links[0].context.span_id == other.get_span_context().span_id


def test_active_operations_are_counted_while_they_run(captured):
    with Operation("slow"), Operation("slow"):
        assert captured.point(ACTIVE, "slow").value == 2
    assert captured.point(ACTIVE, "slow").value == 0


def test_many_threads_lose_no_count(captured):
    def work() -> None:
        for _ in range(200):
            with Operation("crowded"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert captured.point(DURATION, "crowded").count == 1_600
    assert captured.point(ACTIVE, "crowded").value == 0


def test_without_an_sdk_the_figures_are_there_and_no_span_is_made():
    with Operation("alone") as operation:
        assert not operation.span.is_recording()
    with pytest.raises(OSError), Operation("alone"):
        raise OSError("x")
    stats = operation_stats()["alone"]
    assert stats.outcomes == {"success": 1, "failure": 1}
    assert (stats.success_rate, stats.failure_rate, stats.active) == (0.5, 0.5, 0)


def test_names_beyond_the_limit_share_one_series_but_keep_their_spans(captured, monkeypatch):
    monkeypatch.setattr(room, "_profiles", {})
    monkeypatch.setattr(room, "_overflow", room.Profile(None))
    settings = config.settings()
    with config.use_settings(settings.replace(metrics=settings.metrics.replace(cardinality_limit=3))):
        for number in range(10):
            with Operation(f"job-{number}"):
                pass
    points = captured.points(DURATION)
    assert len(points) == 4
    overflow = points[frozenset({("otel.metric.overflow", True), (semconv.OUTCOME, "success")})]
    assert overflow.count == 7
    assert [span.attributes[semconv.OPERATION_NAME] for span in captured.spans] == [f"job-{n}" for n in range(10)]


@contextmanager
def renewed(captured: Any) -> Iterator[None]:
    """The same providers with what was changed in them: tracers keep the sampler they were made with."""
    restore = signals.use_providers(tracer_provider=captured.tracer_provider, meter_provider=captured.meter_provider)
    try:
        yield
    finally:
        restore()


class Refusing(Sampler):
    def should_sample(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("sampler")

    def get_description(self) -> str:
        return "refusing"


class Raising(SpanProcessor):
    def on_end(self, span: Any) -> None:
        raise RuntimeError("processor")


def test_a_sampler_that_raises_never_reaches_the_work(captured):
    captured.tracer_provider.sampler = Refusing()
    with renewed(captured), Operation("brave"):
        pass
    assert captured.point(DURATION, "brave").count == 1


def test_a_processor_that_raises_never_reaches_the_work(captured):
    captured.tracer_provider.add_span_processor(Raising())
    with Operation("brave"):
        pass
    assert captured.span.attributes[semconv.OUTCOME] == "success"
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_span_that_is_not_sampled_still_counts(captured):
    captured.tracer_provider.sampler = ALWAYS_OFF
    with renewed(captured):
        with Operation("unseen"):
            pass
        assert captured.point(DURATION, "unseen").count == 1
    assert not captured.spans


def test_a_forked_child_starts_without_its_parents_operations(captured, forked):
    operation = Operation("parent").begin()

    def child() -> list[tuple[str, int]]:
        operation.end()
        with Operation("child"):
            return sorted((name, stats.active) for name, stats in operation_stats().items())

    assert forked(child) == repr([("child", 1), ("parent", 0)])
    operation.end()


def test_an_exception_is_not_kept_alive(captured):
    class Custom(Exception):
        pass

    def fail() -> weakref.ref[Custom]:
        operation = Operation("fail")
        try:
            with operation:
                raise Custom
        except Custom as error:
            return weakref.ref(error)

    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()
