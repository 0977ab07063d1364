"""What the newest quarter of the time does differently from the rest: errors, speed, new, gone. Chance is ruled out first."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..filters import span_conditions
from ..model import Filter
from ..queries import Queries
from ..records import kind_name
from .rows import MOST_GROUPS, bounded, each, period

NEWEST: Final = 4
"""The newest part is a quarter of the time."""
LEAST: Final = 20
"""So many spans are needed on each side to say anything of them."""
SIGNIFICANT: Final = 3.5
"""Standard deviations that a difference needs: chance alone makes as much once in 2,000 comparisons."""
SLOWER: Final = 1.25
"""The median must have changed by a quarter at least: what is significant may still be too small to care."""


@dataclass(frozen=True)
class Change:
    """`what`: `more errors`, `fewer errors`, `slower`, `faster`, `new`, `gone`. Shares of failures, or medians in nanoseconds;
    counts for `new` and `gone`. `deviations` is how sure it is, in standard deviations (0 for `new` and `gone`); `since_ns` is
    when the newest quarter began."""

    service: str
    operation: str
    kind: str
    what: str
    before: float
    now: float
    before_count: int
    now_count: int
    deviations: float
    since_ns: int


@dataclass
class _Side:
    durations: array[int] = field(default_factory=lambda: array("q"))
    failed: int = 0


def changes(queries: Queries, wanted: Filter) -> list[Change]:
    """The changes, the surest first, then what is new or gone."""
    first, last = period(queries, wanted)
    if first == last:
        return []
    border = last - (last - first) // NEWEST
    conditions, values = span_conditions(wanted)
    select = ("SELECT s.id, r.service, s.name, s.kind, s.start_ns, s.duration_ns, s.status = 2 FROM span s NOT INDEXED"
              " JOIN resource r ON r.id = s.resource_id")  # fmt: skip
    sides: dict[tuple[str, str, int], tuple[_Side, _Side]] = {}
    for _, service, name, kind, start, duration, failed in each(queries, select, conditions, values, ("s.id",)):
        side = sides.setdefault((service, name, kind), (_Side(), _Side()))[start > border]
        side.durations.append(duration)
        side.failed += failed
        bounded(sides, lambda both: sum(len(one.durations) for one in both), MOST_GROUPS)
    found = [
        Change(
            service, name, kind_name(kind), what, was, became, len(before.durations), len(now.durations), sure, border
        )
        for (service, name, kind), (before, now) in sides.items()
        for what, was, became, sure in _compared(before, now)
    ]
    found.sort(key=lambda one: (-abs(one.deviations), one.what, one.service, one.operation))
    return found[: wanted.limit]


def _compared(before: _Side, now: _Side) -> list[tuple[str, float, float, float]]:
    old, new = len(before.durations), len(now.durations)
    if not old or not new:
        # The older side is three times as long: what is gone must have been asked often enough to be missed.
        missing = (old == 0 and new >= LEAST) or (new == 0 and old >= NEWEST * LEAST)
        return [("gone" if old else "new", float(old), float(new), 0.0)] if missing else []
    if min(old, new) < LEAST:
        return []
    found = []
    errors = difference_of_shares(before.failed, old, now.failed, new)
    if abs(errors) >= SIGNIFICANT:
        found.append(("more errors" if errors > 0 else "fewer errors", before.failed / old, now.failed / new, errors))
    ranks = difference_of_ranks(before.durations, now.durations)
    middle_old, middle_new = median(before.durations), median(now.durations)
    ratio = (middle_new + 1) / (middle_old + 1)
    if abs(ranks) >= SIGNIFICANT and not 1 / SLOWER < ratio < SLOWER:
        found.append(("slower" if ranks > 0 else "faster", middle_old, middle_new, ranks))
    return found


def median(values: Sequence[int]) -> float:
    """The middle value."""
    ordered, half = sorted(values), len(values) // 2
    return float(ordered[half]) if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def difference_of_shares(part: int, whole: int, other_part: int, other_whole: int) -> float:
    """By how many standard deviations the second share is larger (two-proportion z-test)."""
    pooled = (part + other_part) / (whole + other_whole)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / whole + 1 / other_whole))
    return (other_part / other_whole - part / whole) / deviation if deviation else 0.0


def difference_of_ranks(values: Sequence[int], others: Sequence[int]) -> float:
    """By how many standard deviations the others tend to be larger (Mann-Whitney, normal approximation): outliers say no more
    than any other value."""
    ordered = sorted(values)
    larger = sum((bisect_left(ordered, other) + bisect_right(ordered, other)) / 2 for other in others)
    pairs = len(values) * len(others)
    return (larger - pairs / 2) / math.sqrt(pairs * (len(values) + len(others) + 1) / 12)
