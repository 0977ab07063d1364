"""Which spans and log records tell of one and the same error, so that it counts once.

An error that crosses spans leaves its type and code on each, but its `exception` event only where it was recorded. So:

* each `exception` event counts; where a plain SDK recorded it on every span, that of the innermost;
* an answer (`503`) is the exception that its parent's span tells under the same code;
* a failed span without one counts where nothing below it failed, no span of the trace has recorded that error, and no log
  record of its own says more;
* a log record counts where it tells of an exception or is an error's own line (an event such as a retry that is to follow is
  none), does not say itself that the error was told before, and no failed span of its trace is of the same type or code;
* of a wrapper that says more than what it wraps, the wrapper counts.

A group is a service's errors of one code, type and fingerprint. Senders that know no fingerprint have the message without its
values instead: Go's errors are all `*errors.errorString`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .. import semconv
from ..semconv import standard
from ..signals.templates import template
from .filters import log_conditions, span_conditions, where
from .model import ErrorStats, Filter
from .sparks import counted

Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_Key = tuple[str, str, str, str, str]
"""Service, code, type, fingerprint, and where that is missing the message without its values."""
MOST_REPLACED: Final = 100_000
ROWS_AT_A_TIME: Final = 1_000
"""All are looked at; so many are held in memory."""

_LAST: Final = "replace({0}, rtrim({0}, replace({0}, '.', '')), '')"
"""SQL: a class's name without its module, since log records have the one and spans the other."""
_SPANS: Final = f"""
SELECT r.service, r.version, s.error_code, s.error_type, s.start_ns, s.status_message, s.trace_id, s.span_id, s.attributes,
  CASE WHEN s.recorded THEN s.events ELSE '[]' END, s.id
FROM span s JOIN resource r ON r.id = s.resource_id {{where}} AND s.id < ? AND NOT EXISTS (
  SELECT 1 FROM span c WHERE c.trace_id = s.trace_id AND c.parent_id = s.span_id AND (c.recorded = 1 OR c.status = 2) AND
    (s.recorded = 0 OR c.recorded = 1 AND c.error_type = s.error_type))
AND (s.recorded = 1 OR NOT EXISTS (
  SELECT 1 FROM span c WHERE c.trace_id = s.trace_id AND c.recorded = 1 AND (c.error_type = s.error_type
    OR c.span_id = s.parent_id AND c.error_code = s.error_code AND s.error_type NOT GLOB '*[^0-9]*'
    OR instr(c.events, '"' || json_extract(s.attributes, '$."{semconv.ERROR_FINGERPRINT}"') || '"')))
AND NOT EXISTS (
  SELECT 1 FROM log l WHERE l.trace_id = s.trace_id AND l.span_id = s.span_id AND l.error_type IS NOT NULL
    AND {_LAST.format("l.error_type")} IS NOT {_LAST.format("s.error_type")}))
ORDER BY s.id DESC LIMIT ?
"""
_RECORDED: Final = f'"{semconv.ERROR_RECORDED}":true'
# The first two are those of the partial index `log_failed`.
_FAILED_LOG: Final = ("(l.error_type IS NOT NULL OR l.error_code IS NOT NULL)",
                      "(l.error_code IS NOT NULL OR l.severity_number >= 17)",
                      f"instr(l.attributes, '{_RECORDED}') = 0",
                      f"(l.error_type IS NOT NULL OR l.event_name IN ('', '{semconv.EXCEPTION_EVENT}'))")  # fmt: skip
_LOGS: Final = f"""
SELECT r.service, r.version, l.error_code, l.error_type, l.time_ns, l.body, l.trace_id, l.span_id, l.attributes, '[]', l.id
FROM log l JOIN resource r ON r.id = l.resource_id {{where}} AND l.id < ? AND (l.trace_id IS NULL OR NOT EXISTS (
  SELECT 1 FROM span s WHERE s.trace_id = l.trace_id AND (s.recorded = 1 OR s.status = 2) AND (
    {_LAST.format("s.error_type")} = {_LAST.format("l.error_type")}
    OR l.error_type IS NULL AND s.error_code = l.error_code
    OR s.recorded = 1 AND instr(s.events, '"' || l.error_type || '"'))))
ORDER BY l.id DESC LIMIT ?
"""


@dataclass
class _Group:
    """What is known so far of errors that belong together."""

    newest: _Occurrence
    first_ns: int
    seconds: Counter[int] = field(default_factory=Counter)
    versions: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Occurrence:
    service: str
    version: str
    code: str
    type: str
    fingerprint: str
    category: str
    retryable: bool | None
    message: str
    time_ns: int
    trace_id: str | None
    span_id: str | None
    log_id: int | None
    replaces: str = ""


