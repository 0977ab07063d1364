"""Circuit breakers: their states over time, from what their gauges and their events say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from ... import semconv
from ..formats import shown
from ..model import Filter
from ..words import seconds_ns
from .counts import LAST_NS, Rows, counts
from .events import Happened, happened

CLOSED: Final = "closed"
OPEN: Final = "open"
GRAVITY: Final = ("closed", "half_open", "open", "isolated")
"""The states, the later ones more telling: a moment that holds several shows the last of them."""
MOST_SAMPLES: Final = 100_000
"""Samples of the gauge, the newest, that are looked at."""
SILENT_NS: Final = 120 * 10**9
"""A process that has told nothing for so long (two exports) may have ended: its last state is not drawn on."""
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Stretch:
    """A time that a breaker spent in one state."""

    state: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class BreakerChange:
    """One change of a breaker's state, and the span that made it, where there was one."""

    time_ns: int
    service: str
    instance: str
    name: str
    state: str
    before: str
    reason: str
    open_for_ns: int | None
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True)
class BreakerStats:
    """One breaker of one process. `calls` counts by outcome; `stretches` and `changes` are oldest first."""

    service: str
    instance: str
    name: str
    state: str
    since_ns: int
    trips: int
    calls: Mapping[str, int]
    stretches: tuple[Stretch, ...]
    changes: tuple[BreakerChange, ...]
    last_ns: int


@dataclass
class _Found:
    samples: list[tuple[int, str]] = field(default_factory=list)
    changes: list[BreakerChange] = field(default_factory=list)
    trips: int | None = None
    calls: dict[str, int] = field(default_factory=dict)


def breaker_stats(rows: Rows, wanted: Filter) -> list[BreakerStats]:
    """The breakers that fit, those that are not closed first."""
    found: dict[Key, _Found] = {}
    for key, time_ns, state in _samples(rows, wanted):
        found.setdefault(key, _Found()).samples.append((time_ns, state))
    for change in changes(rows, wanted):
        found.setdefault((change.service, change.instance, change.name), _Found()).changes.append(change)
    for count in counts(rows, semconv.BREAKER_TRANSITIONS.name, wanted):
        own = found.get((count.service, count.instance, shown(count.attributes.get(semconv.BREAKER_NAME, ""))))
        if own is not None:
            tripped = count.attributes.get(semconv.BREAKER_STATE) == OPEN
            own.trips = (own.trips or 0) + (round(count.value) if tripped else 0)
    for count in counts(rows, semconv.BREAKER_CALLS.name, wanted):
        own = found.get((count.service, count.instance, shown(count.attributes.get(semconv.BREAKER_NAME, ""))))
        if own is not None:
            outcome = shown(count.attributes.get(semconv.OUTCOME, "unknown"))
            own.calls[outcome] = own.calls.get(outcome, 0) + round(count.value)
    newest = _newest(rows, found.values(), wanted)
    stats = [_stats(key, own, newest) for key, own in found.items() if _fits(key, wanted)]
    if wanted.errors_only:
        stats = [one for one in stats if one.state != CLOSED]
    stats.sort(key=lambda one: (one.state == CLOSED, -one.trips, -sum(one.calls.values()), one.service, one.name))
    return stats[: wanted.limit]


def _fits(key: Key, wanted: Filter) -> bool:
    name = key[2]
    return (not wanted.operation or name == wanted.operation) and wanted.text.casefold() in name.casefold()


def _samples(rows: Rows, wanted: Filter) -> Iterator[tuple[Key, int, str]]:
    for service, instance, text, time_ns in rows(
        "SELECT r.service, r.instance, e.attributes, p.time_ns FROM series e JOIN resource r ON r.id = e.resource_id"
        " JOIN point p ON p.series_id = e.id WHERE e.name = ? AND p.value > 0 AND (? = '' OR r.service = ?)"
        " AND p.time_ns >= ? AND p.time_ns <= ? ORDER BY p.id DESC LIMIT ?",
        (semconv.BREAKER_STATES.name, wanted.service, wanted.service, wanted.since_ns, wanted.until_ns or LAST_NS,
         MOST_SAMPLES),
    ):  # fmt: skip
        attributes = json.loads(text)
        name, state = (shown(attributes.get(key, "")) for key in (semconv.BREAKER_NAME, semconv.BREAKER_STATE))
        yield (service, instance, name), time_ns, state


def changes(rows: Rows, wanted: Filter) -> list[BreakerChange]:
    """The changes that events tell of, oldest first."""
    return [_change(one) for one in happened(rows, semconv.BREAKER_STATE_CHANGED_EVENT, wanted)]


def _change(one: Happened) -> BreakerChange:
    name, state, before, reason = (
        shown(one.attributes.get(key, ""))
        for key in (
            semconv.BREAKER_NAME, semconv.BREAKER_STATE, semconv.BREAKER_PREVIOUS_STATE, semconv.BREAKER_REASON,
        )
    )  # fmt: skip
    open_for = seconds_ns(one.attributes.get(semconv.BREAKER_OPEN_FOR))
    return BreakerChange(
        one.time_ns, one.service, one.instance, name, state, before, reason, open_for, one.trace_id, one.span_id
    )


def _newest(rows: Rows, found: Iterable[_Found], wanted: Filter) -> int:
    """The latest time that anything tells of: up to then the strips are drawn."""
    times = [time_ns for own in found for time_ns in _times(own)]
    spans = rows("SELECT end_ns FROM span ORDER BY id DESC LIMIT 1", ())
    times += [end_ns for (end_ns,) in spans]
    return min(max(times, default=0), wanted.until_ns or LAST_NS)


def _times(own: _Found) -> list[int]:
    return [time_ns for time_ns, _ in own.samples] + [change.time_ns for change in own.changes]


def _stats(key: Key, own: _Found, newest_ns: int) -> BreakerStats:
    service, instance, name = key
    last = max(_times(own))
    stretches = _stretches(own, newest_ns if last >= newest_ns - SILENT_NS else last)
    trips = sum(change.state == OPEN for change in own.changes) if own.trips is None else own.trips
    return BreakerStats(
        service, instance, name, stretches[-1].state, stretches[-1].start_ns, trips, own.calls, tuple(stretches),
        tuple(own.changes), last,
    )  # fmt: skip


def gravity(state: str) -> int:
    """How much a state says, for comparing; what is unknown says least."""
    return GRAVITY.index(state) if state in GRAVITY else -1


def _stretches(own: _Found, end_ns: int) -> Sequence[Stretch]:
    """What was observed, joined: an event says when a state began, a sample that it still held."""
    held: dict[int, str] = {}
    for time_ns, state in own.samples:
        # Breakers that share a name have their states in one gauge.
        held[time_ns] = max(held.get(time_ns, state), state, key=gravity)
    observed = [*held.items(), *((change.time_ns, change.state) for change in own.changes)]
    observed.sort(key=itemgetter(0))
    first = min(own.changes, key=lambda change: change.time_ns, default=None)
    if first is not None and first.before and first.time_ns <= observed[0][0]:
        observed.insert(0, (first.time_ns - 1, first.before))
    found: list[Stretch] = []
    for (start, state), (following, _) in zip(
        observed, [*observed[1:], (max(end_ns, observed[-1][0]), "")], strict=True
    ):
        if found and found[-1].state == state:
            found[-1] = Stretch(state, found[-1].start_ns, following)
        else:
            found.append(Stretch(state, start, following))
    return found
