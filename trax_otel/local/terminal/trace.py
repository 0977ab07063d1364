"""One trace as a tree: what happened in place, attempts with the waits between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text
from rich.tree import Tree

from ... import semconv
from ..attempts import Wait, told_by_a_wait, with_waits
from ..badges import badges, label
from ..facts import asked
from ..formats import clean, duration, moment, shown
from ..links import Incoming, Reference, Targets, references
from ..model import Event, Log
from ..tree import Node, bounds, happenings, logs_by_span, nodes
from ..words import told
from .listings import log_line
from .tables import pairs, short, text

if TYPE_CHECKING:
    from rich.console import Console

    from ..model import Span

DEEPEST: Final = 40
"""Spans are indented up to this depth; what lies deeper stands at the same place."""
STACK_LINES: Final = 12
"""Lines of a stack trace that the tree shows, the innermost."""
MOST_SOURCES: Final = 4
"""Spans of other traces that are named where many lead here in the same way."""


def print_trace(
    console: Console,
    spans: Sequence[Span],
    logs: Sequence[Log] = (),
    *,
    details: bool = False,
    targets: Targets | None = None,
    incoming: Sequence[Incoming] = (),
) -> None:
    """A trace as a tree: offsets, durations, events, links, errors and log lines in place; `details`: attributes too.

    `targets`: what is known of the spans that links lead to; `incoming`: what leads here from other traces (see `links`).
    """
    start, end = bounds(spans)
    head = Text.assemble(
        ("trace ", "bold"), (spans[0].trace_id, "cyan"), f"  {moment(start)}  ", (duration(end - start), "bold"),
        f"  {len(spans)} span{'' if len(spans) == 1 else 's'}",
    )  # fmt: skip
    tree = Tree(head, guide_style="dim")
    for entry in incoming:
        tree.add(_incoming_line(entry))
    _Drawing(tree, spans, logs, start, details, targets or {}).draw()
    console.print(tree)


def _incoming_line(entry: Incoming) -> Text:
    line = Text.assemble(("← ", "magenta"), (f"this trace {entry.meaning} ", "magenta"))
    line.append_text(text(entry.name or "unnamed", "bold")).append(" in ", "dim")
    line.append(", ".join(source.trace_id[:16] for source in entry.sources[:MOST_SOURCES]), "cyan")
    left = len(entry.sources) - MOST_SOURCES
    return line.append(f" and {left} other{'' if left == 1 else 's'}" if left > 0 else "", "dim")


class _Drawing:
    """Puts spans, waits and what happened under each other, each at its time."""

    def __init__(
        self, tree: Tree, spans: Sequence[Span], logs: Sequence[Log], start_ns: int, details: bool, targets: Targets
    ) -> None:
        self._start = start_ns
        self._details = details
        self._targets = targets
        self._rows = with_waits(nodes(spans))
        by_span = logs_by_span(spans, logs)
        waits: dict[str, list[Wait]] = {}
        for row in self._rows:
            if isinstance(row, Wait):
                waits.setdefault(row.operation_id, []).append(row)
        self._told: dict[str, list[Event | Log]] = {}
        placed = [row for row in self._rows if isinstance(row, Node)]
        for node in placed:
            own, known = node.span, waits.get(node.span.span_id, ())
            entries = happenings(own, by_span.get(own.span_id, ()))
            self._told[own.span_id] = [entry for entry in entries if not told_by_a_wait(entry, known)]
        backdated = (node.span for node in placed if node.span.attributes.get(semconv.RETRY_BACKDATED) is True)
        for attempt in {span.parent_id: span for span in backdated if span.parent_id != span.span_id}.values():
            self._adopt(attempt)
        self._branches: list[tuple[Tree, list[Event | Log]]] = [(tree, list(by_span.get(None, ())))]

    def _adopt(self, attempt: Span) -> None:
        """What the operation told while its back-dated attempt ran belongs to that."""
        own, around = list(self._told[attempt.span_id]), list[Event | Log]()
        for entry in self._told.get(attempt.parent_id or "", []):
            (own if attempt.start_ns <= entry.time_ns < attempt.end_ns else around).append(entry)
        self._told[attempt.parent_id or ""] = around
        self._told[attempt.span_id] = sorted(own, key=lambda entry: entry.time_ns)

    def draw(self) -> None:
        """All rows, then what is left to tell."""
        for row in self._rows:
            self._leave(min(row.depth, DEEPEST) + 1)
            branch, waiting = self._branches[-1]
            began = row.start_ns if isinstance(row, Wait) else row.span.start_ns
            while waiting and waiting[0].time_ns <= began:
                branch.add(self._entry(waiting.pop(0)))
            if isinstance(row, Wait):
                branch.add(self._wait_line(row))
                continue
            span = row.span
            below = branch.add(self._span_line(row))
            self._add_facts(below, span)
            self._branches.append((below, self._told[span.span_id]))
        self._leave(0)

    def _leave(self, depth: int) -> None:
        """Tell what remains of the spans that end here."""
        while len(self._branches) > depth:
            branch, waiting = self._branches.pop()
            for entry in waiting:
                branch.add(self._entry(entry))

    def _entry(self, entry: Event | Log) -> Text:
        return self._event(entry) if isinstance(entry, Event) else log_line(entry, self._start)

    def _at(self, time_ns: int) -> tuple[str, str]:
        return (f"+{duration(time_ns - self._start)} ", "dim")

    def _span_line(self, node: Node) -> Text:
        span = node.span
        failed = span.status == "error"
        line = Text.assemble(
            self._at(span.start_ns), text(label(span), "bold red" if failed else "bold"),
            (f"  {duration(span.duration_ns)}", "cyan"), (f"  {span.kind} · ", "dim"), text(span.service, "dim"),
        )  # fmt: skip
        for badge in badges(span):
            line.append(f"  [{clean(badge.text)}]", "green" if badge.tone == "good" else "yellow")
        if failed:
            line.append(f"  {clean(span.error_code or span.error_type or 'error')}", "red")
        if node.by_time:
            line.append("  (by its time)", "dim")
        return line

    def _wait_line(self, wait: Wait) -> Text:
        line = Text.assemble(self._at(wait.start_ns), ("┄┄ ", "blue"), (wait.text, "blue"))
        line.append(f"  {clean(wait.why)}" if wait.why else "", "dim")
        return line

    def _add_facts(self, branch: Tree, span: Span) -> None:
        if line := asked(span):
            branch.add(text(line, "blue"))
        if self._details:
            for key, value in sorted(span.attributes.items()):
                branch.add(Text.assemble((f"{clean(key)} ", "dim"), text(shown(value))))
        said = [str(event.attributes.get(semconv.EXCEPTION_MESSAGE) or "\n") for event in span.events]
        repeated = any(message in span.status_message or span.status_message in message for message in said)
        if span.status == "error" and span.status_message and not repeated:
            branch.add(text(short(span.status_message, 200), "red"))
        for reference in references(span, self._targets):
            branch.add(self._link_line(reference))

    def _link_line(self, reference: Reference) -> Text:
        link = reference.link
        line = Text.assemble(("→ ", "magenta"), (f"{reference.meaning} ", "magenta"))
        line.append_text(text(reference.text, "bold")).append(" ")
        line.append("here, span " if reference.here else "in trace ", "dim")
        line.append(link.span_id if reference.here else link.trace_id[:16], "cyan")
        line.append(f"  ({reference.remark})" if reference.remark else "", "dim")
        return line.append(f"  {clean(pairs(link.attributes))}" if link.attributes else "")

    def _event(self, event: Event) -> Text:
        line = Text.assemble(self._at(event.time_ns), ("● ", "magenta"))
        in_words = told(event.name, event.attributes)
        if in_words is not None:
            line.append(clean(in_words.text), "magenta")
            return line.append(f"  {clean(pairs(in_words.rest))}" if in_words.rest else "", "dim")
        line.append(clean(event.name), "magenta")
        if event.name != semconv.EXCEPTION_EVENT:
            return line.append(f"  {clean(pairs(event.attributes))}", "dim")
        kind, message = (event.attributes.get(key, "") for key in (semconv.EXCEPTION_TYPE, semconv.EXCEPTION_MESSAGE))
        line.append(f"  {clean(str(kind))}: {clean(short(str(message), 200))}", "red")
        stack = str(event.attributes.get(semconv.EXCEPTION_STACKTRACE, "")).rstrip().splitlines()
        if len(stack) > STACK_LINES:
            stack = [f"… {len(stack) - STACK_LINES} lines", *stack[-STACK_LINES:]]
        for stack_line in stack:
            line.append(f"\n  {clean(stack_line)}", "dim")
        return line
