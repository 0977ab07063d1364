"""Who asks what, when, and how often it fails: requests and messages that came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ...semconv import standard
from ..filters import span_conditions
from ..model import Filter
from ..queries import Queries
from .rows import MOST_GROUPS, add, attribute, bounded, each

ENTRY: Final = "s.kind IN (2, 5)"
"""Spans of kind server and consumer."""
HOUR_NS: Final = 3600 * 10**9
MOST_HOURS: Final = 7 * 24
CALLERS: Final = 5


@dataclass(frozen=True)
class Usage:
    """One operation that is asked from outside. `busiest_hour_ns` is when that hour began; `hours` are those with requests, the
    newest week of them; agents and clients are those that ask most, each with its count."""

    service: str
    operation: str
    count: int
    share: float
    failed: int
    busiest_hour_ns: int
    busiest_count: int
    hours: tuple[tuple[int, int], ...]
    agents: tuple[tuple[str, int], ...]
    clients: tuple[tuple[str, int], ...]


@dataclass
class _Asked:
    count: int = 0
    failed: int = 0
    hours: dict[int, int] = field(default_factory=dict)
    agents: dict[str, int] = field(default_factory=dict)
    clients: dict[str, int] = field(default_factory=dict)


def usage(queries: Queries, wanted: Filter) -> list[Usage]:
    """Operations that are asked from outside, the most used first."""
    conditions, values = span_conditions(wanted, ENTRY)
    agent, client = (
        f"coalesce({', '.join(attribute('s.attributes', name) for name in names)})"
        for names in (standard.USER_AGENT, standard.CLIENT_ADDRESS)
    )
    select = (f"SELECT s.id, r.service, s.name, s.start_ns, s.status = 2, {agent}, {client} FROM span s NOT INDEXED"
              " JOIN resource r ON r.id = s.resource_id")  # fmt: skip
    operations: dict[tuple[str, str], _Asked] = {}
    everything = 0
    for _, service, name, start, failed, *callers in each(queries, select, conditions, values, ("s.id",)):
        asked = operations.setdefault((service, name), _Asked())
        asked.count += 1
        asked.failed += failed
        add(asked.hours, start // HOUR_NS * HOUR_NS)
        for caller, counts in zip(callers, (asked.agents, asked.clients), strict=True):
            if caller:
                add(counts, str(caller))
        bounded(operations, lambda one: one.count, MOST_GROUPS)
        everything += 1
    found = []
    for (service, name), asked in operations.items():
        hours = sorted(asked.hours.items())
        busiest = max(hours, key=lambda one: one[1])
        found.append(Usage(service, name, asked.count, asked.count / everything, asked.failed, *busiest,
                           tuple(hours[-MOST_HOURS:]), _most(asked.agents), _most(asked.clients)))  # fmt: skip
    found.sort(key=lambda one: (-one.count, one.service, one.operation))
    return found[: wanted.limit]


def _most(counts: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:CALLERS])
