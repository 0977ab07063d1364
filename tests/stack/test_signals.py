"""A request that fails, is retried, rejected or recovered is found in every store, and each leads to the others."""

from __future__ import annotations

import secrets
import sys
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.real_stack import Stack, until
from support.services import free_port, get, lean, observed, serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
Ask = Callable[[str], str]


@pytest.fixture(scope="module")
def ask(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks the service under `trax-otel run`: the id of the trace that the request made."""
    port = free_port()
    server = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "service:app"]
    command = observed(stack.otlp, "troubled", server)
    environ = {"PYTHONPATH": str(Path(__file__).parent), **lean("flask")}
    with serving(command, tmp_path_factory.mktemp("service"), port, **environ) as service:

        def request(path: str) -> str:
            trace = secrets.token_hex(16)
            try:
                get(service.url + path, {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"})
            except urllib.error.HTTPError as refusal:
                refusal.close()
            return trace

        yield request


def settled(stack: Stack, trace: str, spans: int) -> list[dict[str, Any]]:
    """The trace's spans in Jaeger once that many are there."""
    return list(until(lambda: (found := stack.jaeger_trace(trace).get("spans", [])) and len(found) >= spans and found,
                      f"{spans} spans of {trace} in Jaeger", 60))  # fmt: skip


def tags(span: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def events(span: dict[str, Any]) -> list[str]:
    return [field["value"] for log in span["logs"] for field in log["fields"] if field["key"] == "event"]


def test_a_retried_request_shows_attempts_events_and_codes_in_jaeger_and_tempo(stack: Stack, ask: Ask) -> None:
    trace = ask("retried")
    spans = settled(stack, trace, 5)
    attempts = [tags(span) for span in spans if span["operationName"] == "attempt"]
    assert sorted(attempt["trax.retry.attempt"] for attempt in attempts) == [1, 2, 3]
    assert [attempt.get("trax.error.code") for attempt in attempts].count("TRAX-001") == 2
    (operation,) = [span for span in spans if "trax.retry.count" in tags(span)]
    assert tags(operation)["trax.retry.count"] == 2
    assert events(operation).count("trax.retry.scheduled") == 2
    query = '{ resource.service.name = "troubled" && span.trax.retry.count = 2 && event:name = "trax.retry.scheduled" }'
    assert until(lambda: trace in stack.tempo_search(query), "the trace by TraceQL", 60)


def test_a_failing_request_is_found_by_its_code_and_leads_to_its_logs(stack: Stack, ask: Ask) -> None:
    trace = ask("failing")
    spans = settled(stack, trace, 1)
    assert any("exception" in events(span) for span in spans)
    query = '{ resource.service.name = "troubled" && status = error && span.trax.error.code =~ "TRAX-.*" }'
    assert until(lambda: trace in stack.tempo_search(query), "the trace by TraceQL", 60)
    lines = until(lambda: stack.loki(f'{{service_name="troubled"}} | trace_id="{trace}"'), "its lines in Loki", 60)
    assert any("no such frame" in str(line) or "failing" in str(line) for line in lines)


def test_logs_of_a_request_are_found_by_its_trace(stack: Stack, ask: Ask) -> None:
    trace = ask("retried")
    lines = until(lambda: stack.loki(f'{{service_name="troubled"}} | trace_id="{trace}"'), "its lines in Loki", 60)
    assert any("about to call a flaky peer" in line for _, line in lines)


def test_a_rejected_request_links_to_the_one_that_opened_the_breaker(stack: Stack, ask: Ask) -> None:
    opening = [ask("broken") for _ in range(3)][-1]
    rejected = ask("broken")
    tripped = [span for span in settled(stack, opening, 1) if "trax.circuit_breaker.state_changed" in events(span)]
    assert len(tripped) == 1
    (short,) = [span for span in settled(stack, rejected, 2) if span["operationName"] == "circuit_breaker rejected"]
    assert tags(short)["trax.error.code"] == "TRAX-022"
    assert (opening, tripped[0]["spanID"]) in [(link["traceID"], link["spanID"]) for link in short["references"]]
    found = '{ name = "circuit_breaker rejected" && span.trax.error.code = "TRAX-022" }'
    assert until(lambda: rejected in stack.tempo_search(found), "the rejection by TraceQL", 60)


def test_a_recovered_request_shows_who_answered(stack: Stack, ask: Ask) -> None:
    trace = ask("recovered")
    spans = settled(stack, trace, 3)
    assert "last known" in [tags(span).get("trax.recovery.fallback") for span in spans]
    assert until(
        lambda: trace in stack.tempo_search('{ span.trax.recovery.fallback = "last known" }'), "by TraceQL", 60
    )


def test_a_security_event_is_found_in_loki_and_counted(stack: Stack, ask: Ask) -> None:
    trace = ask("login")
    found = until(lambda: stack.loki(f'{{service_name="troubled"}} | trax_security_event="authentication" | trace_id="{trace}"'),
                  "the security event in Loki", 60)  # fmt: skip
    assert len(found) == 1
    query = 'trax_security_events_total{trax_security_event="authentication",trax_security_outcome="failure"}'
    assert until(lambda: stack.prometheus(f"{query} > 0"), "its counter", 60)


@pytest.mark.parametrize("query", [
    'trax_operation_duration_seconds_bucket{service_name="troubled"}',
    'traces_span_metrics_duration_seconds_bucket{service_name="troubled"}',
])  # fmt: skip
def test_histograms_bear_exemplars_that_lead_to_a_trace(stack: Stack, ask: Ask, query: str) -> None:
    ask("retried")
    found = until(lambda: stack.exemplars(query), f"exemplars of {query}", 60)
    assert any(until(lambda: stack.tempo_trace(trace), "the trace", 30) for trace in sorted(found)[:1])


@pytest.mark.parametrize("query", [
    'trax_errors_total{trax_error_code="TRAX-001"} > 0',
    'trax_retry_operations_total{trax_retry_outcome="succeeded_with_retry"} > 0',
    'trax_retry_attempts_total > 0',
    'trax_circuit_breaker_state{trax_circuit_breaker_state="open"} == 1',
    'trax_circuit_breaker_transitions_total{trax_circuit_breaker_state="open"} > 0',
    'trax_recovery_fallbacks_total > 0',
    'process_memory_usage_bytes > 0',
    'traces_span_metrics_calls_total{span_name="GET /failing"} > 0',
    'trax_span_exceptions_total{trax_error_code="TRAX-001"} > 0',
    'trax_span_retries_total > 0',
    'trax_span_breaker_transitions_total{trax_circuit_breaker_state="open"} > 0',
    'target_info{service_name="troubled"} or target_info{job="troubled"}',
])  # fmt: skip
def test_metrics_of_the_service_and_those_counted_from_its_spans_are_in_prometheus(
    stack: Stack, ask: Ask, query: str
) -> None:
    for path in ("retried", "failing", "broken", "broken", "broken", "broken", "recovered", "fine"):
        ask(path)
    named = stack.prometheus('count by (__name__) ({service_name="troubled"})')
    assert until(lambda: stack.prometheus(query), f"{query} among {sorted(n['metric']['__name__'] for n in named)}", 40)
