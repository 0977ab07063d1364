"""Security events by kind, actor and source; and what among them looks like an attack."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ... import semconv
from ..model import Filter
from ..queries import Queries
from .rows import each, log_conditions

BURST: Final = 5
"""So many failures of one kind …"""
WINDOW_NS: Final = 300 * 10**9
"""… by one actor or from one source within so long are a burst; a success after them within the same time may be a break-in."""
TAMPERING: Final = "tampering"


class _Event(NamedTuple):
    time_ns: int
    service: str
    kind: str
    outcome: str
    actor: str
    source: str
    trace_id: str | None


@dataclass(frozen=True)
class SecurityEvents:
    """Events of one kind, outcome, actor and source."""

    kind: str
    outcome: str
    actor: str
    source: str
    services: tuple[str, ...]
    count: int
    first_ns: int
    last_ns: int
    example_trace_id: str | None


@dataclass(frozen=True)
class Incident:
    """What should be looked at. `what`: `burst` (failures), `success after failures`, `tampering`; `by` an actor or a source."""

    what: str
    kind: str
    by: str
    count: int
    first_ns: int
    last_ns: int
    trace_ids: tuple[str, ...]


def security_events(queries: Queries, wanted: Filter) -> list[SecurityEvents]:
    """The events grouped, most frequent first."""
    groups: dict[tuple[str, str, str, str], list[_Event]] = {}
    for event in _events(queries, wanted):
        groups.setdefault((event.kind, event.outcome, event.actor, event.source), []).append(event)
    found = [
        SecurityEvents(*key, tuple(sorted({event.service for event in events})), len(events),
                       min(event.time_ns for event in events), max(event.time_ns for event in events),
                       next((event.trace_id for event in reversed(events) if event.trace_id), None))
        for key, events in groups.items()
    ]  # fmt: skip
    found.sort(key=lambda one: (-one.count, one.kind, one.outcome, one.actor, one.source))
    return found[: wanted.limit]


def incidents(queries: Queries, wanted: Filter) -> list[Incident]:
    """Bursts of failures by an actor or from a source, successes that follow them, and tampering; the newest first."""
    found: list[Incident] = []
    recent: dict[tuple[str, str], deque[_Event]] = {}
    open_bursts: dict[tuple[str, str], int] = {}
    for event in sorted(_events(queries, wanted), key=lambda one: one.time_ns):
        traces = (event.trace_id,) if event.trace_id else ()
        if event.kind == TAMPERING:
            found.append(
                Incident(TAMPERING, event.kind, event.actor or event.source, 1, event.time_ns, event.time_ns, traces)
            )
            continue
        for by in dict.fromkeys(filter(None, (event.actor, event.source))):
            failures = recent.setdefault((event.kind, by), deque())
            while failures and event.time_ns - failures[0].time_ns > WINDOW_NS:
                failures.popleft()
            if not failures:
                open_bursts.pop((event.kind, by), None)
            if event.outcome == "failure":
                failures.append(event)
                if len(failures) >= BURST:
                    _burst(found, open_bursts, event.kind, by, failures)
            elif len(failures) >= BURST:
                found.append(Incident("success after failures", event.kind, by, len(failures) + 1, failures[0].time_ns,
                                      event.time_ns, traces))  # fmt: skip
                failures.clear()
                open_bursts.pop((event.kind, by), None)
    found.sort(key=lambda one: (-one.last_ns, one.what, one.kind, one.by))
    return found[: wanted.limit]


def _burst(
    found: list[Incident], open_bursts: dict[tuple[str, str], int], kind: str, by: str, failures: deque[_Event]
) -> None:
    """Begin a burst, or let the one that goes on grow."""
    newest, place = failures[-1], open_bursts.get((kind, by))
    if place is None:
        open_bursts[kind, by] = len(found)
        traces = tuple(dict.fromkeys(event.trace_id for event in failures if event.trace_id))
        found.append(Incident("burst", kind, by, len(failures), failures[0].time_ns, newest.time_ns, traces))
        return
    burst = found[place]
    traces = tuple(dict.fromkeys([*burst.trace_ids, *([newest.trace_id] if newest.trace_id else [])]))[:20]
    found[place] = replace(burst, count=burst.count + 1, last_ns=newest.time_ns, trace_ids=traces)


def _events(queries: Queries, wanted: Filter) -> Iterator[_Event]:
    conditions, values = log_conditions(wanted)
    select = (
        "SELECT l.id, l.time_ns, r.service, l.attributes, l.trace_id FROM log l JOIN resource r ON r.id = l.resource_id"
    )
    conditions.append("instr(l.attributes, ?) > 0")
    for _, time_ns, service, written, trace_id in each(
        queries, select, conditions, [*values, f'"{semconv.SECURITY_EVENT}"'], "l.id"
    ):
        attributes: dict[str, Any] = json.loads(written)

        def read(name: str, told: dict[str, Any] = attributes) -> str:
            return str(told.get(semconv.SECURITY_PREFIX + name, ""))

        kind = str(attributes.get(semconv.SECURITY_EVENT, ""))
        outcome = str(attributes.get(semconv.SECURITY_OUTCOME, ""))
        yield _Event(time_ns, service, kind, outcome, read("actor"), read("source"), trace_id)
