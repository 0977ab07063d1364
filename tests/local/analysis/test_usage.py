"""Who asks what, when, and how often it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.stored import BEGIN, S, Stored
from trax_otel.local.analysis.usage import HOUR_NS, Usage, usage
from trax_otel.local.model import Filter

if TYPE_CHECKING:
    import pytest

HOUR = 3_600_000.0
FIRST = BEGIN // HOUR_NS * HOUR_NS


def asked(number: int, name: str, at: float = 0, **more: Any) -> S:
    return S(number, name, None, at, 5, number, **{"kind": "server", **more})


def found(stored: Stored, **wanted: Any) -> list[Usage]:
    return usage(stored.queries, Filter(**wanted))


def test_an_empty_store_has_none(stored: Stored) -> None:
    assert found(stored) == []


def test_what_came_in_is_counted_by_operation_and_hour(stored: Stored) -> None:
    stored.spans(asked(1, "GET /a"), asked(2, "GET /a", HOUR), asked(3, "GET /a", HOUR + 1, error="no"))
    stored.spans(
        asked(4, "mail", kind="consumer"), asked(5, "inside", kind="internal"), asked(6, "call", kind="client")
    )
    often, mail = found(stored)
    assert (often.operation, often.count, often.share, often.failed) == ("GET /a", 3, 0.75, 1)
    assert often.hours == ((FIRST, 1), (FIRST + HOUR_NS, 2))
    assert (often.busiest_hour_ns, often.busiest_count) == (FIRST + HOUR_NS, 2)
    assert (mail.operation, mail.share, mail.agents, mail.clients) == ("mail", 0.25, (), ())
    assert [one.count for one in found(stored, errors_only=True)] == [1]
    assert [one.operation for one in found(stored, operation="mail")] == ["mail"]


def test_the_callers_that_ask_most_by_the_attributes_of_today_and_before(stored: Stored) -> None:
    agents = ["curl/8"] * 3 + ["bot/1"] * 2 + [f"a{place}" for place in range(5)]
    stored.spans(
        *(asked(place, "GET /a", attributes={"user_agent.original": name}) for place, name in enumerate(agents, 1))
    )
    stored.spans(asked(50, "GET /a", attributes={"http.user_agent": "bot/1", "net.peer.ip": "192.0.2.7"}))
    stored.spans(asked(51, "GET /a", attributes={"user_agent.original": "", "client.address": 7}))
    (one,) = found(stored)
    assert one.agents == (("bot/1", 3), ("curl/8", 3), ("a0", 1), ("a1", 1), ("a2", 1))
    assert one.clients == (("192.0.2.7", 1), ("7", 1))


def test_hours_and_callers_are_bounded_but_every_request_counts(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trax_otel.local.analysis.rows.MOST_WITHIN", 4)
    monkeypatch.setattr("trax_otel.local.analysis.usage.MOST_HOURS", 2)
    stored.spans(
        *(asked(place, "GET /a", HOUR * place, attributes={"client.address": f"c{place}"}) for place in range(1, 40))
    )
    stored.spans(
        *(asked(50 + place, "GET /a", HOUR, attributes={"client.address": "c1" * 1_000}) for place in range(9))
    )
    (one,) = found(stored)
    assert one.count == 48
    assert len(one.hours) == 2
    assert (one.busiest_hour_ns, one.busiest_count) == (FIRST + HOUR_NS, 10)
    assert one.clients[0] == (("c1" * 1_000)[:500], 9)
    assert len(one.clients) <= 5
