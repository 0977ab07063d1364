"""Breakers over time, by their gauges and events."""

from __future__ import annotations

import pytest

from support.stored import MS, SECOND, L, S, Stored, ns, span_id, trace_id
from support.stored_resilience import bank_metrics, changed, states, tripped_bank
from trax_otel import semconv
from trax_otel.local.model import Filter
from trax_otel.local.resilience import BreakerStats
from trax_otel.local.resilience.strips import bars, cells, in_words, window


@pytest.fixture
def bank(stored: Stored) -> BreakerStats:
    stored.spans(*tripped_bank())
    for body in bank_metrics():
        stored.metrics(body)
    (bank,) = stored.queries.breakers()
    return bank


def shape(breaker: BreakerStats) -> list[tuple[str, float, float]]:
    """(state, from, to) in milliseconds after BEGIN."""
    return [(one.state, (one.start_ns - ns(0)) / MS, (one.end_ns - ns(0)) / MS) for one in breaker.stretches]


def test_a_breaker_tells_its_state_trips_and_calls(bank: BreakerStats) -> None:
    assert (bank.name, bank.service, bank.state, bank.trips, bank.calls["rejected"]) == ("bank", "shop", "closed", 1, 7)
    assert bank.since_ns == ns(40_110)
    assert bank.calls["failure"] == 5


def test_events_say_exactly_when_a_state_began_and_samples_that_it_held(bank: BreakerStats) -> None:
    assert shape(bank) == [
        ("closed", 5_000, 10_000), ("open", 10_000, 40_010), ("half_open", 40_010, 40_110), ("closed", 40_110, 60_000),
    ]  # fmt: skip


def test_changes_lead_to_the_span_that_made_them(bank: BreakerStats) -> None:
    opened = bank.changes[0]
    assert (opened.before, opened.state, opened.reason, opened.open_for_ns) == (
        "closed",
        "open",
        "failures",
        30 * SECOND,
    )
    assert (opened.trace_id, opened.span_id) == (trace_id(1), span_id(2))


def test_without_events_the_samples_tell(stored: Stored) -> None:
    stored.metrics(states("bank", (0, "closed"), (10_000, "open"), (20_000, "open"), (30_000, "half_open")))
    (bank,) = stored.queries.breakers()
    assert shape(bank) == [("closed", 0, 10_000), ("open", 10_000, 30_000), ("half_open", 30_000, 30_000)]
    assert bank.trips == 0


def test_without_metrics_the_events_tell(stored: Stored) -> None:
    stored.spans(*tripped_bank())
    (bank,) = stored.queries.breakers()
    assert [one.state for one in bank.stretches] == ["closed", "open", "half_open", "closed"]
    assert bank.trips == 1
    assert bank.calls == {}


def test_a_change_outside_of_any_span_is_a_log_record(stored: Stored) -> None:
    _, at, attributes = changed("bank", 1_000, "closed", "isolated", "manual")
    stored.metrics(states("bank", (0, "closed")))
    stored.logs(L("", at, attributes=attributes, event=semconv.BREAKER_STATE_CHANGED_EVENT))
    (bank,) = stored.queries.breakers()
    assert (bank.state, bank.changes[0].reason, bank.changes[0].trace_id) == ("isolated", "manual", None)


def test_a_state_goes_on_while_its_process_may_live(stored: Stored) -> None:
    stored.metrics(states("bank", (0, "closed"), (10_000, "open")))
    stored.spans(S(1, "later", at=70_000))
    assert shape(stored.queries.breakers()[0])[-1] == ("open", 10_000, 70_010)
    stored.spans(S(2, "much later", at=400_000, trace=2))
    assert shape(stored.queries.breakers()[0])[-1] == ("open", 10_000, 10_000), "it may have ended since"


def test_each_process_has_its_own_and_those_that_are_not_closed_come_first(stored: Stored) -> None:
    stored.metrics(states("bank", (0, "closed"), instance="one")).metrics(states("bank", (0, "open"), instance="two"))
    assert [(one.instance, one.state) for one in stored.queries.breakers()] == [("two", "open"), ("one", "closed")]
    assert stored.queries.breakers(Filter(text="nothing")) == []
    assert len(stored.queries.breakers(Filter(operation="bank", service="shop", limit=1))) == 1


def test_breakers_that_share_a_name_show_the_gravest_of_their_states(stored: Stored) -> None:
    stored.metrics(states("bank", (0, "closed"), (10_000, "closed")))
    stored.metrics(states("bank", (10_000, "open")))
    assert shape(stored.queries.breakers()[0]) == [("closed", 0, 10_000), ("open", 10_000, 10_000)]


def test_a_strip_shows_short_and_grave_states(bank: BreakerStats) -> None:
    over = window([bank])
    strip = cells(bank, over, 11)
    assert strip == ["closed", *["open"] * 7, "closed", "closed", "closed"], "the gravest of what a part holds"
    assert in_words(bank) == "closed 5 s, open 30 s, half-open 100 ms, closed 19.9 s"
    assert [(left, width) for left, width, stretch in bars(bank, over) if stretch.state == "open"] == [
        ("9.0909", "54.564")
    ]


def test_a_single_moment_is_a_strip_too(stored: Stored) -> None:
    stored.metrics(states("bank", (0, "open")))
    (bank,) = stored.queries.breakers()
    assert cells(bank, window([bank]), 4)[0] == "open"


def test_finding_the_events_does_not_read_every_span(stored: Stored) -> None:
    from trax_otel.local.schema import RESUMED_SPANS, TELLING_LOGS, TELLING_SPANS

    resumed = RESUMED_SPANS.replace("attributes", "s.attributes")
    for table, condition in (("span", TELLING_SPANS), ("log", TELLING_LOGS), ("span", resumed)):
        plan = stored.queries.rows(
            f"EXPLAIN QUERY PLAN SELECT s.id FROM {table} s JOIN resource r ON r.id = s.resource_id WHERE {condition}"
        )
        assert any("INDEX" in step for *_, step in plan if " s " in f"{step} "), (condition, plan)
