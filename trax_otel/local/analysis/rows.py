"""Reading all of the store in pieces: what is held in memory does not grow with what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..filters import begin, contain, equal, where
from ..model import Filter
from ..queries import Queries

ROWS_AT_A_TIME: Final = 10_000


def each(
    queries: Queries, select: str, conditions: Sequence[str], values: Sequence[Any], key: str
) -> Iterator[tuple[Any, ...]]:
    """Every row of a SELECT whose first column is the id `key`, oldest first."""
    after = -1
    while found := queries.rows(
        f"{select} {where([*conditions, f'{key} > ?'])} ORDER BY {key} LIMIT {ROWS_AT_A_TIME}", (*values, after)
    ):
        yield from found
        after = found[-1][0]


def log_conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    """Conditions over log records (`l`) and resources (`r`)."""
    conditions: list[str] = []
    values: list[Any] = []
    for condition, value in (
        ("r.service = ?", wanted.service),
        ("l.logger = ?", wanted.operation),
        ("l.error_code = ?", wanted.code),
        ("l.time_ns >= ?", wanted.since_ns),
        ("l.time_ns <= ?", wanted.until_ns),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    begin(conditions, values, "l.trace_id", wanted.trace_id)
    contain(conditions, values, ("l.body", "l.attributes"), wanted.text)
    equal(conditions, values, "l.attributes", wanted)
    return conditions, values
