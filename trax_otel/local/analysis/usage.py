"""Who asks what, when, and how often it fails: requests and messages that came in."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ..filters import span_conditions
from ..model import Filter
from ..queries import Queries
from .rows import each

ENTRY: Final = "s.kind IN (2, 5)"
"""Spans of kind server and consumer."""
HOUR_NS: Final = 3600 * 10**9
AGENTS: Final = ("user_agent.original", "http.user_agent")
CLIENTS: Final = ("client.address", "net.peer.ip", "http.client_ip")
"""What stands for the caller; the later ones are of older instrumentations."""


@dataclass(frozen=True)
class Usage:
    """One operation that is asked from outside; agents and clients with counts. `busiest_hour_ns` is when that hour began."""

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
class _Sums:
    failed: int = 0
    hours: Counter[int] = field(default_factory=Counter)
    agents: Counter[str] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)


def usage(queries: Queries, wanted: Filter) -> list[Usage]:
    """Operations that are asked from outside, the most used first."""
    where, values = span_conditions(wanted, ENTRY)
    select = ("SELECT s.id, r.service, s.name, s.start_ns, s.status = 2, s.attributes FROM span s"
              " JOIN resource r ON r.id = s.resource_id")  # fmt: skip
    sums: dict[tuple[str, str], _Sums] = {}
    for _, service, name, start, failed, written in each(
        queries, select, [where.removeprefix("WHERE ")], values, "s.id"
    ):
        entry = sums.setdefault((service, name), _Sums())
        entry.failed += failed
        entry.hours[start // HOUR_NS * HOUR_NS] += 1
        attributes = json.loads(written)
        for keys, counts in ((AGENTS, entry.agents), (CLIENTS, entry.clients)):
            caller = next((attributes[key] for key in keys if attributes.get(key)), None)
            if caller is not None:
                counts[str(caller)] += 1
    everything = sum(entry.hours.total() for entry in sums.values())
    found = []
    for (service, name), entry in sums.items():
        busiest = min(entry.hours.items(), key=lambda one: (-one[1], one[0]))
        found.append(Usage(service, name, entry.hours.total(), entry.hours.total() / everything, entry.failed, *busiest,
                           tuple(sorted(entry.hours.items())), _most(entry.agents), _most(entry.clients)))  # fmt: skip
    found.sort(key=lambda one: (-one.count, one.service, one.operation))
    return found[: wanted.limit]


def _most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:5])
