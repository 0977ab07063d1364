"""Events that spans tell of, and log records where there was no span."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..model import Attributes, Filter
from ..schema import TELLING_LOGS, TELLING_SPANS
from .counts import LAST_NS, Rows


@dataclass(frozen=True)
class Happened:
    """One event, with the span that it is on, where there is one."""

    service: str
    instance: str
    time_ns: int
    attributes: Attributes
    trace_id: str | None
    span_id: str | None


def happened(rows: Rows, event: str, wanted: Filter) -> list[Happened]:
    """All events of this name (one of `schema.TELLING_EVENTS`), oldest first."""
    found = [
        Happened(service, instance, time_ns, attributes, trace_id, span_id)
        for service, instance, trace_id, span_id, events in rows(
            "SELECT r.service, r.instance, s.trace_id, s.span_id, s.events FROM span s"
            f" JOIN resource r ON r.id = s.resource_id WHERE {TELLING_SPANS}",
            (),
        )
        for name, time_ns, attributes in json.loads(events)
        if name == event
    ]
    found += [
        Happened(service, instance, time_ns, json.loads(attributes), trace_id, span_id)
        for service, instance, time_ns, attributes, trace_id, span_id in rows(
            "SELECT r.service, r.instance, l.time_ns, l.attributes, l.trace_id, l.span_id FROM log l"
            f" JOIN resource r ON r.id = l.resource_id WHERE {TELLING_LOGS} AND l.event_name = ?",
            (event,),
        )
    ]
    until = wanted.until_ns or LAST_NS
    return sorted(
        (one for one in found if wanted.since_ns <= one.time_ns <= until and wanted.service in ("", one.service)),
        key=lambda one: one.time_ns,
    )
