"""Retried operations in a trace: the waits between attempts, and what ran in the time of a first attempt.

A first attempt gets its span only once it has failed, dated back to its beginning: what it did stands under the operation, as
its sibling. Views show that below the attempt, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from .. import semconv
from .formats import duration, shown
from .model import Event, Log, Span
from .words import DELAY_SOURCES, STOP_REASONS, reason, seconds_ns

if TYPE_CHECKING:
    from .tree import Node

NOTICEABLE: Final = 0.1
"""A wait that differs from the planned one by more than this share says so."""


@dataclass(frozen=True)
class Wait:
    """The time between two attempts, or after the last one where no further one came (`then` says why)."""

    operation_id: str
    depth: int
    after: int
    """The number of the attempt that failed."""
    start_ns: int
    end_ns: int
    planned_ns: int | None
    source: str
    then: str = ""

    @property
    def text(self) -> str:
        """How long it was, and how long it was meant to be where that is something else."""
        waited, planned = self.end_ns - self.start_ns, self.planned_ns
        text = f"waited {duration(waited)}"
        if planned is None or abs(waited - planned) <= NOTICEABLE * planned + 1_000_000:
            return text
        return f"{text} of {duration(planned)}" if waited < planned else f"{text}, {duration(planned)} were planned"

    @property
    def why(self) -> str:
        """Who chose it, and what followed where that was no attempt."""
        return "; ".join(filter(None, (self.source, self.then)))


def number(span: Span) -> int | None:
    """The number of the attempt that the span is; None where it is none."""
    found = span.attributes.get(semconv.RETRY_ATTEMPT)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def adopt(children: dict[str | None, list[Span]]) -> frozenset[str]:
    """Move what ran in the time of a back-dated attempt below it; returns the ids of the spans that were moved."""
    moved: set[str] = set()
    for siblings in list(children.values()):
        # Siblings without a parent here may be of several operations; each has one such attempt.
        backdated = {span.parent_id: span for span in siblings if span.attributes.get(semconv.RETRY_BACKDATED) is True}
        if not backdated:
            continue
        left = []
        for span in siblings:
            attempt = backdated.get(span.parent_id)
            if attempt is not None and in_its_time(attempt, span):
                children.setdefault(attempt.span_id, []).append(span)
                moved.add(span.span_id)
            else:
                left.append(span)
        siblings[:] = left
        for attempt in backdated.values():
            children.get(attempt.span_id, []).sort(key=lambda span: span.start_ns)
    return frozenset(moved)


def in_its_time(attempt: Span, other: Span) -> bool:
    """Whether another child of its operation began while a back-dated attempt ran."""
    return (
        attempt.parent_id is not None
        and other is not attempt
        and number(other) is None
        and attempt.start_ns <= other.start_ns < attempt.end_ns
    )


def with_waits(placed: Sequence[Node]) -> list[Node | Wait]:
    """The rows of the tree with each wait at its place: before the attempt that ended it, or at the operation's end."""
    before, at_end = _waits(placed)
    rows: list[Node | Wait] = []
    ends: dict[int, list[Wait]] = {}
    for index, node in enumerate(placed):
        rows += ends.pop(index, ())
        if node.span.span_id in at_end:
            # An operation inside another one ends first, and is met last.
            ends.setdefault(index + node.below + 1, []).insert(0, at_end[node.span.span_id])
        if node.span.span_id in before:
            rows.append(before[node.span.span_id])
        rows.append(node)
    for index in sorted(ends):
        rows += ends[index]
    return rows


def _waits(placed: Sequence[Node]) -> tuple[dict[str, Wait], dict[str, Wait]]:
    """Waits by the attempt that ended them, and those that no attempt ended by their operation."""
    attempts: dict[str, list[Node]] = {}
    for node in placed:
        if node.span.parent_id and number(node.span) is not None:
            attempts.setdefault(node.span.parent_id, []).append(node)
    operations = {node.span.span_id: node.span for node in placed if node.span.span_id in attempts}
    before: dict[str, Wait] = {}
    at_end: dict[str, Wait] = {}
    for parent_id, members in attempts.items():
        members.sort(key=lambda node: node.span.start_ns)
        operation = operations.get(parent_id)
        scheduled = _scheduled(operation.events) if operation else {}
        for node, following in zip_longest(members, members[1:]):
            failed = node.span
            event = scheduled.get(shown(number(failed)))
            if following is not None:
                if following.span.start_ns > failed.end_ns:
                    before[following.span.span_id] = _wait(node, failed.end_ns, following.span.start_ns, event)
            elif event is not None and operation is not None and operation.end_ns > failed.end_ns:
                at_end[parent_id] = _wait(node, failed.end_ns, operation.end_ns, event, _end_of(operation))
    return before, at_end


def _scheduled(events: Iterable[Event]) -> dict[str, Event]:
    return {
        shown(event.attributes.get(semconv.RETRY_ATTEMPT)): event
        for event in events
        if event.name == semconv.RETRY_SCHEDULED_EVENT
    }


def _wait(node: Node, start_ns: int, end_ns: int, event: Event | None, then: str = "") -> Wait:
    said = event.attributes if event else {}
    return Wait(
        node.span.parent_id or "", node.depth, number(node.span) or 0, start_ns, end_ns,
        seconds_ns(said.get(semconv.RETRY_DELAY)), reason(DELAY_SOURCES, said, semconv.RETRY_DELAY_SOURCE),
        then,
    )  # fmt: skip


def _end_of(operation: Span) -> str:
    why = reason(STOP_REASONS, operation.attributes, semconv.RETRY_STOP_REASON)
    if not why and operation.attributes.get(semconv.OUTCOME) == "cancelled":
        why = STOP_REASONS["cancelled"]
    return f"no attempt followed: {why}" if why else "no attempt followed"


def told_by_a_wait(entry: Event | Log, waits: Iterable[Wait]) -> bool:
    """Whether the event only announces one of these waits."""
    return (
        isinstance(entry, Event)
        and entry.name == semconv.RETRY_SCHEDULED_EVENT
        and entry.attributes.get(semconv.RETRY_ATTEMPT) in [wait.after for wait in waits]
    )
