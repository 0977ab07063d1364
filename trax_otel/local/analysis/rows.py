"""Reading all of the store in pieces, and counting what is found: what is held in memory does not grow with what is stored."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from ...signals.templates import MOST_CHARACTERS
from ..filters import where
from ..model import Filter
from ..queries import Queries

ROWS_AT_A_TIME: Final = 2_000
MOST_GROUPS: Final = 10_000
"""Patterns, operations, …: so many are counted at a time, …"""
MOST_WITHIN: Final = 1_000
"""… and so many callers, hours, … of each."""
_OUTLIERS: Final = 100
"""One moment in so many may be wrong at each end."""
Key = TypeVar("Key")
Group = TypeVar("Group")


def each(
    queries: Queries, select: str, conditions: Sequence[str], values: Sequence[Any], order: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Every row of a SELECT in an order that is unique; the columns of the order are the first that it selects.

    SQLite must find them in that order: an index on something else (`NOT INDEXED` rules it out) is sorted anew for each piece.
    """
    columns, marks = ", ".join(order), ", ".join("?" * len(order))
    sql = f"{select} {where([*conditions, f'({columns}) > ({marks})'])} ORDER BY {columns} LIMIT {ROWS_AT_A_TIME}"
    after: tuple[Any, ...] = (-1,) * len(order)
    while found := queries.rows(sql, (*values, *after)):
        yield from found
        after = found[-1][: len(order)]


def bounded(groups: dict[Key, Group], size: Callable[[Group], int], most: int) -> None:
    """Let go of the rarer half where there are too many groups: what is frequent stays, whatever else varies (lossy counting).

    A group that is let go and comes again is counted from there.
    """
    if len(groups) > most:
        kept = heapq.nlargest(most // 2, groups.items(), key=lambda one: size(one[1]))
        groups.clear()
        groups.update(kept)


def add(counts: dict[Key, int], key: Key, amount: int = 1) -> None:
    """Count what stands within a group."""
    counts[key] = counts.get(key, 0) + amount
    bounded(counts, int, MOST_WITHIN)


def beginning(column: str) -> str:
    """SQL: the text in a column, or the beginning of a long one (SQLite's `substr` alone would end at a NUL)."""
    return (
        f"CASE WHEN length(CAST({column} AS BLOB)) > {4 * MOST_CHARACTERS}"
        f" THEN substr({column}, 1, {MOST_CHARACTERS + 1}) ELSE {column} END"
    )


def attribute(column: str, name: str) -> str:
    """SQL: one of the attributes as text, NULL where it is missing."""
    return f"""substr(json_extract({column}, '$."{name}"'), 1, {MOST_CHARACTERS})"""


def period(queries: Queries, wanted: Filter) -> tuple[int, int]:
    """From when to when there is telemetry, inside the filter's times. A few records with a wrong clock or none do not matter."""
    firsts: list[int] = []
    lasts: list[int] = []
    for table, column in (("trace", "start_ns"), ("log", "time_ns")):
        inside = f"FROM {table} WHERE {column} BETWEEN ? AND ?"
        times = (max(1, wanted.since_ns), wanted.until_ns or 2**63 - 1)
        ((stored,),) = queries.rows(f"SELECT count(*) {inside}", times)
        for moments, direction in ((firsts, "ASC"), (lasts, "DESC")):
            sql = f"SELECT {column} {inside} ORDER BY {column} {direction} LIMIT 1 OFFSET ?"
            moments.extend(moment for (moment,) in queries.rows(sql, (*times, stored // _OUTLIERS)))
    return min(firsts, default=1), max(lasts, default=1)
