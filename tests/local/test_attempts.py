"""The waits between attempts, and what ran in the time of a back-dated one."""

from __future__ import annotations

from typing import Any

from trax_otel import semconv
from trax_otel.local.attempts import Wait, with_waits
from trax_otel.local.model import Event, Span
from trax_otel.local.tree import nodes

MS = 1_000_000


def span(
    name: str, parent: str | None, start: int, end: int, events: tuple[Event, ...] = (), **attributes: Any
) -> Span:
    """Times in milliseconds."""
    own = {f"trax.{key.replace('__', '.')}": value for key, value in attributes.items()}
    return Span(
        "t", name, parent, name, "internal", "s", "", start * MS, end * MS, "unset", "", None, None, own, events, (), {}
    )


def attempt(number: int, start: int, end: int, parent: str = "op", **more: Any) -> Span:
    return span(f"{parent} {number}", parent, start, end, retry__attempt=number, **more)


def scheduled(number: Any, at: int, delay: Any, source: Any = "backoff") -> Event:
    said = {semconv.RETRY_ATTEMPT: number, semconv.RETRY_DELAY: delay, semconv.RETRY_DELAY_SOURCE: source}
    return Event(semconv.RETRY_SCHEDULED_EVENT, at * MS, said)


def rows(*spans: Span) -> list[str]:
    """The rows with their depth, waits in words."""
    return [
        f"{row.depth} {row.text}" if isinstance(row, Wait) else f"{row.depth} {row.span.span_id}"
        for row in with_waits(nodes(spans))
    ]


def test_a_wait_stands_before_the_attempt_that_ended_it() -> None:
    op = span("op", None, 0, 500, (scheduled(1, 10, 0.09), scheduled(2, 120, 0.3)))
    assert rows(op, attempt(1, 0, 10), attempt(2, 100, 120), attempt(3, 420, 500)) == [
        "0 op", "1 op 1", "1 waited 90 ms", "1 op 2", "1 waited 300 ms", "1 op 3",
    ]  # fmt: skip


def test_a_wait_that_was_longer_than_planned_says_so() -> None:
    op = span("op", None, 0, 500, (scheduled(1, 10, 0.02),))
    assert "1 waited 90 ms, 20 ms were planned" in rows(op, attempt(1, 0, 10), attempt(2, 100, 120))


def test_a_wait_stands_without_its_event_too() -> None:
    found = with_waits(nodes([attempt(1, 0, 10), attempt(2, 100, 120)]))
    (wait,) = (row for row in found if isinstance(row, Wait))
    assert (wait.text, wait.why, wait.after) == ("waited 90 ms", "", 1)


def test_a_wait_that_no_attempt_followed_ends_with_the_operation() -> None:
    op = span("op", None, 0, 300, (scheduled(1, 10, 5.0, "retry_after"),), outcome="cancelled")
    found = with_waits(nodes([op, attempt(1, 0, 10), span("after", None, 400, 410)]))
    (wait,) = (row for row in found if isinstance(row, Wait))
    assert wait.text == "waited 290 ms of 5 s"
    assert wait.why == "as long as the peer asked (Retry-After); no attempt followed: it was cancelled"
    assert found.index(wait) == 2, "before what comes after the operation"


def test_what_ran_in_a_back_dated_attempts_time_stands_below_it() -> None:
    spans = [
        span("op", None, 0, 500), attempt(1, 0, 50, retry__backdated=True), span("call", "op", 10, 40),
        span("deep", "call", 15, 20), attempt(2, 100, 200), span("inside 2", "op 2", 110, 120), span("late", "op", 300, 310),
    ]  # fmt: skip
    placed = nodes(spans)
    assert [(node.depth, node.span.span_id, node.by_time) for node in placed] == [
        (0, "op", False), (1, "op 1", False), (2, "call", True), (3, "deep", False), (1, "op 2", False), (2, "inside 2", False),
        (1, "late", False),
    ]  # fmt: skip
    assert [node.below for node in placed] == [6, 2, 1, 0, 1, 0, 0]


def test_nested_retries_keep_their_own_waits() -> None:
    outer = span("op", None, 0, 900, (scheduled(1, 400, 0.1),))
    inner = span("in", "op", 10, 390, (scheduled(1, 20, 0.1), scheduled(2, 200, 5.0)))
    found = rows(outer, attempt(1, 0, 400, retry__backdated=True), inner, attempt(1, 10, 20, "in", retry__backdated=True),
                 attempt(2, 120, 200, "in"), attempt(2, 500, 900))  # fmt: skip
    assert found == [
        "0 op", "1 op 1", "2 in", "3 in 1", "3 waited 100 ms", "3 in 2", "3 waited 190 ms of 5 s", "1 waited 100 ms", "1 op 2",
    ]  # fmt: skip


def test_odd_values_are_borne() -> None:
    op = span("op", None, 0, 500, (scheduled([1], 10, "x", {"a": 1}), scheduled(None, 20, float("nan"))))
    for odd in ([1], "1", None, True, 1.5):
        assert len(rows(op, span("a", "op", 0, 5, retry__attempt=odd, retry__backdated="yes"), attempt(2, 10, 20))) == 3
