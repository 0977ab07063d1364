"""Security events, and what among them looks like an attack."""

from __future__ import annotations

from typing import Any

import pytest

from support.stored import SECOND, L, Stored, ns, trace_id
from trax_otel import semconv
from trax_otel.local.analysis import rows
from trax_otel.local.analysis import security as module
from trax_otel.local.analysis.security import Incident, SecurityEvents, security
from trax_otel.local.model import Filter


def event(at: float, outcome: str = "failure", kind: str = "authentication", **details: Any) -> L:
    """At so many seconds. Details are those of `log_security_event`, `trace` and `service` the record's own."""
    record = {name: details.pop(name) for name in ("trace", "service") if name in details}
    said = {semconv.SECURITY_PREFIX + name: value for name, value in details.items()}
    attributes = {semconv.SECURITY_EVENT: kind, semconv.SECURITY_OUTCOME: outcome, **said}
    return L(f"{kind} {outcome}", at * 1_000, "WARN", logger=semconv.SECURITY_LOGGER, attributes=attributes, **record)


def incidents(stored: Stored, **wanted: Any) -> list[Incident]:
    return security(stored.queries, Filter(**wanted))[0]


def test_an_empty_store_has_none(stored: Stored) -> None:
    assert security(stored.queries, Filter()) == ([], [])


def test_events_are_grouped_by_kind_outcome_actor_and_source(stored: Stored) -> None:
    stored.logs(
        event(0, actor="ann", source="192.0.2.7", trace=1), event(9, actor="ann", source="192.0.2.7", service="web")
    )
    stored.logs(event(5, "success", "access", actor="ann"), L("no event", 0, "ERROR"))
    assert security(stored.queries, Filter())[1] == [
        SecurityEvents(
            "authentication", "failure", "ann", "192.0.2.7", ("shop", "web"), 2, ns(0), ns(9_000), trace_id(1)
        ),
        SecurityEvents("access", "success", "ann", "", ("shop",), 1, ns(5_000), ns(5_000), None),
    ]
    assert [one.count for one in security(stored.queries, Filter(service="web"))[1]] == [1]


def test_five_failures_within_five_minutes_are_a_burst_and_four_are_none(stored: Stored) -> None:
    stored.logs(*(event(place * 75, actor="ann", trace=place + 1) for place in range(5)))
    stored.logs(
        *(event(place, actor="bob") for place in range(4)), *(event(place * 76, actor="eve") for place in range(9))
    )
    traces = tuple(trace_id(place + 1) for place in range(5))
    assert incidents(stored) == [Incident("burst", "authentication", "actor", "ann", 5, ns(0), ns(300_000), traces)]


def test_a_burst_grows_until_five_minutes_pass_and_another_begins(stored: Stored) -> None:
    stored.logs(*(event(place * 60, source="192.0.2.7", actor=f"user{place}") for place in range(10)))
    stored.logs(*(event(841 + place, source="192.0.2.7") for place in range(5)))
    later, first = incidents(stored)
    assert (first.by, first.who, first.count) == ("source", "192.0.2.7", 10)
    assert (first.last_ns - first.first_ns) // SECOND == 540
    assert (later.count, later.first_ns) == (5, ns(841_000))


@pytest.mark.parametrize(("after", "told"), [(300, True), (301, False)])
def test_a_success_soon_after_a_burst_may_be_a_break_in(stored: Stored, after: int, told: bool) -> None:
    stored.logs(*(event(place, actor="ann") for place in range(6)))
    stored.logs(event(5 + after, "success", actor="ann", trace=8), event(6 + after, "success", actor="ann"))
    (one,) = incidents(stored)
    assert one.what == ("success after failures" if told else "burst")
    if told:
        assert (one.count, one.first_ns, one.last_ns) == (7, ns(0), ns((5 + after) * 1_000))
        assert one.trace_ids == (trace_id(8),)


def test_a_success_by_another_or_of_another_kind_is_none(stored: Stored) -> None:
    stored.logs(*(event(place, actor="ann") for place in range(5)))
    stored.logs(event(6, "success", actor="bob"), event(6, "success", "access", actor="ann"))
    assert [one.what for one in incidents(stored)] == ["burst"]


def test_tampering_is_an_incident_at_once_even_by_nobody_known(stored: Stored) -> None:
    stored.logs(event(0, "failure", "tampering"), event(9, "success", "tampering", actor="eve"))
    stored.logs(*(event(500 + place, kind="access") for place in range(9)))
    assert [(one.what, one.by, one.who, one.count) for one in incidents(stored)] == [
        ("tampering", "actor", "eve", 1), ("tampering", "", "", 1),
    ]  # fmt: skip


def test_events_are_put_in_the_order_of_their_times_whatever_arrived_first(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_A_TIME", 2)
    stored.logs(event(9, "success", actor="ann"), *(event(4 - place, actor="ann") for place in range(5)))
    assert [one.what for one in incidents(stored)] == ["success after failures"]


def test_traces_and_watched_actors_are_bounded(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.logs(*(event(place, actor="ann", trace=place + 1) for place in range(50)))
    (burst,) = incidents(stored)
    assert (len(burst.trace_ids), burst.count) == (20, 50)
    stored.logs(event(50, "success", actor="ann", trace=99))
    (success,) = incidents(stored)
    assert (len(success.trace_ids), success.count) == (20, 51)
    assert success.trace_ids[-1] == trace_id(99), "the success is always among them"
    monkeypatch.setattr(module, "MOST_GROUPS", 3)
    stored.logs(*(event(1_000 + place, actor=f"user{place % 4}") for place in range(80)))
    assert {one.who for one in incidents(stored)} == {"ann"}, "forgotten before they failed five times"
    stored.logs(*(event(2_000 + place, actor=f"user{place}" if place % 2 else "eve") for place in range(10)))
    assert {one.who for one in incidents(stored)} == {"ann", "eve"}, "who goes on is not forgotten"


def test_what_only_looks_like_an_event_is_none(stored: Stored) -> None:
    stored.logs(L("x", 0, "WARN", attributes={"note": semconv.SECURITY_EVENT, "other": f'"{semconv.SECURITY_EVENT}"'}))
    stored.logs(event(0, actor="a\x00b\x1b" + "c" * 5_000, source=""))
    (told,) = security(stored.queries, Filter())[1]
    assert told.source == ""
    assert len(told.actor) <= 500
