"""From a Filter to SQL conditions with their values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..semconv.standard import same_attribute
from .model import Filter
from .records import kind_numbers

LOG_TEXTS: Final = ("l.body", "l.attributes")
"""What is said in a log record; a listing of records looks at the event's name too."""


def span_conditions(wanted: Filter, *more: str) -> tuple[list[str], list[Any]]:
    """Conditions over spans (`s`) and resources (`r`); `more` stand first, and their values go before the others."""
    conditions, values = _asked(
        more,
        ("r.service = ?", wanted.service),
        ("r.version = ?", wanted.version),
        ("s.name = ?", wanted.operation),
        ("s.error_code = ?", wanted.code),
        ("s.start_ns >= ?", wanted.since_ns),
        ("s.start_ns <= ?", wanted.until_ns),
        ("s.duration_ns >= ?", wanted.min_duration_ns),
    )
    begin(conditions, values, "s.trace_id", wanted.trace_id)
    if wanted.errors_only:
        conditions.append("s.status = 2")
    if wanted.kind:
        conditions.append(f"s.kind IN ({', '.join(map(str, kind_numbers(wanted.kind)))})")
    contain(conditions, values, ("s.name", "s.attributes", "s.events", "s.status_message"), wanted.text)
    equal(conditions, values, "s.attributes", wanted)
    return conditions, values


def log_conditions(wanted: Filter, *more: str, texts: Sequence[str] = LOG_TEXTS) -> tuple[list[str], list[Any]]:
    """Conditions over log records (`l`) and resources (`r`), as `span_conditions`; the text is looked for in `texts`."""
    conditions, values = _asked(
        more,
        ("r.service = ?", wanted.service),
        ("r.version = ?", wanted.version),
        ("l.logger = ?", wanted.operation),
        ("l.error_code = ?", wanted.code),
        ("l.time_ns >= ?", wanted.since_ns),
        ("l.time_ns <= ?", wanted.until_ns),
        ("l.severity_number >= ?", wanted.min_severity or (17 if wanted.errors_only else 0)),
        ("l.id > ?", wanted.after_id),
    )
    begin(conditions, values, "l.trace_id", wanted.trace_id)
    contain(conditions, values, texts, wanted.text)
    equal(conditions, values, "l.attributes", wanted)
    return conditions, values


def series_conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    """Conditions over series (`e`) and resources (`r`)."""
    conditions, values = _asked((), ("r.service = ?", wanted.service), ("r.version = ?", wanted.version))
    contain(conditions, values, ("e.name", "e.description"), wanted.text)
    equal(conditions, values, "e.attributes", wanted)
    return conditions, values


def _asked(first: Iterable[str], *columns: tuple[str, Any]) -> tuple[list[str], list[Any]]:
    """The first conditions, and those of the columns that something is asked of, with what that is."""
    asked = [(condition, value) for condition, value in columns if value]
    return [*first, *(condition for condition, _ in asked)], [value for _, value in asked]


def begin(conditions: list[str], values: list[Any], column: str, trace_id: str) -> None:
    """Add that an id begins so; as a range, which an index answers."""
    if trace_id:
        conditions.append(f"{column} >= ? AND {column} < ?")
        values += [trace_id.lower(), trace_id.lower() + "g"]


def equal(conditions: list[str], values: list[Any], column: str, wanted: Filter) -> None:
    """Add what `wanted.extra` asks of a column of attributes, by any of the names that an attribute has had."""
    for key, value in wanted.extra.items():
        ways = []
        for name in same_attribute(key):
            path = '$."{}"'.format(name.replace('"', ""))
            ways.append(
                f"CASE json_type({column}, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
                f" ELSE CAST(json_extract({column}, ?) AS TEXT) END = ?"
            )
            values += [path, path, str(value).lower() if isinstance(value, bool) else str(value)]
        conditions.append(f"({' OR '.join(ways)})")


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
