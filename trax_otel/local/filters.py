"""From a Filter to SQL conditions with their values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .model import Filter


def span_conditions(wanted: Filter, *more: str) -> tuple[str, list[Any]]:
    """A WHERE clause over spans (`s`) and resources (`r`); `more` are conditions without values."""
    conditions: list[str] = list(more)
    values: list[Any] = []
    for condition, value in (
        ("r.service = ?", wanted.service),
        ("s.name = ?", wanted.operation),
        ("s.error_code = ?", wanted.code),
        ("s.start_ns >= ?", wanted.since_ns),
        ("s.start_ns <= ?", wanted.until_ns),
        ("s.duration_ns >= ?", wanted.min_duration_ns),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    begin(conditions, values, "s.trace_id", wanted.trace_id)
    if wanted.errors_only:
        conditions.append("s.status = 2")
    contain(conditions, values, ("s.name", "s.attributes", "s.events", "s.status_message"), wanted.text)
    equal(conditions, values, "s.attributes", wanted)
    return where(conditions), values


def series_conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    """Conditions over series (`e`) and resources (`r`)."""
    conditions, values = [], []
    if wanted.service:
        conditions.append("r.service = ?")
        values.append(wanted.service)
    contain(conditions, values, ("e.name", "e.description"), wanted.text)
    equal(conditions, values, "e.attributes", wanted)
    return conditions, values


def begin(conditions: list[str], values: list[Any], column: str, trace_id: str) -> None:
    """Add that an id begins so; as a range, which an index answers."""
    if trace_id:
        conditions.append(f"{column} >= ? AND {column} < ?")
        values += [trace_id.lower(), trace_id.lower() + "g"]


def equal(conditions: list[str], values: list[Any], column: str, wanted: Filter) -> None:
    """Add what `wanted.extra` asks of a column of attributes."""
    for key, value in wanted.extra.items():
        path = '$."{}"'.format(key.replace('"', ""))
        conditions.append(
            f"CASE json_type({column}, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
            f" ELSE CAST(json_extract({column}, ?) AS TEXT) END = ?"
        )
        values += [path, path, str(value).lower() if isinstance(value, bool) else str(value)]


def where(conditions: Iterable[str]) -> str:
    """The conditions as a WHERE clause, empty where there are none."""
    joined = " AND ".join(conditions)
    return f"WHERE {joined}" if joined else ""


def contain(conditions: list[str], values: list[Any], columns: Iterable[str], text: str) -> None:
    """Add that one of the columns contains the text, whatever its case. Columns may hold JSON."""
    if not text:
        return
    ways = {text, json.dumps(text, ensure_ascii=False)[1:-1]}
    # SQLite's LIKE folds the case of ASCII alone; `fold` is Python's and slower.
    column_as = "{}" if text.isascii() else "fold({})"
    tests = []
    for column in columns:
        for way in sorted(ways):
            tests.append(f"{column_as.format(column)} LIKE ? ESCAPE '\\'")
            values.append(_pattern(way if text.isascii() else way.casefold()))
    conditions.append(f"({' OR '.join(tests)})")


def _pattern(text: str) -> str:
    """A LIKE pattern for text anywhere, with the escape character backslash."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
