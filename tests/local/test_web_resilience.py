"""Retries, breakers and recoveries on the page and in the report."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from support.stored import L, S, Stored, failing_checkout, long_trace, span_id, trace_id
from support.stored_resilience import (
    bank_metrics,
    changed,
    degraded,
    gauges,
    recovery,
    resumed,
    retried,
    states,
    sums,
    tripped_bank,
    waits,
)
from trax_otel import semconv
from trax_otel.local.report import write_report
from trax_otel.local.web import routes

ATTACK = """"'><script>alert(1)</script><img src=x onerror=alert(2)>{{539*1234567}}"""


@pytest.fixture
def full(stored: Stored) -> Stored:
    spans, levels = degraded()
    stored.spans(*failing_checkout(50, 5_000), *tripped_bank(), *recovery(100, 4, stale=True), *resumed(), *spans)
    for body in (levels, *bank_metrics(), waits("pay", 10_000, [0.5, 1.0], 50)):
        stored.metrics(body)
    return stored.metrics(retried("pay", succeeded_without_retry=9, failed_with_retry=3, deadline=2))


def get(stored: Stored, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=routes(stored.queries)))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    return asyncio.run(ask())


def plain(answer: httpx.Response) -> str:
    """The page's text, its white space as one blank."""
    return " ".join(re.sub(r"<[^>]*>", "", answer.text).split())


def test_retries_tell_how_calls_ended_and_lead_to_traces(full: Stored) -> None:
    answer = get(full, "/retries")
    assert "pay shop 14 9 0 0 3 2 deadline" in plain(answer)
    assert f'href="/traces/{trace_id(50)}"' in answer.text
    assert 'href="/traces?service=shop&amp;operation=pay"' in answer.text


def test_a_breaker_has_a_strip_that_can_be_read_aloud(full: Stored) -> None:
    answer = get(full, "/breakers?service=shop&since=2026-01-01")
    assert re.search(r'role="img" aria-label="[^"]*open 30 s, half-open 100 ms, closed 19\.9 s"', answer.text)
    assert "too many failures in a row rejects calls for 30 s" in plain(answer)
    assert f'href="/traces/{trace_id(1)}#s-{span_id(2)}"' in answer.text, "to the span that tripped it"
    assert "40 success, 5 failure, 7 rejected" in plain(answer)


def test_a_rejected_call_leads_to_what_tripped_the_breaker(full: Stored) -> None:
    answer = get(full, f"/traces/{trace_id(2)}")
    assert "tripped by charge of shop" in plain(answer)
    assert f'href="/traces/{trace_id(1)}#s-{span_id(2)}"' in answer.text
    bare = get(full, f"/traces/{trace_id(2)}/spans/{span_id(12)}?bare=1")
    assert f'href="/traces/{trace_id(1)}#s-{span_id(2)}"' in bare.text


def test_the_trace_that_tripped_a_breaker_or_was_interrupted_leads_on(full: Stored) -> None:
    tripped = get(full, f"/traces/{trace_id(1)}")
    assert "This trace tripped a breaker; what it then rejected: circuit_breaker rejected of shop" in plain(tripped)
    assert f'href="/traces/{trace_id(2)}#s-{span_id(12)}"' in tripped.text
    interrupted = get(full, f"/traces/{trace_id(7)}")
    assert "This trace was interrupted; what went on with it: fulfil of shop" in plain(interrupted)
    assert f'href="/traces/{trace_id(8)}#s-{span_id(801)}"' in interrupted.text


def test_a_link_to_what_never_arrived_leads_nowhere_and_says_so(full: Stored) -> None:
    full.spans(S(950, "circuit_breaker rejected", None, trace=90, links=[(91, 1, {})]))
    answer = get(full, f"/traces/{trace_id(90)}")
    assert "nothing of that trace is stored" in answer.text
    assert f"/traces/{trace_id(91)}" not in answer.text


def test_recoveries_features_and_resumed_operations(full: Stored) -> None:
    answer = get(full, "/recoveries")
    text = plain(answer)
    for part in ("transcribe shop fallback › cached recovered 1", "no ranking", "order-4711 fulfil shop success 1",
                 "reconnect strategy shop failed"):  # fmt: skip
        assert part in text, part
    assert f'href="/traces/{trace_id(7)}#s-{span_id(701)}"' in answer.text, (
        "its steps arrived, so the run can be looked at"
    )


def test_a_resumed_run_leads_to_the_interrupted_one(full: Stored) -> None:
    answer = get(full, f"/traces/{trace_id(8)}")
    assert "goes on from the interrupted run in trace" in plain(answer)
    assert "the span itself has not arrived" in plain(answer)
    assert get(full, f"/traces/{trace_id(7)}").status_code == 200


