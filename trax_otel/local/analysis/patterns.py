"""Errors and warnings that repeat: errors by code and fingerprint, each once over all layers, and lines by template."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from ... import semconv
from ...signals.templates import MOST_CHARACTERS, template
from ..filters import log_conditions
from ..model import Filter
from ..queries import Queries
from .rows import MOST_GROUPS, beginning, bounded, each, period

SIGNIFICANT: Final = 3.0
"""Standard deviations by which the halves of the time must differ to count as a trend (Poisson counts)."""
_NO_ERROR: Final = (
    "l.severity_number >= 13",
    "l.error_code IS NULL",
    f"(l.error_type IS NULL OR l.severity_number < 17 AND instr(l.attributes, '\"{semconv.ERROR_RECORDED}\":true') = 0)",
)
"""Warnings and worse that are not counted among the errors (`failures`). A warning may tell of an exception that was handled."""


@dataclass(frozen=True)
class Pattern:
    """Messages of one kind. `trend` compares the halves of the time: `new`, `growing`, `steady`, `falling`, `gone`."""

    template: str
    severity: str
    code: str
    type: str
    fingerprint: str
    services: tuple[str, ...]
    count: int
    share: float
    first_ns: int
    last_ns: int
    trend: str
    example: str
    example_trace_id: str | None


@dataclass
class _Group:
    template: str
    severity: str
    example: str
    trace_id: str | None = None
    code: str = ""
    type: str = ""
    fingerprint: str = ""
    services: set[str] = field(default_factory=set)
    halves: list[int] = field(default_factory=lambda: [0, 0])
    first_ns: int = 2**63 - 1
    last_ns: int = 0

    def add(self, service: str, count: int, first: int, last: int, trace_id: str | None, *, later: bool) -> None:
        self.services.add(service)
        self.trace_id = trace_id or self.trace_id
        self.halves[later] += count
        self.first_ns = min(self.first_ns, first)
        self.last_ns = max(self.last_ns, last)

    def count(self) -> int:
        return sum(self.halves)


_Groups = dict[tuple[str, ...], _Group]


def patterns(queries: Queries, wanted: Filter) -> list[Pattern]:
    """The patterns, most frequent first, `wanted.limit` of them."""
    middle = sum(period(queries, wanted)) // 2
    groups: _Groups = {}
    total = _errors(queries, wanted, middle, groups)
    # An operation that took long is asked for: lines take no time.
    total += 0 if wanted.min_duration_ns else _lines(queries, wanted, middle, groups)
    found = [
        Pattern(
            group.template, group.severity, group.code, group.type, group.fingerprint, tuple(sorted(group.services)),
            group.count(), group.count() / total, group.first_ns, group.last_ns, trend(*group.halves), group.example,
            group.trace_id,
        )
        for group in groups.values()
    ]  # fmt: skip
    found.sort(key=lambda one: (-one.count, one.template, one.code, one.fingerprint))
    return found[: wanted.limit]


def trend(earlier: int, later: int) -> str:
    """How two counts of equally long times compare; a difference that chance may make is none."""
    if abs(later - earlier) < SIGNIFICANT * math.sqrt(earlier + later):
        return "steady"
    if not earlier or not later:
        return "gone" if earlier else "new"
    return "growing" if later > earlier else "falling"


def _errors(queries: Queries, wanted: Filter, middle: int, groups: _Groups) -> int:
    until = min(wanted.until_ns or middle, middle)
    halves = (replace(wanted, until_ns=until), replace(wanted, since_ns=max(wanted.since_ns, middle + 1)))
    total = 0
    for later, half in enumerate(halves):
        for entry in queries.errors(replace(half, limit=MOST_GROUPS)):
            shape = template(entry.message)
            key = ("error", entry.code, entry.type, entry.fingerprint or shape)
            if key not in groups:
                message = entry.message[:MOST_CHARACTERS]
                groups[key] = _Group(shape, "ERROR", message, None, entry.code, entry.type, entry.fingerprint)
            groups[key].add(
                entry.service, entry.count, entry.first_ns, entry.last_ns, entry.example_trace_id, later=bool(later)
            )
            total += entry.count
    return total


def _lines(queries: Queries, wanted: Filter, middle: int, groups: _Groups) -> int:
    conditions, values = log_conditions(wanted, *_NO_ERROR)
    select = (f"SELECT l.id, r.service, l.severity, {beginning('l.body')}, l.time_ns, l.trace_id FROM log l"
              " JOIN resource r ON r.id = l.resource_id")  # fmt: skip
    total = 0
    for _, service, severity, body, moment, trace_id in each(queries, select, conditions, values, ("l.id",)):
        shape = template(body)
        key = ("line", severity, shape)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(shape, severity, body[:MOST_CHARACTERS])
        group.add(service, 1, moment, moment, trace_id, later=moment > middle)
        bounded(groups, _Group.count, MOST_GROUPS)
        total += 1
    return total
