"""Which spans and log records tell of one and the same error, so that it counts once.

An error that crosses spans leaves its type and code on each, but its `exception` event only where it was recorded. So a span
with that event counts (the innermost, where a plain SDK recorded it on each); a failed span without one counts where nothing
below it failed; a log record counts where it belongs to no trace, or to one without a failed span.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .. import semconv
from .model import ErrorStats, Filter

Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

MAX_LOOKED_AT: Final = 50_000
"""Failed spans, the newest, that are looked at."""

_SPANS: Final = """
SELECT r.service, r.version, s.error_code, s.error_type, s.start_ns, s.status_message, s.trace_id, s.span_id, s.attributes,
  CASE WHEN s.recorded THEN s.events ELSE '[]' END
FROM span s JOIN resource r ON r.id = s.resource_id {where} AND NOT EXISTS (
  SELECT 1 FROM span c WHERE c.trace_id = s.trace_id AND c.parent_id = s.span_id AND (c.recorded = 1 OR c.status = 2) AND
    CASE WHEN s.recorded THEN c.recorded = 1 AND c.error_type = s.error_type ELSE c.status = 2 OR c.recorded = 1 END)
ORDER BY s.id DESC LIMIT ?
"""
_RECORDED: Final = f'"{semconv.ERROR_RECORDED}":true'
_LOGS: Final = """
SELECT r.service, r.version, l.error_code, l.error_type, l.time_ns, l.body, l.trace_id, l.span_id, l.attributes, '[]'
FROM log l JOIN resource r ON r.id = l.resource_id {where} AND instr(l.attributes, '{recorded}') = 0 AND (l.trace_id IS NULL OR NOT EXISTS (
  SELECT 1 FROM span s WHERE s.trace_id = l.trace_id AND (s.recorded = 1 OR s.status = 2)))
ORDER BY l.id DESC LIMIT ?
"""


@dataclass
class _Group:
    """What is known so far of errors that belong together; the first row seen is the newest."""

    category: str
    retryable: bool | None
    message: str
    trace_id: str | None
    span_id: str | None
    last_ns: int
    first_ns: int
    count: int = 0
    versions: set[str] = field(default_factory=set)


def error_stats(rows: Rows, where: str, values: Sequence[Any], wanted: Filter) -> list[ErrorStats]:
    """The groups, most frequent first. `where` chooses spans (`s`, `r`)."""
    groups: dict[tuple[str, str, str, str], _Group] = {}
    for row in rows(_SPANS.format(where=where), (*values, MAX_LOOKED_AT)):
        _add(groups, row)
    if not wanted.operation and not wanted.min_duration_ns:
        log_where, log_values = _log_conditions(wanted)
        for row in rows(_LOGS.format(where=log_where, recorded=_RECORDED), (*log_values, MAX_LOOKED_AT)):
            _add(groups, row)
    stats = [
        ErrorStats(
            code, group.category, kind, fingerprint, service, tuple(sorted(group.versions)), group.retryable, group.count,
            group.first_ns, group.last_ns, group.message, group.trace_id, group.span_id,
        )
        for (service, code, kind, fingerprint), group in groups.items()
    ]  # fmt: skip
    stats.sort(key=lambda entry: (-entry.count, entry.code, entry.type))
    return stats[: wanted.limit]


def _log_conditions(wanted: Filter) -> tuple[str, list[Any]]:
    conditions, values = ["(l.error_code IS NOT NULL OR (l.error_type IS NOT NULL AND l.severity_number >= 17))"], []
    for condition, value in (
        ("r.service = ?", wanted.service),
        ("l.error_code = ?", wanted.code),
        ("l.trace_id LIKE ? || '%'", wanted.trace_id.lower()),
        ("l.time_ns >= ?", wanted.since_ns),
        ("l.time_ns <= ?", wanted.until_ns),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    if wanted.text:
        conditions.append("(instr(lower(l.body), lower(?)) OR instr(lower(l.attributes), lower(?)))")
        values += [wanted.text, wanted.text]
    return "WHERE " + " AND ".join(conditions), values


def _add(groups: dict[tuple[str, str, str, str], _Group], row: tuple[Any, ...]) -> None:
    service, version, code, kind, moment, message, trace_id, span_id, attributes_text, events_text = row
    attributes = json.loads(attributes_text)
    for name, _, event in json.loads(events_text):
        if name == semconv.EXCEPTION_EVENT:
            attributes = {**event, **attributes}
            message = event.get(semconv.EXCEPTION_MESSAGE) or message
    message = str(attributes.get(semconv.EXCEPTION_MESSAGE) or message or "")
    fingerprint = str(attributes.get(semconv.ERROR_FINGERPRINT) or "")
    key = (service, code or "", kind or "", fingerprint)
    group = groups.get(key)
    if group is None:
        retryable = attributes.get(semconv.ERROR_RETRYABLE)
        group = groups[key] = _Group(
            str(attributes.get(semconv.ERROR_CATEGORY) or ""),
            retryable if isinstance(retryable, bool) else None, message, trace_id, span_id, moment, moment,
        )  # fmt: skip
    group.count += 1
    group.first_ns = min(group.first_ns, moment)
    group.last_ns = max(group.last_ns, moment)
    if version:
        group.versions.add(version)
