"""Retries, breakers and recoveries in a terminal, of any width."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from support.stored import S, Stored, checkout_logs, failing_checkout, metric_request, span_id, trace_id
from support.stored_resilience import bank_metrics, degraded, recovery, resumed, retried, sums, tripped_bank, waits
from trax_otel import semconv
from trax_otel.local import terminal
from trax_otel.local.links import incoming, targets
from trax_otel.local.model import Filter
from trax_otel.local.queries import Queries


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    stored = Stored(tmp_path)
    spans, levels = degraded()
    stored.spans(
        *failing_checkout(50, 5_000), *tripped_bank(), *recovery(100, 4), *recovery(200, 5, stale=True), *spans
    )
    stored.spans(*resumed()).logs(*checkout_logs(50, 5_000)).metrics(levels).metrics(metric_request(minutes=1))
    for body in bank_metrics():
        stored.metrics(body)
    stored.metrics(
        retried("pay", succeeded_without_retry=9_000, succeeded_with_retry=6, failed_with_retry=3, deadline=2)
    )
    stored.metrics(sums(semconv.RETRY_ATTEMPTS, (10_000, 9_030, {semconv.OPERATION_NAME: "pay"})))
    stored.metrics(waits("pay", 10_000, [0.5, 1.0, 2.0], 50))
    yield stored
    stored.close()


def printed(show: Callable[[Console], None], width: int = 200) -> str:
    file = io.StringIO()
    show(Console(file=file, width=width, highlight=False, force_terminal=False))
    return file.getvalue()


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def trace(queries: Queries, number: int, console: Console) -> None:
    spans = queries.trace(trace_id(number))
    logs = queries.logs(Filter(trace_id=trace_id(number)))
    terminal.print_trace(
        console,
        spans,
        logs,
        details=True,
        targets=targets(queries, spans),
        incoming=incoming(queries, trace_id(number)),
    )


VIEWS: dict[str, Callable[[Queries, Console], None]] = {
    "services": lambda asked, console: terminal.print_services(console, asked.services()),
    "operations": lambda asked, console: terminal.print_operations(console, asked.operations()),
    "errors": lambda asked, console: terminal.print_errors(console, asked.errors()),
    "traces": lambda asked, console: terminal.print_traces(console, asked.traces()),
    "metrics": lambda asked, console: terminal.print_metrics(console, asked.metrics()),
    "series": lambda asked, console: terminal.print_series(console, asked.metric("http.server.request.duration")),
    "retries": lambda asked, console: terminal.print_retries(console, asked.retries()),
    "breakers": lambda asked, console: terminal.print_breakers(console, asked.breakers()),
    "recoveries": lambda asked, console: terminal.print_recoveries(console, asked.recoveries()),
    "retried trace": lambda asked, console: trace(asked, 50, console),
    "tripped trace": lambda asked, console: trace(asked, 1, console),
    "rejected trace": lambda asked, console: trace(asked, 2, console),
    "resumed trace": lambda asked, console: trace(asked, 8, console),
}


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("view", VIEWS)
def test_no_width_loses_or_breaks_a_word(stored: Stored, view: str, width: int) -> None:
    text = printed(lambda console: VIEWS[view](stored.queries, console), width)
    assert max(map(len, text.splitlines())) <= width
    whole = printed(lambda console: VIEWS[view](stored.queries, console), 1_000)

    def words(text: str) -> set[str]:
        # Lines and strips are drawings; they may be shorter.
        return {word for word in re.sub("[│├└─▁▄█▒·]", " ", text).split() if len(word) <= 20}

    assert words(whole) - words(text) == set()
    letters = re.sub(r"[^\w]", "", text)
    for word in re.findall(r"[\w.]{21,}", whole) if "trace" in view else ():
        assert re.sub(r"[^\w]", "", word) in letters, "a long word goes on in the next line"


def test_retried_operations_are_told_by_how_they_ended(stored: Stored) -> None:
    text = printed(lambda console: terminal.print_retries(console, stored.queries.retries()))
    assert f"pay shop 9,011 9,000 6 0 3 2 deadline 1 3.5 s {trace_id(50)[:8]}" in rows(text)


def test_a_breaker_shows_its_state_over_time_and_what_changed_it(stored: Stored) -> None:
    text = printed(lambda console: terminal.print_breakers(console, stored.queries.breakers(Filter(since_ns=1))))
    told = next(row for row in rows(text) if row.startswith("bank shop closed"))
    assert "40 success, 5 failure, 7 rejected" in told
    strip = told.split()[-1]
    assert len(strip) == 40
    assert set(strip) <= set("▁▄█▒")
    assert strip.count("█") > 15
    assert "▁ closed ▄ half-open █ open ▒ isolated" in rows(text)
    assert any(
        row.startswith("14:13:30.000 bank shop closed → open too many failures in a row (rejects for 30 s)")
        for row in rows(text)
    )


def test_a_rejected_call_tells_what_tripped_the_breaker_in_another_trace(stored: Stored) -> None:
    text = printed(lambda console: trace(stored.queries, 2, console))
    assert f"→ tripped by charge in trace {trace_id(1)[:16]}" in text


def test_a_resumed_operation_tells_the_interrupted_run(stored: Stored) -> None:
    text = printed(lambda console: trace(stored.queries, 8, console))
    assert "fulfil  80 ms  internal · shop  [resumed]" in text
    assert f"→ goes on from the interrupted run in trace {trace_id(7)[:16]}  (the span itself has not arrived)" in text
    assert "step reserve" in text
    assert "[replayed]" in text


def test_a_trace_tells_what_leads_to_it_from_others(stored: Stored) -> None:
    text = printed(lambda console: trace(stored.queries, 1, console))
    assert (
        f"← this trace tripped a breaker; what it then rejected: circuit_breaker rejected in {trace_id(2)[:16]}" in text
    )
    text = printed(lambda console: trace(stored.queries, 7, console))
    assert f"← this trace was interrupted; what went on with it: fulfil in {trace_id(8)[:16]}" in text


def test_recoveries_features_and_resumed_operations_are_listed(stored: Stored) -> None:
    text = rows(printed(lambda console: terminal.print_recoveries(console, stored.queries.recoveries())))
    assert any(row.startswith("transcribe shop fallback › cached recovered 2 50 ms 50 ms 1 1 min 30 s") for row in text)
    assert any(row.startswith("strategy reconnect shop failed 2") for row in text)
    assert any(row.startswith("search shop shop-1 no ranking 1 1") for row in text)
    assert any(row.startswith("order-4711 fulfil shop success 1") and row.endswith(trace_id(7)[:8]) for row in text)


def test_what_an_operation_said_during_attempt_1_stands_below_it(stored: Stored) -> None:
    first = {semconv.RETRY_ATTEMPT: 1, semconv.RETRY_BACKDATED: True}
    stored.spans(
        S(1, "ship", None, 0, 300, 61, events=[("asked", 5, {}), ("noted", 200, {})]),
        S(2, "attempt", 1, 0, 10, 61, error="no", attributes=first),
        S(3, "attempt", 3, 400, 10, 61, attributes=first, events=[("own", 405, {})]),
    )  # fmt: skip
    lines = printed(lambda console: trace(stored.queries, 61, console)).splitlines()
    indent = {name: line.index("●") for line in lines for name in ("asked", "noted", "own") if f"● {name}" in line}
    assert indent["asked"] > indent["noted"]
    assert set(indent) == {"asked", "noted", "own"}, "a span that claims to be its own parent is told too"


def test_a_wait_that_no_attempt_followed_says_why(stored: Stored) -> None:
    scheduled = {semconv.RETRY_ATTEMPT: 1, semconv.RETRY_DELAY: 5.0, semconv.RETRY_DELAY_SOURCE: "retry_after"}
    stored.spans(
        S(1, "ship", None, 0, 300, 60, attributes={semconv.OUTCOME: "cancelled"},
          events=[(semconv.RETRY_SCHEDULED_EVENT, 10, scheduled)]),
        S(2, "attempt", 1, 0, 10, 60, error="no", attributes={semconv.RETRY_ATTEMPT: 1, semconv.RETRY_BACKDATED: True}),
        S(3, "POST", 1, 2, 5, 60, kind="client"),
        S(4, "after it", 1, 50, 5, 60),
    )  # fmt: skip
    text = printed(lambda console: trace(stored.queries, 60, console))
    assert (
        "waited 290 ms of 5 s  as long as the peer asked (Retry-After); no attempt followed: it was cancelled" in text
    )
    lines = text.splitlines()
    post = next(line for line in lines if "POST" in line)
    assert "(by its time)" in post
    assert post.index("+") > next(line for line in lines if "after it" in line).index("+"), "it stands below attempt 1"
    assert span_id(3) not in text