def error_stats(rows: Rows, wanted: Filter) -> list[ErrorStats]:
    """The groups, newest first. Spans and records are read whatever their code: a span may have several."""
    groups: dict[_Key, _Group] = {}
    replaced: set[tuple[str, str]] = set()
    conditions, values = span_conditions(replace(wanted, code=""), "(s.error_type IS NOT NULL OR s.status = 2)")
    for row in _newest_first(rows, _SPANS.format(where=where(conditions)), values):
        for occurrence in _occurrences(row):
            _add(groups, occurrence, wanted, replaced)
    if not (wanted.operation or wanted.min_duration_ns or wanted.kind):
        said = replace(wanted, code="", errors_only=False, min_severity=0, after_id=0)
        conditions, values = log_conditions(said, *_FAILED_LOG)
        for row in _newest_first(rows, _LOGS.format(where=where(conditions)), values):
            for occurrence in _occurrences(row, log_id=row[-1]):
                _add(groups, occurrence, wanted, replaced)
    newest = sorted(groups.items(), key=lambda entry: (-entry[1].newest.time_ns, -entry[1].seconds.total(), entry[0]))[
        : wanted.limit
    ]
    window = counted([group.seconds for group in groups.values()], wanted.since_ns, wanted.until_ns)
    return [
        ErrorStats(
            code, group.newest.category, kind, fingerprint, service, tuple(sorted(group.versions)), group.newest.retryable,
            group.seconds.total(), group.first_ns, group.newest.time_ns, group.newest.message,
            *_example(rows, group.newest), window(group.seconds),
        )
        for (service, code, kind, fingerprint, _), group in newest
    ]  # fmt: skip


def _example(rows: Rows, newest: _Occurrence) -> tuple[str | None, str | None, int | None]:
    """The trace, the span and the record where the newest is found; a trace only where something of it is stored."""
    if newest.log_id is None or rows("SELECT 1 FROM trace WHERE trace_id = ?", (newest.trace_id,)):
        return newest.trace_id, newest.span_id, newest.log_id
    return None, None, newest.log_id


def _newest_first(rows: Rows, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """All that a query finds, whose last column is the id, without holding all of it."""
    below = 2**63 - 1
    while found := rows(sql, (*values, below, ROWS_AT_A_TIME)):
        yield from found
        below = found[-1][-1]


def _occurrences(row: tuple[Any, ...], log_id: int | None = None) -> Iterator[_Occurrence]:
    """The errors that a row tells of: one for each `exception` event, or one for the row itself."""
    service, version, code, kind, moment, message, trace_id, span_id, attributes_text, events_text, _ = row
    attributes = json.loads(attributes_text)
    kind = kind or next((str(attributes[key]) for key in standard.HTTP_STATUS if key in attributes), None)
    recorded = [event for event in json.loads(events_text) if event[0] == semconv.EXCEPTION_EVENT]
    for _, time_ns, own in recorded or [("", moment, {})]:
        # What the span says is true of the error that failed it, not of others that were recorded on the way.
        another = len(recorded) > 1 and own.get(semconv.EXCEPTION_TYPE) not in (None, kind)
        said = own if another else {**own, semconv.ERROR_CODE: code, **attributes, **own}
        retryable = said.get(semconv.ERROR_RETRYABLE)
        yield _Occurrence(
            service, version, str(said.get(semconv.ERROR_CODE) or ""),
            str((own.get(semconv.EXCEPTION_TYPE) if another else kind) or ""),
            str(said.get(semconv.ERROR_FINGERPRINT) or ""), str(said.get(semconv.ERROR_CATEGORY) or ""),
            retryable if isinstance(retryable, bool) else None,
            str(said.get(semconv.EXCEPTION_MESSAGE) or message or _answer(kind)), time_ns or moment, trace_id, span_id,
            log_id, str(said.get(semconv.ERROR_REPLACES) or ""),
        )  # fmt: skip


def _answer(kind: str | None) -> str:
    return f"answered with HTTP status {kind}" if kind and kind.isdigit() else ""


def _add(groups: dict[_Key, _Group], found: _Occurrence, wanted: Filter, replaced: set[tuple[str, str]]) -> None:
    """Count an occurrence. What a wrapper `replaced` ended before it, and so is read after it."""
    if found.trace_id and (found.trace_id, found.fingerprint) in replaced:
        return
    if found.trace_id and found.replaces and len(replaced) < MOST_REPLACED:
        replaced.add((found.trace_id, found.replaces))
    if wanted.code and found.code != wanted.code:
        return
    kind_of_message = "" if found.fingerprint else template(found.message)
    key = (found.service, found.code, found.type, found.fingerprint, kind_of_message)
    group = groups.get(key)
    if group is None:
        group = groups[key] = _Group(found, found.time_ns)
    if found.time_ns > group.newest.time_ns:
        group.newest = found
    group.seconds[found.time_ns // 10**9] += 1
    group.first_ns = min(group.first_ns, found.time_ns)
    if found.version:
        group.versions.add(found.version)