def test_waits_are_rows_between_the_attempts(full: Stored) -> None:
    text = get(full, f"/traces/{trace_id(50)}").text
    order = [
        text.index(part) for part in (">attempt 1<", "waited 108 ms", ">attempt 2<", "waited 210 ms", ">attempt 3<")
    ]
    assert order == sorted(order)
    assert "gave up after attempt 3: no attempt was left" in text
    assert "dated back to its beginning" in text


def test_the_overview_and_the_report_have_them_too(full: Stored, tmp_path: Path) -> None:
    overview = get(full, "/").text
    assert 'href="/breakers"' in overview
    assert 'class="strip"' in overview
    report = write_report(full.queries, tmp_path / "report.html").read_text("utf-8")
    for part in (
        "Retries",
        "Circuit breakers",
        "What was recovered",
        "Resumed operations",
        'class="strip"',
        "waited 210 ms",
    ):
        assert part in report, part
    anchors = set(re.findall(r'id="([^"]+)"', report))
    assert {target[1:] for target in re.findall(r'href="([^"]*)"', report)} <= anchors


@pytest.mark.parametrize("view", ["retries", "breakers", "recoveries"])
def test_a_service_without_any_of_it_is_told_where_it_comes_from(stored: Stored, view: str) -> None:
    assert "trax-otel run --local" in get(stored, f"/{view}").text
    stored.spans(S(1, "GET /"))
    assert f"No {view} have been reported" in get(stored, f"/{view}").text
    assert f"No {view} fit this search" in get(stored, f"/{view}?text=none").text


def test_nothing_that_telemetry_says_becomes_markup(stored: Stored) -> None:
    named, feature = {semconv.BREAKER_NAME: ATTACK}, {semconv.FEATURE_NAME: ATTACK}
    own = {semconv.RECOVERY_STRATEGY: ATTACK, semconv.RECOVERY_OUTCOME: ATTACK, semconv.OPERATION_NAME: ATTACK,
           semconv.STATE_OPERATION_ID: ATTACK, semconv.STATE_RECOVERIES: ATTACK}  # fmt: skip
    event = changed(ATTACK, 1, ATTACK, ATTACK, ATTACK)
    wait = (semconv.RETRY_SCHEDULED_EVENT, 5, {semconv.RETRY_ATTEMPT: 1, semconv.RETRY_DELAY: 1.0,
                                               semconv.RETRY_DELAY_SOURCE: ATTACK, semconv.ERROR_CODE: ATTACK})  # fmt: skip
    stored.spans(
        S(1, "recover", None, attributes=own, events=[event, wait], links=[(2, 2, {ATTACK: ATTACK})]),
        S(2, "fallback", 1, attributes={semconv.RECOVERY_FALLBACK: ATTACK, semconv.RECOVERY_OUTCOME: "recovered"}),
        S(3, "attempt", 1, 0, 4, attributes={semconv.RETRY_ATTEMPT: 1, semconv.RETRY_BACKDATED: True}),
    )
    stored.logs(
        L(ATTACK, 2, attributes={**named, semconv.BREAKER_STATE: ATTACK}, event=semconv.BREAKER_STATE_CHANGED_EVENT)
    )
    stored.metrics(states(ATTACK, (0, "closed"))).metrics(gauges(semconv.FEATURE_LEVELS, (0, 1, feature)))
    stored.metrics(gauges(semconv.BREAKER_STATES, (1, 1, {**named, semconv.BREAKER_STATE: ATTACK})))
    stored.metrics(sums(semconv.BREAKER_CALLS, (1, 1, {**named, semconv.OUTCOME: ATTACK})))
    stored.metrics(retried(ATTACK, **{ATTACK: 1}))
    for path in ("/", "/retries", "/breakers", "/recoveries", f"/traces/{trace_id(1)}", "/report.html"):
        answer = get(stored, path)
        assert answer.status_code == 200
        assert ATTACK[3:20] not in answer.text, path
        assert "onerror=alert(2)>" not in answer.text, path
        assert "665431613" not in answer.text, path


def test_a_long_trace_of_retries_stays_quick(stored: Stored) -> None:
    stored.spans(*long_trace(300), *failing_checkout(50, 5_000))
    answer = get(stored, f"/traces/{trace_id(50)}")
    assert answer.text.count('class="row wait') == 2
    assert 'class="more"' not in answer.text, "details are fetched when they are asked for"
