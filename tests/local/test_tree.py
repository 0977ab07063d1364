"""The order of a trace's spans, and what happened in each."""

from __future__ import annotations

from dataclasses import replace

from trax_otel.local.model import Event, Log, Span
from trax_otel.local.tree import bounds, happenings, logs_by_span, nodes


def span(span_id: str, parent: str | None = None, start: int = 0, end: int = 10) -> Span:
    return Span("t", span_id, parent, span_id, "internal", "s", "", start, end, "unset", "", None, None, {}, (), (), {})


def log(body: str, span_id: str | None, at: int = 0) -> Log:
    return Log(1, at, "INFO", 9, body, "l", "", "s", "t", span_id, None, {}, {})


def shape(*spans: Span) -> list[tuple[str, int, int]]:
    return [(node.span.span_id, node.depth, node.below) for node in nodes(spans)]


def test_parents_come_before_children_and_siblings_by_start() -> None:
    found = shape(span("b", "a", 5), span("a"), span("c", "a", 1), span("d", "b", 6))
    assert found == [("a", 0, 3), ("c", 1, 0), ("b", 1, 1), ("d", 2, 0)]


def test_spans_without_their_parent_are_roots() -> None:
    assert shape(span("a", "lost", 3), span("b", None, 1), span("c", "c", 9)) == [("b", 0, 0), ("a", 0, 0), ("c", 0, 0)]


def test_parents_in_a_circle_are_shown_once() -> None:
    assert shape(span("r"), span("a", "b", 1), span("b", "a", 2)) == [("r", 0, 0), ("a", 0, 1), ("b", 1, 0)]


def test_a_chain_may_be_deeper_than_the_stack() -> None:
    chain = [span(str(number), str(number - 1) if number else None, number) for number in range(5_000)]
    found = nodes(chain)
    assert (found[-1].depth, found[0].below, len(found)) == (4_999, 4_999, 5_000)


def test_the_bounds_hold_every_span() -> None:
    assert bounds([span("a", start=5, end=9), span("b", start=3, end=1)]) == (3, 9)


def test_logs_stand_with_their_span_or_with_none() -> None:
    found = logs_by_span(
        [span("a")], [log("late", "a", 9), log("early", "a", 1), log("loose", None), log("away", "z", 1)]
    )
    assert [entry.body for entry in found["a"]] == ["early", "late"]
    assert [entry.body for entry in found[None]] == ["loose", "away"]


def test_an_event_that_mirrors_a_log_record_is_left_out() -> None:
    mirrored = Event("log", 2, {"log.message": "said"})
    alone = Event("log", 3, {"log.message": "only here"})
    held = replace(span("a"), events=(alone, mirrored))
    assert happenings(held, [log("said", "a", 1)]) == [log("said", "a", 1), alone]
