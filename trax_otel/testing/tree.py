"""Captured spans as text that a snapshot can hold: no times, no ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from .. import semconv

if TYPE_CHECKING:
    from .records import CapturedEvent, CapturedLog, CapturedSpan


def render(
    spans: Sequence[CapturedSpan], logs: Sequence[CapturedLog], attributes: Collection[str] | None = None
) -> str:
    """The spans as an indented tree with their events and log lines; `attributes`: which of the spans' to show."""
    known = {span.span_id for span in spans}
    children: dict[int | None, list[CapturedSpan]] = {}
    for span in sorted(spans, key=lambda span: (span.start_ns, span.span_id)):
        children.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    logs_by_span: dict[int | None, list[CapturedLog]] = {}
    for log in logs:
        logs_by_span.setdefault(log.span_id if log.span_id in known else None, []).append(log)
    lines: list[str] = []
    waiting = [(span, 0) for span in reversed(children.get(None, []))]
    while waiting:
        span, depth = waiting.pop()
        indent = "  " * depth
        lines.append(indent + _head(span, attributes))
        own = logs_by_span.get(span.span_id, [])
        lines += [f"{indent}  - {line}" for line in _happened(span, own)]
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    lines += [f"- {_log(log)}" for log in logs_by_span.get(None, [])]
    return "\n".join(lines)


def _head(span: CapturedSpan, attributes: Collection[str] | None) -> str:
    what = span.error_code or span.attributes.get(semconv.ERROR_TYPE) or span.message
    status = f" [{span.status}{f' {what}' if what else ''}]" if span.status != "unset" else ""
    shown = sorted((key, value) for key, value in span.attributes.items() if key in (attributes or ()))
    return span.name + status + "".join(f" {key}={value}" for key, value in shown)


def _happened(span: CapturedSpan, logs: Sequence[CapturedLog]) -> list[str]:
    logged = {log.body for log in logs}
    moments = [(log.time_ns, _log(log)) for log in logs]
    moments += [
        (event.time_ns, _event(event))
        for event in span.events
        if event.name != semconv.LOG_EVENT or event.attributes.get(semconv.LOG_MESSAGE) not in logged
    ]
    return [line for _, line in sorted(moments, key=lambda moment: moment[0])]


def _event(event: CapturedEvent) -> str:
    if event.name == semconv.EXCEPTION_EVENT:
        kind, message = (event.attributes.get(key, "") for key in (semconv.EXCEPTION_TYPE, semconv.EXCEPTION_MESSAGE))
        return f"{event.name} {kind}: {message}"
    if event.name == semconv.LOG_EVENT:
        return f"{event.attributes.get(semconv.LOG_SEVERITY)} {event.attributes.get(semconv.LOG_MESSAGE)}"
    return event.name


def _log(log: CapturedLog) -> str:
    return f"{log.severity} {log.event_name or log.body}".strip()
