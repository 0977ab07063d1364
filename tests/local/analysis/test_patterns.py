"""Errors and warnings that repeat, and whether they grow."""

from __future__ import annotations

from typing import Any

import pytest

from support.stored import L, S, Stored, checkout_logs, failing_checkout, ns, trace_id
from trax_otel import semconv
from trax_otel.local.analysis import patterns as module
from trax_otel.local.analysis import rows
from trax_otel.local.analysis.patterns import Pattern, patterns, trend
from trax_otel.local.model import Filter

HOUR = 3_600_000.0


def found(stored: Stored, **wanted: Any) -> list[Pattern]:
    return patterns(stored.queries, Filter(**wanted))


def lines(body: str, count: int, begin: float, end: float, **more: Any) -> list[L]:
    """Lines evenly over a time; `{}` is their number."""
    return [
        L(body.format(place), begin + (end - begin) * place / count, **{"level": "WARN", **more})
        for place in range(count)
    ]


def failed(id: int, trace: int, at: float, message: str, **more: Any) -> S:
    said = {"error.type": "ValueError", semconv.ERROR_CODE: "TRAX-004", semconv.ERROR_FINGERPRINT: "f1"}
    return S(id, "parse", None, at, 10, trace, error=message, attributes=said, **more)


def test_an_empty_store_has_none(stored: Stored) -> None:
    assert found(stored) == []


def test_lines_that_differ_in_values_are_one_pattern(stored: Stored) -> None:
    stored.logs(
        *lines("disk {} is nearly full", 6, 0, HOUR), *lines("disk {} is full", 2, 0, HOUR, level="ERROR", trace=3)
    )
    stored.logs(
        L("disk 3 is full", HOUR, "ERROR"),
        L("order 1 accepted", 0, "INFO"),
        L("disk 9 is nearly full", 5, "WARN", service="web"),
    )
    often, seldom = found(stored)
    assert (often.template, often.severity, often.services, often.count) == (
        "disk <number> is nearly full", "WARN", ("shop", "web"), 7,
    )  # fmt: skip
    assert often.share == pytest.approx(7 / 10)
    assert (often.first_ns, often.last_ns) == (ns(0), ns(HOUR * 5 / 6))
    assert often.example == "disk 0 is nearly full"
    assert (seldom.template, seldom.count, seldom.example_trace_id) == ("disk <number> is full", 3, trace_id(3))
    assert [one.count for one in found(stored, errors_only=True)] == [3]
    assert [one.count for one in found(stored, service="web")] == [1]
    assert [one.count for one in found(stored, limit=1)] == [7]


def test_an_error_counts_once_over_spans_and_lines(stored: Stored) -> None:
    stored.spans(*failing_checkout()).logs(*checkout_logs())
    told = {(one.code, one.template): one.count for one in found(stored)}
    errors = {(entry.code, entry.count) for entry in stored.queries.errors()}
    assert {(code, count) for (code, _), count in told.items() if code} == errors
    assert told["", "payment failed, attempt <number> of <number>: [Errno <number>] Connection refused"] == 1


def test_errors_of_one_fingerprint_are_one_pattern_whatever_they_say_and_whoever_says_it(stored: Stored) -> None:
    stored.spans(failed(1, 1, 0, "row 7 is bad"), failed(2, 2, HOUR, "column b is bad", service="web"))
    (one,) = found(stored)
    assert (one.code, one.type, one.fingerprint, one.count) == ("TRAX-004", "ValueError", "f1", 2)
    assert (one.services, one.template) == (("shop", "web"), "row <number> is bad")
    assert found(stored, code="TRAX-001") == []
    assert len(found(stored, code="TRAX-004")) == 1


