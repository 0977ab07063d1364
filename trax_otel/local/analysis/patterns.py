"""Errors and warnings that repeat: errors by code and fingerprint, each once over all layers, and lines by template."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from ..model import Filter
from ..queries import Queries
from .rows import each, log_conditions
from .templates import template

WARNING: Final = 13
"""OTLP's severity number from which on a line is looked at."""
SIGNIFICANT: Final = 3.0
"""Standard deviations by which the halves of the time must differ to count as a trend (Poisson counts)."""
ALL: Final = 2**31


@dataclass(frozen=True)
class Pattern:
    """Messages of one kind. `trend`: `new` and `gone` (in one half of the time alone), `growing`, `falling`, `steady`."""

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
    trace_id: str | None
    code: str = ""
    type: str = ""
    fingerprint: str = ""
    services: set[str] = field(default_factory=set)
    earlier: int = 0
    later: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, service: str, count: int, first: int, last: int, *, later: bool) -> None:
        self.services.add(service)
        self.earlier += 0 if later else count
        self.later += count if later else 0
        self.first_ns = min(self.first_ns or first, first)
        self.last_ns = max(self.last_ns, last)


def patterns(queries: Queries, wanted: Filter) -> list[Pattern]:
    """The patterns, most frequent first, `wanted.limit` of them."""
    span = _time(queries, wanted)
    if span is None:
        return []
    middle = (span[0] + span[1]) // 2
    groups: dict[tuple[str, ...], _Group] = {}
    for later in (False, True):
        half = replace(wanted, limit=ALL)
        half = (
            replace(half, since_ns=max(wanted.since_ns, middle + 1))
            if later
            else replace(half, until_ns=min(wanted.until_ns or middle, middle))
        )
        _errors(queries, half, groups, later=later)
        if not wanted.min_duration_ns:
            _lines(queries, half, groups, later=later)
    total = sum(group.earlier + group.later for group in groups.values())
    found = [
        Pattern(
            group.template, group.severity, group.code, group.type, group.fingerprint, tuple(sorted(group.services)),
            group.earlier + group.later, (group.earlier + group.later) / total, group.first_ns, group.last_ns,
            trend(group.earlier, group.later), group.example, group.trace_id,
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


def _time(queries: Queries, wanted: Filter) -> tuple[int, int] | None:
    """The first and the last moment of all that is stored, inside the filter's."""
    ((first_span, last_span, first_log, last_log),) = queries.rows(
        "SELECT (SELECT min(start_ns) FROM trace), (SELECT max(end_ns) FROM trace),"
        " (SELECT min(time_ns) FROM log), (SELECT max(time_ns) FROM log)"
    )
    firsts = [moment for moment in (first_span, first_log) if moment is not None]
    lasts = [moment for moment in (last_span, last_log) if moment is not None]
    if not firsts:
        return None
    return max(min(firsts), wanted.since_ns), min(max(lasts), wanted.until_ns or max(lasts))


def _errors(queries: Queries, half: Filter, groups: dict[tuple[str, ...], _Group], *, later: bool) -> None:
    for entry in queries.errors(half):
        shape = template(entry.message)
        key = ("error", entry.code, entry.type, entry.fingerprint or shape)
        group = groups.setdefault(key, _Group(shape, "ERROR", entry.message, entry.example_trace_id, entry.code, entry.type,
                                              entry.fingerprint))  # fmt: skip
        group.add(entry.service, entry.count, entry.first_ns, entry.last_ns, later=later)


def _lines(queries: Queries, half: Filter, groups: dict[tuple[str, ...], _Group], *, later: bool) -> None:
    """Warnings and worse that carry no error: those that do are counted as errors already."""
    conditions, values = log_conditions(half)
    select = ("SELECT l.id, r.service, l.severity, l.body, l.time_ns, l.trace_id FROM log l"
              " JOIN resource r ON r.id = l.resource_id")  # fmt: skip
    conditions += [f"l.severity_number >= {WARNING}", "l.error_type IS NULL", "l.error_code IS NULL"]
    for _, service, severity, body, time_ns, trace_id in each(queries, select, conditions, values, "l.id"):
        shape = template(body)
        group = groups.setdefault(("line", severity, shape), _Group(shape, severity, body, trace_id))
        group.add(service, 1, time_ns, time_ns, later=later)
