"""Security events by kind, actor and source; and what among them looks like an attack."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ... import semconv
from ..filters import log_conditions
from ..model import Filter
from ..queries import Queries
from .rows import MOST_GROUPS, attribute, bounded, each

BURST: Final = 5
"""So many failures of one kind …"""
WINDOW_NS: Final = 300 * 10**9
"""… by one actor or from one source within so long are a burst; a success as soon after it may be a break-in."""
TAMPERING: Final = "tampering"
MOST_TRACES: Final = 20
_COLUMNS: Final = ("event", "outcome", "actor", "source")


class _Event(NamedTuple):
    time_ns: int
    service: str
    trace_id: str | None
    kind: str
    outcome: str
    actor: str
    source: str


@dataclass(frozen=True)
class SecurityEvents:
    """Events of one kind, outcome, actor and source; the trace is the newest."""

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
    """What should be looked at. `what`: `burst` (of failures), `success after failures` (a burst that one ended), `tampering`;
    `by`: `actor`, `source` or empty, where neither is known; `who`: that actor or source."""

    what: str
    kind: str
    by: str
    who: str
    count: int
    first_ns: int
    last_ns: int
    trace_ids: tuple[str, ...]


@dataclass
class _Group:
    first_ns: int
    last_ns: int = 0
    count: int = 0
    trace_id: str | None = None
    services: set[str] = field(default_factory=set)


@dataclass
class _Open:
    """An incident while it goes on; `events` are the first of it."""

    what: str
    by: str
    who: str
    events: list[_Event]
    count: int
    last_ns: int

    def add(self, event: _Event) -> None:
        self.count += 1
        self.last_ns = event.time_ns
        if len(self.events) < MOST_TRACES:
            self.events.append(event)

    def told(self) -> Incident:
        first = self.events[0]
        traces = tuple(dict.fromkeys(event.trace_id for event in self.events if event.trace_id))
        return Incident(self.what, first.kind, self.by, self.who, self.count, first.time_ns, self.last_ns, traces)


@dataclass
class _Watched:
    """The latest failures of one kind by one actor or from one source, or the burst that they became."""

    failures: deque[_Event] = field(default_factory=deque)
    burst: _Open | None = None


_Found = deque[_Open]


def security(queries: Queries, wanted: Filter) -> tuple[list[Incident], list[SecurityEvents]]:
    """Bursts of failures, those that a success ended, and tampering, the newest first; and all events, most frequent first."""
    groups: dict[tuple[str, str, str, str], _Group] = {}
    watched: OrderedDict[tuple[str, str, str], _Watched] = OrderedDict()
    found: _Found = deque(maxlen=MOST_GROUPS)
    for event in _events(queries, wanted):
        _add(groups, event)
        by = {"actor": event.actor, "source": event.source}
        known = {name: who for name, who in by.items() if who}
        if event.kind == TAMPERING:
            known = known or {"": ""}
        for name, who in known.items():
            key = (event.kind, name, who)
            _watch(watched.setdefault(key, _Watched()), event, name, who, found)
            watched.move_to_end(key)
            if len(watched) > MOST_GROUPS:
                watched.popitem(last=False)
    incidents = sorted(
        (one.told() for one in found), key=lambda one: (-one.last_ns, one.what, one.kind, one.by, one.who)
    )
    events = [
        SecurityEvents(*key, tuple(sorted(group.services)), group.count, group.first_ns, group.last_ns, group.trace_id)
        for key, group in groups.items()
    ]
    events.sort(key=lambda one: (-one.count, one.kind, one.outcome, one.actor, one.source))
    return incidents[: wanted.limit], events[: wanted.limit]


def _add(groups: dict[tuple[str, str, str, str], _Group], event: _Event) -> None:
    group = groups.setdefault((event.kind, event.outcome, event.actor, event.source), _Group(event.time_ns))
    group.count += 1
    group.last_ns = event.time_ns
    group.trace_id = event.trace_id or group.trace_id
    group.services.add(event.service)
    bounded(groups, lambda one: one.count, MOST_GROUPS)


def _watch(watched: _Watched, event: _Event, by: str, who: str, found: _Found) -> None:
    """What an event means after those before it. Tampering is an incident the first time, whatever came of it."""
    tampering = event.kind == TAMPERING
    burst, failures = watched.burst, watched.failures
    if burst and event.time_ns - burst.last_ns > WINDOW_NS:
        burst = watched.burst = None
    while failures and event.time_ns - failures[0].time_ns > WINDOW_NS:
        failures.popleft()
    if tampering or event.outcome == "failure":
        if burst:
            burst.add(event)
            return
        failures.append(event)
        if tampering or len(failures) == BURST:
            what = TAMPERING if tampering else "burst"
            watched.burst = _Open(what, by, who, list(failures), len(failures), event.time_ns)
            found.append(watched.burst)
            failures.clear()
    elif burst:
        burst.what = "success after failures"
        del burst.events[MOST_TRACES - 1 :]  # the success is told of, whatever came before
        burst.add(event)
        watched.burst = None


def _events(queries: Queries, wanted: Filter) -> Iterator[_Event]:
    """By their time, not by arrival: what several services saw is put together."""
    conditions, values = log_conditions(wanted, f"instr(l.attributes, '\"{semconv.SECURITY_EVENT}\"') > 0")
    details = ", ".join(f"coalesce({attribute('l.attributes', semconv.SECURITY_PREFIX + one)}, '')" for one in _COLUMNS)
    select = (
        f"SELECT l.time_ns, l.id, r.service, l.trace_id, {details} FROM log l JOIN resource r ON r.id = l.resource_id"
    )
    for time_ns, _, *others in each(queries, select, conditions, values, ("l.time_ns", "l.id")):
        event = _Event(time_ns, *others)
        if event.kind:
            yield event