def test_a_warning_of_a_handled_exception_is_a_line_but_not_where_the_error_was_recorded(stored: Stored) -> None:
    handled = {"exception.type": "KeyError"}
    stored.logs(L("cache missed", 0, "WARN", attributes=handled))
    stored.logs(L("said before", 0, "WARN", attributes={**handled, semconv.ERROR_RECORDED: True}))
    assert [(one.template, one.type) for one in found(stored)] == [("cache missed", "")]
    stored.logs(L("failed", 0, "ERROR", attributes={"exception.type": "OSError"}))
    assert [(one.template, one.type, one.count) for one in found(stored)][1:] == [("failed", "OSError", 1)], (
        "no line too"
    )


def test_a_pattern_leads_to_its_newest_trace(stored: Stored) -> None:
    stored.logs(*(L("slow", place, "WARN", trace) for place, trace in enumerate((3, 4, None))))
    stored.spans(failed(1, 5, 0, "bad"), failed(2, 6, 2, "bad"))
    assert {one.template: one.example_trace_id for one in found(stored)} == {"slow": trace_id(4), "bad": trace_id(6)}


@pytest.mark.parametrize(
    ("earlier", "later", "told"),
    [(0, 8, "steady"), (0, 9, "new"), (9, 0, "gone"), (8, 0, "steady"), (100, 147, "steady"), (100, 148, "growing"),
     (148, 100, "falling"), (1, 1, "steady"), (4, 19, "growing")],
)  # fmt: skip
def test_a_trend_is_what_chance_does_not_make(earlier: int, later: int, told: str) -> None:
    """Three standard deviations of the difference of two Poisson counts: 3 · √(earlier + later)."""
    assert trend(earlier, later) == told


def test_trends_compare_the_halves_of_the_time_for_lines_and_errors(stored: Stored) -> None:
    stored.logs(*lines("steady {}", 100, 0, 2 * HOUR), *lines("new {}", 20, HOUR * 1.1, 2 * HOUR))
    stored.logs(*lines("gone {}", 20, 0, HOUR * 0.9))
    stored.spans(*(failed(number, number, HOUR * 1.5 + number, "bad") for number in range(1, 21)))
    assert {one.template: one.trend for one in found(stored)} == {
        "steady <number>": "steady", "new <number>": "new", "gone <number>": "gone", "bad": "new",
    }  # fmt: skip


def test_a_few_wrong_clocks_do_not_make_a_trend(stored: Stored) -> None:
    stored.logs(*lines("steady {}", 300, 0, HOUR), *lines("no time {}", 5, -ns(0) / 1e6, -ns(0) / 1e6))
    stored.logs(L("far off", 10**12, "WARN"))
    told = {one.template: one for one in found(stored)}
    assert told["steady <number>"].trend == "steady"
    assert told["no time <number>"].first_ns == 0


def test_records_without_any_time_are_counted_once(stored: Stored) -> None:
    at = -ns(0) / 1e6
    stored.logs(*lines("when {}", 3, at, at)).spans(S(1, "parse", None, at, 0, error="bad"))
    assert [(one.template, one.count) for one in found(stored)] == [("when <number>", 3), ("bad", 1)]


def test_hostile_bodies_neither_fail_nor_fill_the_memory(stored: Stored) -> None:
    stored.logs(
        L("x" * 1_000_000, 0, "WARN"), L("", 0, "WARN"), L("\x00\x1b[2J 5", 0, "WARN"), L("é" * 3_000, 0, "ERROR")
    )
    told = {one.template[:9]: one for one in found(stored)}
    assert set(told) == {"x" * 9, "", "\x00\x1b[2J <nu", "é" * 9}
    assert {len(one.template) for one in told.values()} == {500, 0, 14}
    assert max(len(one.example) for one in told.values()) == 500


def test_what_is_frequent_is_found_among_more_kinds_than_are_counted(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_A_TIME", 7)
    monkeypatch.setattr(module, "MOST_GROUPS", 10)
    word = str.maketrans("0123456789", "abcdefghij")
    for place in range(200):
        stored.logs(L(f"thing {place}".translate(word), place, "WARN"), L("often", place, "WARN"))
    often, *others = found(stored)
    assert (often.template, often.count, often.share) == ("often", 200, 0.5)
    assert len(others) <= 10
