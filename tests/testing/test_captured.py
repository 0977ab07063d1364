"""Captured telemetry: what it holds, and what its assertions say when they fail."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import trace

from trax_otel import semconv, signals
from trax_otel.errors import NetworkError, create_network_error
from trax_otel.logging import correlation_context, export_all_metrics, get_logger, timing_context
from trax_otel.testing import CapturedTelemetry, capture


def charge() -> None:
    with timing_context("charge"):
        with timing_context("price"):
            pass
        get_logger("shop").warning("slow provider", extra={"provider": "acme"})
        raise create_network_error("refused")


@pytest.fixture
def failed(trax_telemetry: CapturedTelemetry) -> CapturedTelemetry:
    """What a failing charge emits."""
    with correlation_context("req-7"), pytest.raises(NetworkError):
        charge()
    return trax_telemetry


def test_spans_with_their_errors(failed: CapturedTelemetry) -> None:
    span = failed.span("charge")
    assert (span.status, span.error_code, span.outcome) == ("error", "TRAX-001", "failure")
    assert (span.trace_id, span.span_id, span.parent_id) == (1, 1, None)
    assert span.duration > 0
    assert span.event("exception").attributes[semconv.EXCEPTION_MESSAGE] == "refused"
    assert [child.name for child in failed.children(span)] == ["price"]
    assert failed.span("charge", {semconv.ERROR_CODE: "TRAX-001"}, trax_error_category="network") == span


def test_logs_with_their_context(failed: CapturedTelemetry) -> None:
    log = failed.log("slow", provider="acme")
    assert (log.severity, log.logger, log.trace_id, log.span_id) == ("WARN", "shop", 1, 1)
    assert log.correlation_id == "req-7"


def test_metrics_by_attributes(failed: CapturedTelemetry) -> None:
    point = failed.metric("trax.operation.duration", trax_operation_name="charge")
    assert (point.count, point.unit) == (1, "s")
    assert failed.metric("trax.errors", {semconv.ERROR_CODE: "TRAX-001"}).value == 1
    assert failed.total("trax.operation.duration") == 2
    assert failed.total("nothing.such") == 0


def test_events_of_spans_and_of_log_records(trax_telemetry: CapturedTelemetry) -> None:
    signals.emit_event("outside")
    with timing_context("work"):
        signals.emit_event("inside", {"n": 1})
    assert [event.name for event in trax_telemetry.events() if event.name in {"inside", "outside"}] == [
        "outside",
        "inside",
    ]
    assert trax_telemetry.event("inside", n=1).span == "work"
    assert trax_telemetry.event("outside").span is None


def test_a_tree_is_the_same_text_in_every_run(failed: CapturedTelemetry) -> None:
    shown = failed.tree()
    assert shown.splitlines()[0].startswith("charge [error TRAX-001]")
    assert "  - WARN slow provider" in shown.splitlines()
    assert any(line.startswith("  - exception ") and line.endswith(": refused") for line in shown.splitlines())
    assert shown.count("slow provider") == 1
    assert "  price" in shown
    assert "trax.error.category=network" in failed.tree({semconv.ERROR_CATEGORY})


def test_failures_say_what_was_there(failed: CapturedTelemetry) -> None:
    with pytest.raises(AssertionError, match=r"(?s)no span 'chrage'.*charge \[error TRAX-001\].*price"):
        failed.span("chrage")
    with pytest.raises(AssertionError, match=r"(?s)no span 'charge' with .*TRAX-009.*of that name.*TRAX-001"):
        failed.span("charge", trax_error_code="TRAX-009")
    with pytest.raises(AssertionError, match=r"(?s)no log record 'fast'.*shop: slow provider"):
        failed.log("fast")
    with pytest.raises(AssertionError, match=r"(?s)2 data point of 'trax.operation.duration'.*charge.*count=1"):
        failed.metric("trax.operation.duration")
    with pytest.raises(AssertionError, match=r"(?s)no data point of 'trax.eror'.*trax.errors"):
        failed.metric("trax.eror")
    with pytest.raises(AssertionError, match=r"(?s)no event 'retry'.*exception"):
        failed.event("retry")
    with pytest.raises(AssertionError, match=r"events 'x'; its events: .*exception"):
        failed.span("charge").event("x")


def test_plain_opentelemetry_code_is_captured_through_the_providers(trax_telemetry: CapturedTelemetry) -> None:
    with pytest.raises(ConnectionRefusedError), trax_telemetry.tracer().start_as_current_span("plain"):
        raise ConnectionRefusedError("nobody")
    trax_telemetry.meter().create_counter("orders").add(2, {"shop.id": "a"})
    assert trax_telemetry.span("plain").error_code == "TRAX-001"
    assert trax_telemetry.metric("orders", shop_id="a").value == 2


def test_nothing_of_one_block_reaches_another() -> None:
    root_level, provider = logging.getLogger().level, trace.get_tracer_provider()
    with capture() as first:
        with timing_context("one"):
            pass
        with capture() as second:
            with timing_context("two"):
                pass
            assert '"two"' in export_all_metrics()
        with timing_context("three"):
            pass
    assert [span.name for span in first.spans] == ["one", "three"]
    assert [span.name for span in second.spans] == ["two"]
    assert (logging.getLogger().level, trace.get_tracer_provider()) == (root_level, provider)


def test_debug_records_where_asked() -> None:
    with capture(log_level="DEBUG", resource={"service.name": "shop"}) as telemetry:
        logging.getLogger("deep").debug("detail")
    assert telemetry.log("detail").severity == "DEBUG"
    assert telemetry.log("detail").raw.resource.attributes["service.name"] == "shop"


def test_clear_forgets_spans_and_logs(failed: CapturedTelemetry) -> None:
    failed.clear()
    assert (failed.spans, failed.logs) == ([], [])
    assert failed.total("trax.errors") == 1
