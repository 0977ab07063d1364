"""A trace's spans in the order of the tree, and what happened in each; the same for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .. import semconv
from .attempts import adopt
from .model import Event, Log, Span


@dataclass
class Node:
    """A span at its place in the tree; `below` counts all spans under it.

    `by_time`: it stands below a first attempt because it ran then; its parent is the operation.
    """

    span: Span
    depth: int
    below: int = 0
    by_time: bool = False


def nodes(spans: Sequence[Span]) -> list[Node]:
    """Every span once, parents before children, siblings by start; what ran in a back-dated attempt's time below that.

    A span whose parent is not here is a root; so is one of each circle of parents, which only a broken sender makes.
    """
    known = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in sorted(spans, key=lambda entry: entry.start_ns):
        children.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    moved = adopt(children)
    placed: list[Node] = []
    seen: set[str] = set()
    _place(children.get(None, []), children, placed, seen)
    for span in spans:
        if span.span_id not in seen:
            _place([span], children, placed, seen)
    for node in placed:
        node.by_time = node.span.span_id in moved
    _count(placed)
    return placed


def _place(roots: Iterable[Span], children: dict[str | None, list[Span]], placed: list[Node], seen: set[str]) -> None:
    waiting = [(span, 0) for span in reversed(list(roots))]
    while waiting:  # not recursive: a trace may be deeper than Python's stack
        span, depth = waiting.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        placed.append(Node(span, depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]


def _count(placed: Sequence[Node]) -> None:
    above: list[Node] = []
    counted: list[int] = []
    for index, node in enumerate(placed):
        while above and above[-1].depth >= node.depth:
            _close(above, counted, index)
        above.append(node)
        counted.append(index)
    while above:
        _close(above, counted, len(placed))


def _close(above: list[Node], counted: list[int], index: int) -> None:
    above.pop().below = index - counted.pop() - 1


def bounds(spans: Sequence[Span]) -> tuple[int, int]:
    """When the first span began and the last ended; `spans` is not empty."""
    return min(span.start_ns for span in spans), max(max(span.end_ns, span.start_ns) for span in spans)


def logs_by_span(spans: Sequence[Span], logs: Iterable[Log]) -> dict[str | None, list[Log]]:
    """Log records by the span they were written in, oldest first; under None those whose span is not here."""
    known = {span.span_id for span in spans}
    found: dict[str | None, list[Log]] = {}
    for log in sorted(logs, key=lambda entry: entry.time_ns):
        found.setdefault(log.span_id if log.span_id in known else None, []).append(log)
    return found


def happenings(span: Span, logs: Sequence[Log]) -> list[Event | Log]:
    """A span's events and log records by time; an event that only mirrors one of the records is left out."""
    bodies = {log.body for log in logs}
    events = [
        event
        for event in span.events
        if event.name != semconv.LOG_EVENT or str(event.attributes.get(semconv.LOG_MESSAGE)) not in bodies
    ]
    return sorted([*events, *logs], key=lambda entry: entry.time_ns)
