"""The rows of a waterfall: where each bar stands, what marks it, how long was waited before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ... import semconv
from ..attempts import Wait, told_by_a_wait, with_waits
from ..badges import Badge, badges, label
from ..facts import asked
from ..formats import duration, http_status, shown
from ..links import PLAIN_LINK, Reference, Targets, references
from ..model import Event, Log, Span
from ..tree import Node, bounds, happenings, logs_by_span, nodes
from ..words import told

COLOURS: Final = 8
"""How many colours the style sheet has for services; more services share them."""
DEEPEST: Final = 20
"""Rows are indented up to this depth; what lies deeper stands at the same place."""
INLINE_DETAILS: Final = 150
"""Up to so many spans the details come with the page; past that each is fetched when it is opened."""
CHUNK: Final = 50
"""Rows that the browser lays out, or leaves alone, as one."""
MAX_TICKS: Final = 40
MOST_SAID: Final = 6
"""Log lines and events that stand below a span that is not open."""


@dataclass(frozen=True)
class Tick:
    """A mark on a bar: an `event`, a `log` or an `error`; `at` in percent of the trace."""

    at: str
    kind: str


@dataclass(frozen=True)
class Pause:
    """The wait between two attempts as a row of its own; `left` and `width` in percent of the trace."""

    wait: Wait
    depth: int
    indent: int
    left: str
    width: str
    right: str


@dataclass(frozen=True)
class Said:
    """A log line or an event, as it stands below its span; `tone` is `bad`, `warn` or empty."""

    at: str
    tone: str
    text: str
    severity: str = ""


@dataclass(frozen=True)
class Row:
    """One span of the waterfall; `left` and `width` in percent of the trace."""

    span: Span
    depth: int
    indent: int
    below: int
    left: str
    width: str
    colour: int
    ticks: tuple[Tick, ...]
    badges: tuple[Badge, ...]
    logs: tuple[Log, ...]
    references: tuple[Reference, ...]
    by_time: bool
    """Whether it stands below a first attempt because it ran then."""
    start_ns: int
    """When the trace began."""
    waits: tuple[Wait, ...] = ()
    """The waits between its attempts, which have rows of their own."""

    @property
    def label(self) -> str:
        """The span's name, with what tells it from others of its kind."""
        return label(self.span) or "unnamed"

    @property
    def told(self) -> tuple[Reference, ...]:
        """The links that a reader should see without asking: what tripped a breaker, which run is gone on with."""
        return tuple(one for one in self.references if one.meaning != PLAIN_LINK)

    @property
    def asked(self) -> str:
        """Its SQL, URL or call."""
        return asked(self.span)

    def said(self) -> list[Said]:
        """Log lines and what else happened, each on one line, by time; of many the first and the last ones."""
        lines = [self._said(entry) for entry in self.happenings() if not told_by_a_wait(entry, self.waits)]
        if len(lines) <= MOST_SAID:
            return lines
        half = MOST_SAID // 2
        return [*lines[:half], Said("", "", f"{len(lines) - 2 * half} more"), *lines[-half:]]

    def _said(self, entry: Event | Log) -> Said:
        at = f"+{duration(entry.time_ns - self.start_ns)}"
        if isinstance(entry, Log):
            level = entry.severity_number
            tone = "bad" if level >= 17 else "warn" if level >= 13 else ""
            return Said(at, tone, entry.body or entry.event_name, entry.severity)
        if entry.name == semconv.EXCEPTION_EVENT:
            raised = (entry.attributes.get(key) for key in (semconv.EXCEPTION_TYPE, semconv.EXCEPTION_MESSAGE))
            return Said(at, "bad", ": ".join(shown(part) for part in raised if part))
        words = told(entry.name, entry.attributes)
        return Said(at, "", words.text if words else entry.name)

    @property
    def failed(self) -> bool:
        """Whether the span ended as an error."""
        return self.span.status == "error"

    @property
    def reason(self) -> str:
        """The error's type, or what else says why the span failed."""
        status = http_status(self.span.attributes)
        return self.span.error_type or (
            f"answered with HTTP {status}" if status is not None else "failed without an error"
        )

    @property
    def message(self) -> str:
        """What the error says: the exception's own text, else the status's."""
        for event in self.span.events:
            if event.name == semconv.EXCEPTION_EVENT and event.attributes.get(semconv.EXCEPTION_MESSAGE):
                return str(event.attributes[semconv.EXCEPTION_MESSAGE])
        return self.span.status_message.removeprefix(f"{self.span.error_type}: ")

    def happenings(self) -> list[Event | Log]:
        """Events and log records by time."""
        return happenings(self.span, self.logs)


