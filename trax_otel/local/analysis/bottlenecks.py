"""Where the time goes: each operation's own time, without what runs below it, and calls that one span repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..filters import span_conditions
from ..model import Filter
from ..queries import Queries
from ..records import kind_name

REPEATED: Final = 5
"""So many calls of one name under one span are worth a look."""
TRACES_AT_A_TIME: Final = 500


class _Row(NamedTuple):
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    service: str
    start: int
    end: int
    failed: bool


@dataclass(frozen=True)
class Bottleneck:
    """An operation and the time that it spent itself. `waits_for` names the operation below it that took the longest."""

    service: str
    operation: str
    kind: str
    count: int
    own_ns: int
    total_ns: int
    share: float
    p95_own_ns: int
    waits_for: str
    waits_ns: int
    slowest_trace_id: str


@dataclass(frozen=True)
class RepeatedCall:
    """One operation called many times by one span of another: mostly a query in a loop (N+1)."""

    service: str
    operation: str
    call: str
    most: int
    times: int
    total_ns: int
    example_trace_id: str


@dataclass
class _Sums:
    own: list[int] = field(default_factory=list)
    total: int = 0
    slowest: tuple[int, str] = (-1, "")
    below: Counter[str] = field(default_factory=Counter)


def bottlenecks(queries: Queries, wanted: Filter) -> list[Bottleneck]:
    """Operations by their own time, the largest first."""
    sums: dict[tuple[str, str, int], _Sums] = {}
    for spans in _traces(queries, wanted):
        children = _children(spans)
        for span in spans:
            below = children.get(span.span_id, [])
            own = (span.end - span.start) - covered(span, below)
            entry = sums.setdefault((span.service, span.name, span.kind), _Sums())
            entry.own.append(own)
            entry.total += span.end - span.start
            entry.slowest = max(entry.slowest, (own, span.trace_id))
            for child in below:
                entry.below[child.name] += child.end - child.start
    everything = sum(sum(entry.own) for entry in sums.values())
    found = []
    for (service, name, kind), entry in sums.items():
        own, (waits_for, waits) = sum(entry.own), (entry.below.most_common(1) or [("", 0)])[0]
        p95 = sorted(entry.own)[max(0, -(-len(entry.own) * 95 // 100) - 1)]
        found.append(Bottleneck(service, name, kind_name(kind), len(entry.own), own, entry.total,
                                own / everything if everything else 0.0, p95, waits_for, waits, entry.slowest[1]))  # fmt: skip
    found.sort(key=lambda one: (-one.own_ns, one.service, one.operation))
    return found[: wanted.limit]


def repeated_calls(queries: Queries, wanted: Filter) -> list[RepeatedCall]:
    """Calls that one span made at least five times, the most costly first."""
    worst: dict[tuple[str, str, str], list[Any]] = {}
    for spans in _traces(queries, wanted):
        for parent_id, below in _children(spans).items():
            for name, count in Counter(child.name for child in below).items():
                if count < REPEATED:
                    continue
                parent = next(span for span in spans if span.span_id == parent_id)
                entry = worst.setdefault((parent.service, parent.name, name), [0, 0, 0, ""])
                entry[1] += 1
                entry[2] += sum(child.end - child.start for child in below if child.name == name)
                if count > entry[0]:
                    entry[0], entry[3] = count, parent.trace_id
    found = [RepeatedCall(*key, *entry) for key, entry in worst.items()]
    found.sort(key=lambda one: (-one.total_ns, one.service, one.operation, one.call))
    return found[: wanted.limit]


def covered(span: Any, below: Iterable[Any]) -> int:
    """How much of a span's time its children cover together, where they overlap once."""
    reached, taken = span.start, 0
    for child in sorted(below, key=lambda one: one.start):
        start, end = max(child.start, reached), min(child.end, span.end)
        if end > start:
            taken += end - start
            reached = end
    return taken


def _children(spans: list[_Row]) -> dict[str, list[_Row]]:
    ids = {span.span_id for span in spans}
    found: dict[str, list[_Row]] = {}
    for span in spans:
        if span.parent_id in ids and span.parent_id != span.span_id:
            found.setdefault(str(span.parent_id), []).append(span)
    return found


def _traces(queries: Queries, wanted: Filter) -> Iterator[list[_Row]]:
    """The chosen spans, a trace at a time, and of each trace all that was chosen."""
    where, values = span_conditions(wanted)
    after = ""
    while ids := queries.rows(
        "SELECT trace_id FROM trace WHERE trace_id > ? ORDER BY trace_id LIMIT ?", (after, TRACES_AT_A_TIME)
    ):
        first, last = ids[0][0], ids[-1][0]
        together = f"{where} AND" if where else "WHERE"
        spans: dict[str, list[_Row]] = {}
        for row in queries.rows(
            "SELECT s.trace_id, s.span_id, s.parent_id, s.name, s.kind, r.service, s.start_ns, s.end_ns, s.status = 2 FROM span s"
            f" JOIN resource r ON r.id = s.resource_id {together} s.trace_id BETWEEN ? AND ?",
            (*values, first, last),
        ):
            spans.setdefault(row[0], []).append(_Row(*row))
        yield from spans.values()
        after = last
