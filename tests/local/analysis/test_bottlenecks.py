"""Where the time goes, and calls that one span repeats."""

from __future__ import annotations

from typing import Any

import pytest

from support.stored import MS, S, Stored, trace_id
from trax_otel.local.analysis import bottlenecks
from trax_otel.local.analysis.bottlenecks import Bottleneck, RepeatedCall, slowest
from trax_otel.local.model import Filter

ORDER = [
    # 100 ms, of which two calls cover 10–50 (they overlap from 20 to 40) and one 60–110, beyond its parent's end.
    S(1, "GET /order", None, 0, 100, kind="server"),
    S(2, "SELECT", 1, 10, 30, kind="client", service="db"),
    S(3, "render", 1, 20, 30),
    S(4, "send mail", 1, 60, 50, kind="producer"),
]


def found(stored: Stored, **wanted: Any) -> dict[str, Bottleneck]:
    return {one.operation: one for one in slowest(stored.queries, Filter(**wanted))[0]}


def calls(stored: Stored, **wanted: Any) -> list[RepeatedCall]:
    return slowest(stored.queries, Filter(**wanted))[1]


def test_an_empty_store_has_none(stored: Stored) -> None:
    assert slowest(stored.queries, Filter()) == ([], [])


def test_own_time_is_without_what_runs_below(stored: Stored) -> None:
    told = found(stored.spans(*ORDER))
    own = {name: one.own_ns // MS for name, one in told.items()}
    assert own == {"send mail": 50, "SELECT": 30, "render": 30, "GET /order": 100 - (50 - 10) - (100 - 60)}
    assert list(told) == ["send mail", "SELECT", "render", "GET /order"], "the largest first, then by service"
    order = told["GET /order"]
    assert (order.count, order.total_ns, order.kind, order.service) == (1, 100 * MS, "server", "shop")
    assert order.share == pytest.approx(20 / 130)
    assert (order.waits_for, order.waits_ns) == ("send mail", 40 * MS), "as far as it lay inside the request"
    assert (told["SELECT"].waits_for, told["SELECT"].waits_ns) == ("", 0)
    assert order.slowest_trace_id == trace_id(1)


def test_a_filter_chooses_what_is_told_but_what_runs_below_still_is_no_own_time(stored: Stored) -> None:
    stored.spans(*ORDER)
    told = found(stored, operation="GET /order")
    assert list(told) == ["GET /order"]
    assert (told["GET /order"].own_ns, told["GET /order"].share) == (20 * MS, 1.0)
    assert list(found(stored, service="db")) == ["SELECT"]
    assert list(found(stored, min_duration_ns=50 * MS)) == ["send mail", "GET /order"]
    assert found(stored, trace_id="f" * 32) == {}
    assert len(found(stored, trace_id=trace_id(1)[:6])) == 4
    assert found(stored, until_ns=1) == {}
    assert list(found(stored, limit=1)) == ["send mail"]


def test_the_95th_percentile_is_exact_and_the_slowest_trace_named(stored: Stored) -> None:
    stored.spans(*(S(number, "job", None, number, number, number) for number in range(1, 101)))
    job = found(stored)["job"]
    assert (job.count, job.own_ns, job.p95_own_ns) == (100, 5_050 * MS, 95 * MS)
    assert job.slowest_trace_id == trace_id(100)


def test_clocks_that_jump_make_no_negative_time(stored: Stored) -> None:
    stored.spans(
        S(1, "back", None, 100, -90), S(2, "inside", 1, 50, 10), S(3, "before", 1, -500, 20), S(4, "own", 4, 0, 5)
    )
    told = found(stored)
    assert {name: one.own_ns // MS for name, one in told.items()} == {"before": 20, "inside": 10, "own": 5, "back": 0}
    assert told["back"].waits_ns == 0


def test_two_spans_that_bear_one_id_by_mistake_do_not_end_it(stored: Stored) -> None:
    stored.spans(S(1, "a", None, 0, 10), S(1, "b", None, 5, 10), S(2, "c", 1, 6, 2))
    assert {name: one.own_ns // MS for name, one in found(stored).items()} == {"a": 8, "b": 8, "c": 2}


def test_a_call_that_one_span_makes_five_times_is_told(stored: Stored) -> None:
    loop = [S(10 + step, "SELECT item", 1, step * 10, 4, service="db") for step in range(5)]
    stored.spans(S(1, "GET /list", None, 0, 100), *loop, *(S(20 + step, "cache", 1, step, 1) for step in range(4)))
    stored.spans(S(1, "GET /list", None, 0, 100, 2), *(S(30 + step, "SELECT item", 1, step, 2, 2) for step in range(7)))
    (one,) = calls(stored)
    assert one == RepeatedCall("shop", "GET /list", "SELECT item", 7, 2, (5 * 4 + 7 * 2) * MS, trace_id(2))
    assert calls(stored, operation="cache") == []


def test_traces_are_read_in_pieces_and_a_huge_one_from_its_beginning(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bottlenecks, "TRACES_AT_A_TIME", 3)
    monkeypatch.setattr(bottlenecks, "MOST_SPANS", 4)
    for trace in range(1, 9):
        stored.spans(*(S(trace * 10 + step, "step", None, step, 1, trace) for step in range(3)))
    assert found(stored)["step"].count == 24
    stored.spans(*(S(900 + step, "many", None, step, 1, 99) for step in range(6)))
    told = found(stored)
    assert (told["step"].count, told["many"].count) == (24, 4)
