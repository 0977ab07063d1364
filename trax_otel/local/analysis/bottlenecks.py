"""Where the time goes: each operation's own time, without what runs below it, and calls that one span repeats."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..filters import begin, span_conditions, where
from ..model import Filter
from ..queries import Queries
from ..records import kind_name
from .rows import MOST_GROUPS, add, bounded

REPEATED: Final = 5
"""So many calls of one name under one span are worth a look."""
TRACES_AT_A_TIME: Final = 500
MOST_SPANS: Final = 50_000
"""Of a longer trace so many are looked at, the first ones."""


class _Row(NamedTuple):
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    service: str
    start: int
    end: int
    chosen: bool
    """The filter fits. The others are read too: what runs below a span is not its own time, whatever is asked for."""


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
    """One operation called many times by one span of another: mostly a query in a loop (N+1). `most` is how often at most,
    `spans` how many spans did so."""

    service: str
    operation: str
    call: str
    most: int
    spans: int
    total_ns: int
    example_trace_id: str


@dataclass
class _Operation:
    own: array[int] = field(default_factory=lambda: array("q"))
    total: int = 0
    slowest: tuple[int, str] = (-1, "")
    below: Counter[str] = field(default_factory=Counter)


@dataclass
class _Calls:
    most: int = 0
    spans: int = 0
    total: int = 0
    trace_id: str = ""


_Operations = dict[tuple[str, str, int], _Operation]
_Repeated = dict[tuple[str, str, str], _Calls]


def slowest(queries: Queries, wanted: Filter) -> tuple[list[Bottleneck], list[RepeatedCall]]:
    """Operations by their own time, and calls that one span made at least five times; the most costly first."""
    operations: _Operations = {}
    repeated: _Repeated = {}
    everything = 0
    for spans in _traces(queries, wanted):
        below = _children(spans)
        for span in spans:
            if span.chosen:
                children = below.get(span.span_id, [])
                everything += _add(operations, span, children)
                if len(children) >= REPEATED:
                    _add_calls(repeated, span, children)
    found = [_bottleneck(key, entry, everything) for key, entry in operations.items()]
    found.sort(key=lambda one: (-one.own_ns, one.service, one.operation, one.kind))
    calls = [
        RepeatedCall(*key, entry.most, entry.spans, entry.total, entry.trace_id) for key, entry in repeated.items()
    ]
    calls.sort(key=lambda one: (-one.total_ns, one.service, one.operation, one.call))
    return found[: wanted.limit], calls[: wanted.limit]


def covered(span: _Row, below: Iterable[_Row]) -> int:
    """How much of a span's time its children cover together, where they overlap once."""
    reached, taken = span.start, 0
    for child in sorted(below, key=lambda one: one.start):
        start, end = max(child.start, reached), min(child.end, span.end)
        if end > start:
            taken += end - start
            reached = end
    return taken


def _add(operations: _Operations, span: _Row, children: list[_Row]) -> int:
    """Count a span; returns its own time. A span that ends before it begins (a clock was set) took no time."""
    took = max(0, span.end - span.start)
    own = took - covered(span, children)
    entry = operations.setdefault((span.service, span.name, span.kind), _Operation())
    entry.own.append(own)
    entry.total += took
    entry.slowest = max(entry.slowest, (own, span.trace_id))
    for child in children:
        add(entry.below, child.name, max(0, min(child.end, span.end) - max(child.start, span.start)))
    bounded(operations, lambda one: one.total, MOST_GROUPS)
    return own


def _add_calls(repeated: _Repeated, span: _Row, children: list[_Row]) -> None:
    took: dict[str, list[int]] = {}
    for child in children:
        took.setdefault(child.name, []).append(max(0, child.end - child.start))
    for name, durations in took.items():
        if len(durations) >= REPEATED:
            entry = repeated.setdefault((span.service, span.name, name), _Calls())
            entry.spans += 1
            entry.total += sum(durations)
            if len(durations) > entry.most:
                entry.most, entry.trace_id = len(durations), span.trace_id
            bounded(repeated, lambda one: one.total, MOST_GROUPS)


def _bottleneck(key: tuple[str, str, int], entry: _Operation, everything: int) -> Bottleneck:
    service, name, kind = key
    own, (waits_for, waits) = sum(entry.own), (entry.below.most_common(1) or [("", 0)])[0]
    p95 = sorted(entry.own)[-(-len(entry.own) * 95 // 100) - 1]
    return Bottleneck(service, name, kind_name(kind), len(entry.own), own, entry.total,
                      own / everything if everything else 0.0, p95, waits_for, waits, entry.slowest[1])  # fmt: skip


def _children(spans: list[_Row]) -> dict[str, list[_Row]]:
    ids = {span.span_id for span in spans}
    found: dict[str, list[_Row]] = {}
    for span in spans:
        if span.parent_id in ids and span.parent_id != span.span_id:
            found.setdefault(str(span.parent_id), []).append(span)
    return found


def _traces(queries: Queries, wanted: Filter) -> Iterator[list[_Row]]:
    """The spans of all traces that may have a span that fits, a trace at a time."""
    chosen, values = span_conditions(wanted)
    select = (f"SELECT s.trace_id, s.span_id, s.parent_id, s.name, s.kind, r.service, s.start_ns, s.end_ns,"
              f" {' AND '.join(chosen) or '1'} FROM span s JOIN resource r ON r.id = s.resource_id")  # fmt: skip
    for ids in _batches(queries, wanted):
        spans: dict[str, list[_Row]] = {}
        for row in queries.rows(
            f"{select} WHERE s.trace_id IN ({', '.join('?' * len(ids))}) ORDER BY s.trace_id, s.start_ns LIMIT ?",
            (*values, *ids, MOST_SPANS),
        ):
            spans.setdefault(row[0], []).append(_Row(*row))
        yield from spans.values()


def _batches(queries: Queries, wanted: Filter) -> Iterator[list[str]]:
    """Ids of traces, so many that their spans can be held in memory."""
    conditions, values = (
        ["trace_id > ?", "end_ns >= ?", "start_ns <= ?"],
        [wanted.since_ns, wanted.until_ns or 2**63 - 1],
    )
    begin(conditions, values, "trace_id", wanted.trace_id)
    sql = f"SELECT trace_id, spans FROM trace {where(conditions)} ORDER BY trace_id LIMIT {TRACES_AT_A_TIME}"
    after = ""
    while found := queries.rows(sql, (after, *values)):
        batch: list[str] = []
        held = 0
        for trace_id, spans in found:
            if batch and held + spans > MOST_SPANS:
                yield batch
                batch, held = [], 0
            batch.append(trace_id)
            held += spans
        yield batch
        after = found[-1][0]
