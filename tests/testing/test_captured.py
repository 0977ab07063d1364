"""Captured telemetry: what it keeps, and that its failures say what was there."""

from __future__ import annotations

import logging

import pytest

from trax_otel import semconv
from trax_otel.errors import NetworkError
from trax_otel.logging import get_logger
from trax_otel.metrics import timing_context
from trax_otel.signals import emit_event
from trax_otel.testing import CapturedTelemetry, capture


def work(name: str = "charge", *, fail: bool = False) -> None:
    with timing_context(name):
        get_logger("shop").info("charging", extra={"amount": 3})
        if fail:
            raise NetworkError("no route")


def test_spans_logs_events_and_metrics_of_a_test_are_there(trax_telemetry: CapturedTelemetry) -> None:
    work()
    assert trax_telemetry.log("charging", amount=3).trace_id == trax_telemetry.span("charge").trace_id
    with pytest.raises(NetworkError):
        work(fail=True)
    emit_event("done", {"n": 1})
    good, bad = trax_telemetry.spans
    assert (good.status, bad.status) == ("unset", "error")
    assert trax_telemetry.span("charge", trax_error_code="TRAX-001").event("exception").attributes["exception.message"]
    assert len([log for log in trax_telemetry.logs if log.body == "charging"]) == 2
    assert trax_telemetry.metric("trax.operation.duration", trax_operation_name="charge", trax_outcome="success") == 1
    assert trax_telemetry.metric(semconv.ERRORS.name, **{semconv.ERROR_CODE: "TRAX-001"}) == 1
    assert [event.name for event in trax_telemetry.events("done")] == ["done"]


def test_a_missing_span_is_answered_with_what_was_there(trax_telemetry: CapturedTelemetry) -> None:
    work("charge")
    with pytest.raises(AssertionError, match=r"no span fits 'chrge' \(did you mean 'charge'\?\); there are \n  charge"):
        trax_telemetry.span("chrge")
    with pytest.raises(AssertionError, match="no span fits 'charge' with {'x': 1}"):
        trax_telemetry.span("charge", x=1)


def test_several_are_not_one(trax_telemetry: CapturedTelemetry) -> None:
    work()
    work()
    with pytest.raises(AssertionError, match="2 spans fit 'charge', not one"):
        trax_telemetry.span("charge")


def test_a_missing_metric_or_series_is_answered_too(trax_telemetry: CapturedTelemetry) -> None:
    work()
    with pytest.raises(AssertionError, match=r"no metric 'trax.operation.durations' \(did you mean"):
        trax_telemetry.metric("trax.operation.durations")
    with pytest.raises(AssertionError, match=r"has no series with {'trax_outcome': 'failure'}"):
        trax_telemetry.metric("trax.operation.duration", trax_outcome="failure")


def test_the_tree_shows_nesting_status_and_events(trax_telemetry: CapturedTelemetry) -> None:
    with timing_context("outer"), timing_context("inner"):
        emit_event("happened")
    assert trax_telemetry.tree(attributes=[semconv.OUTCOME]) == (
        "outer [unset] trax.outcome=success\n  inner [unset] trax.outcome=success\n    · happened"
    )


def test_captures_are_apart_and_leave_nothing_behind() -> None:
    with capture() as first:
        work()
    with capture() as second:
        logging.getLogger("other").warning("seen")
    work()
    assert [span.name for span in first.spans] == ["charge"]
    assert second.spans == []
    assert [log.body for log in second.logs] == ["seen"]


def test_ids_are_the_same_in_every_run() -> None:
    seen = []
    for _ in range(2):
        with capture() as telemetry:
            work()
            seen.append((telemetry.spans[0].trace_id, telemetry.spans[0].span_id))
    assert seen[0] == seen[1] == (1, 1)


def test_clear_forgets_spans_and_logs(trax_telemetry: CapturedTelemetry) -> None:
    work()
    trax_telemetry.clear()
    assert (trax_telemetry.spans, trax_telemetry.logs) == ([], [])