@dataclass(frozen=True)
class Waterfall:
    """A trace, ready to be drawn."""

    trace_id: str
    start_ns: int
    duration_ns: int
    rows: tuple[Row, ...]
    lines: tuple[Row | Pause, ...]
    """The rows with the waits between attempts."""
    services: tuple[tuple[str, int], ...]
    """Each service with its colour."""
    loose_logs: tuple[Log, ...]
    """Log records of the trace whose span is not here."""

    @property
    def inline(self) -> bool:
        """Whether the details are part of the page."""
        return len(self.rows) <= INLINE_DETAILS

    @property
    def deepest(self) -> int:
        """How many levels the tree has."""
        return max(row.depth for row in self.rows) + 1

    def chunks(self) -> Iterator[tuple[Row | Pause, ...]]:
        """The rows in groups that the browser skips while they are out of sight."""
        for first in range(0, len(self.lines), CHUNK):
            yield self.lines[first : first + CHUNK]

    def scale(self) -> list[tuple[int, str]]:
        """The marks of the time axis: percent and text."""
        return [(percent, duration(self.duration_ns * percent // 100)) for percent in (0, 25, 50, 75, 100)]

    def origins(self) -> list[tuple[Row, int]]:
        """Where it failed, and how often in the same way: failed spans without a failed one right below, as it is drawn."""
        above: list[Row] = []
        covered: set[int] = set()
        for row in self.rows:
            while above and above[-1].depth >= row.depth:
                above.pop()
            if row.failed and above:
                covered.add(id(above[-1]))
            above.append(row)
        found: dict[tuple[str | None, ...], list[Row]] = {}
        for row in self.rows:
            if row.failed and id(row) not in covered:
                found.setdefault((row.span.error_code, row.span.error_type, row.message), []).append(row)
        return [(rows[0], len(rows)) for rows in found.values()]


def waterfall(
    spans: Sequence[Span],
    logs: Sequence[Log] = (),
    window: tuple[int, int] | None = None,
    targets: Targets | None = None,
) -> Waterfall:
    """Lay out a trace; `spans` is not empty. `window`: begin and end of the whole, where `spans` are only a part.

    `targets`: what is known of the spans that links lead to (see `links.targets`).
    """
    start, end = window or bounds(spans)
    length = max(1, end - start)
    by_span = logs_by_span(spans, logs)
    services = list(dict.fromkeys(span.service for span in spans))
    colours = {service: number % COLOURS for number, service in enumerate(services)}
    placed = with_waits(nodes(spans))
    waits: dict[str, list[Wait]] = {}
    for line in placed:
        if isinstance(line, Wait):
            waits.setdefault(line.operation_id, []).append(line)
    lines = tuple(
        _pause(line, start, length)
        if isinstance(line, Wait)
        else replace(
            _row(line, start, length, colours, tuple(by_span.get(line.span.span_id, ())), targets or {}),
            waits=tuple(waits.get(line.span.span_id, ())),
        )
        for line in placed
    )
    return Waterfall(
        spans[0].trace_id, start, end - start, tuple(line for line in lines if isinstance(line, Row)), lines,
        tuple((name, colours[name]) for name in services), tuple(by_span.get(None, ())),
    )  # fmt: skip


def _pause(wait: Wait, start: int, length: int) -> Pause:
    return Pause(
        wait, wait.depth, min(wait.depth, DEEPEST), _percent(wait.start_ns - start, length),
        _percent(wait.end_ns - wait.start_ns, length), _percent(wait.end_ns - start, length),
    )  # fmt: skip


def _row(node: Node, start: int, length: int, colours: dict[str, int], logs: tuple[Log, ...], targets: Targets) -> Row:
    span = node.span
    return Row(
        span, node.depth, min(node.depth, DEEPEST), node.below, _percent(span.start_ns - start, length),
        _percent(span.duration_ns, length), colours[span.service], _ticks(span, logs, start, length), tuple(badges(span)),
        logs, references(span, targets), node.by_time, start,
    )  # fmt: skip


def _ticks(span: Span, logs: tuple[Log, ...], start: int, length: int) -> tuple[Tick, ...]:
    if not span.events and not logs:
        return ()
    found = []
    for entry in happenings(span, logs)[:MAX_TICKS]:
        if isinstance(entry, Log):
            kind = "error" if entry.severity_number >= 17 else "log"
        else:
            kind = "error" if entry.name == semconv.EXCEPTION_EVENT else "event"
        found.append(Tick(_percent(min(max(0, entry.time_ns - start), length), length), kind))
    return tuple(dict.fromkeys(found))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.5g}"
