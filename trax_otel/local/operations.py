"""The figures of operations: the spans of each service, name and kind. Percentiles are exact, by nearest rank.

What an index answers never leaves SQLite (half a million spans in a fraction of a second); a search in texts has to look at
each span anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .filters import span_conditions, where
from .model import Filter, OperationStats
from .records import kind_name

Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
Key = tuple[str, str, int]

PERCENTS: Final = (50, 95, 99)


_SORTS: Final[dict[str, Callable[[OperationStats], int]]] = {
    "count": lambda entry: entry.count, "errors": lambda entry: entry.errors, "p50": lambda entry: entry.p50_ns,
    "p95": lambda entry: entry.p95_ns, "p99": lambda entry: entry.p99_ns,
}  # fmt: skip
SORTS: Final = tuple(_SORTS)
"""What operations can be ordered by."""


@dataclass
class _Figures:
    count: int = 0
    errors: int = 0
    last_ns: int = 0
    resources: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)


def operation_stats(rows: Rows, wanted: Filter) -> list[OperationStats]:
    """The operations of the spans that fit, busiest first or as `wanted.sort` says."""
    searching = wanted.text or wanted.extra or wanted.code or wanted.trace_id
    conditions, values = span_conditions(wanted)
    condition = where(conditions)
    groups = _looked_at(rows, condition, values) if searching else _counted(rows, condition, values)
    ordered_by = _SORTS.get(wanted.sort, _SORTS["count"])
    chosen = sorted(groups.items(), key=lambda entry: (-entry[1].count, entry[0]))
    if ordered_by is _SORTS["count"]:
        chosen = chosen[: wanted.limit]  # the others need no percentiles
    stats = []
    for key, figures in chosen:
        ranks = [-(-figures.count * percent // 100) - 1 for percent in PERCENTS]
        if searching:
            ordered = sorted(figures.durations)
            p50, p95, p99 = (ordered[rank] for rank in ranks)
        else:
            p50, p95, p99 = (_nth(rows, key, figures, rank, wanted) for rank in ranks)
        service, name, kind = key
        stats.append(
            OperationStats(
                service, name, kind_name(kind), figures.count, figures.errors, p50, p95, p99, figures.last_ns
            )
        )
    return sorted(stats, key=ordered_by, reverse=True)[: wanted.limit]


def _looked_at(rows: Rows, condition: str, values: Sequence[Any]) -> dict[Key, _Figures]:
    groups: dict[Key, _Figures] = {}
    for service, name, kind, duration, failed, start in rows(
        "SELECT r.service, s.name, s.kind, s.duration_ns, s.status = 2, s.start_ns"
        f" FROM span s JOIN resource r ON r.id = s.resource_id {condition}",
        values,
    ):
        figures = groups.setdefault((service, name, kind), _Figures())
        figures.count += 1
        figures.errors += failed
        figures.last_ns = max(figures.last_ns, start)
        figures.durations.append(duration)
    return groups


def _counted(rows: Rows, condition: str, values: Sequence[Any]) -> dict[Key, _Figures]:
    groups: dict[Key, _Figures] = {}
    for name, resource, kind, service, count, errors, last in rows(
        "SELECT s.name, s.resource_id, s.kind, r.service, count(*), sum(s.status = 2), max(s.start_ns)"
        " FROM span s INDEXED BY span_operation CROSS JOIN resource r ON r.id = s.resource_id"
        f" {condition} GROUP BY s.name, s.resource_id, s.kind",
        values,
    ):
        figures = groups.setdefault((service, name, kind), _Figures())
        figures.count += count
        figures.errors += errors
        figures.last_ns = max(figures.last_ns, last)
        figures.resources.append(resource)
    return groups


def _nth(rows: Rows, key: Key, figures: _Figures, rank: int, wanted: Filter) -> int:
    """The duration that stands at a place in the order."""
    conditions, values = span_conditions(
        Filter(
            since_ns=wanted.since_ns, until_ns=wanted.until_ns, min_duration_ns=wanted.min_duration_ns,
            errors_only=wanted.errors_only,
        ),
        "s.name = ?", f"s.resource_id IN ({','.join(map(str, figures.resources))})", "s.kind = ?",
    )  # fmt: skip
    found = rows(
        f"SELECT s.duration_ns FROM span s INDEXED BY span_operation {where(conditions)}"
        " ORDER BY s.duration_ns LIMIT 1 OFFSET ?",
        (key[1], key[2], *values, rank),
    )
    return int(found[0][0]) if found else 0  # spans may have gone between the two questions
