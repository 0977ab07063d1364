"""The views in a terminal: tables, and a trace as a tree.

What telemetry says is data: control characters are shown as symbols and rich's markup is never read from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from .. import semconv
from .distributions import HISTOGRAMS, SHARES, overall, percentiles
from .formats import badges, clean, duration, moment, quantity, shown
from .model import Event
from .tree import bounds, happenings, logs_by_span, nodes, waits

if TYPE_CHECKING:
    from rich.console import Console

    from .model import (
        ErrorStats,
        Log,
        MetricInfo,
        MetricSeries,
        OperationStats,
        ServiceStats,
        Span,
        TraceSummary,
    )

_SEVERITY_STYLES: Final = {
    "WARN": "yellow",
    "WARNING": "yellow",
    "ERROR": "red",
    "FATAL": "bold red",
    "CRITICAL": "bold red",
}
DEEPEST: Final = 40
"""Spans are indented up to this depth; what lies deeper stands at the same place."""
STACK_LINES: Final = 12
"""Lines of a stack trace that the tree shows, the innermost."""


def text(value: object, style: str = "") -> Text:
    """Telemetry's text: cleaned, never read as markup."""
    return Text(clean(str(value)), style=style)


def _table(title: str, *columns: tuple[str, str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name, justify in columns:
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    return table


def print_services(console: Console, stats: Sequence[ServiceStats]) -> None:
    """What each service has sent."""
    table = _table("Services", ("service", ""), ("version", ""), ("processes", "right"), ("spans", "right"),
                   ("failed", "right"), ("logs", "right"), ("metrics", "right"), ("last seen", ""))  # fmt: skip
    for entry in stats:
        table.add_row(
            text(entry.service), text(entry.version or "–"), str(entry.instances), str(entry.spans), _failed(entry.errors),
            str(entry.logs), str(entry.metrics), moment(entry.last_ns),
        )  # fmt: skip
    console.print(table)


def print_operations(console: Console, stats: Sequence[OperationStats]) -> None:
    """Count, errors and percentiles of each operation."""
    table = _table("Operations", ("service", ""), ("operation", ""), ("kind", ""), ("count", "right"), ("errors", "right"),
                   ("p50", "right"), ("p95", "right"), ("p99", "right"))  # fmt: skip
    for entry in stats:
        table.add_row(
            text(entry.service), text(entry.operation), entry.kind, str(entry.count), _failed(entry.errors),
            duration(entry.p50_ns), duration(entry.p95_ns), duration(entry.p99_ns),
        )  # fmt: skip
    console.print(table)


def print_errors(console: Console, stats: Sequence[ErrorStats]) -> None:
    """Errors by code, type and fingerprint."""
    table = _table("Errors by code", ("code", ""), ("type", ""), ("message", ""), ("count", "right"), ("retryable", ""),
                   ("service", ""), ("fingerprint", ""), ("trace", ""))  # fmt: skip
    for entry in stats:
        retryable = "–" if entry.retryable is None else "yes" if entry.retryable else "no"
        table.add_row(
            text(entry.code or "–", "bold red"), text(entry.type or "–"), text(_short(entry.message, 60) or "–"),
            str(entry.count), retryable,
            text(entry.service), text(entry.fingerprint[:8] or "–", "dim"), text((entry.example_trace_id or "–")[:8], "cyan"),
        )  # fmt: skip
    console.print(table)


def print_traces(console: Console, traces: Sequence[TraceSummary]) -> None:
    """Traces, one a line."""
    table = _table("Traces", ("trace", ""), ("began", ""), ("root", ""), ("services", ""), ("duration", "right"),
                   ("spans", "right"), ("failed", "right"), ("codes", ""))  # fmt: skip
    for entry in traces:
        table.add_row(
            text(entry.trace_id[:16], "cyan"), moment(entry.start_ns), text(entry.root), text(", ".join(entry.services)),
            duration(entry.duration_ns), str(entry.spans), _failed(entry.errors), text(", ".join(entry.error_codes), "red"),
        )  # fmt: skip
    console.print(table)


def print_trace_lines(console: Console, traces: Iterable[TraceSummary]) -> None:
    """Traces as they arrive, one a line, without a head."""
    for entry in traces:
        line = Text.assemble(
            (f"{moment(entry.start_ns)} ", "dim"), text(entry.trace_id[:16], "cyan"), "  ", text(entry.root, "bold"),
            f"  {duration(entry.duration_ns)}  ", text(", ".join(entry.services), "dim"), f"  {entry.spans} spans",
        )  # fmt: skip
        if entry.errors:
            line.append(f"  {entry.errors} failed {clean(' '.join(entry.error_codes))}", "red")
        console.print(line, soft_wrap=True)


def print_logs(console: Console, logs: Iterable[Log]) -> None:
    """Log records, one a line, oldest first."""
    for log in logs:
        console.print(_log_line(log, clock=True), soft_wrap=True)


def print_metrics(console: Console, metrics: Sequence[MetricInfo]) -> None:
    """What metrics there are."""
    table = _table("Metrics", ("metric", ""), ("kind", ""), ("unit", ""), ("services", ""), ("series", "right"),
                   ("points", "right"), ("meaning", ""))  # fmt: skip
    for entry in metrics:
        table.add_row(
            text(entry.name), entry.kind, text(entry.unit), text(", ".join(entry.services)), str(entry.series),
            str(entry.points), text(entry.description, "dim"),
        )  # fmt: skip
    console.print(table)


def print_series(console: Console, series: Sequence[MetricSeries]) -> None:
    """The latest value of each series of one metric; of a histogram count, mean and percentiles of all that is stored."""
    spread = series[0].kind in HISTOGRAMS
    figures = ("count", "mean", *(f"p{share}" for share in SHARES)) if spread else ("latest",)
    table = _table(
        clean(series[0].name), ("service", ""), ("attributes", ""), *((name, "right") for name in figures), ("at", "")
    )
    for entry in series:
        point = entry.points[-1] if entry.points else None
        whole = overall(entry)
        if spread and whole is not None:
            values = [
                f"{whole.count:,}", quantity((whole.sum or 0.0) / whole.count if whole.count else None, entry.unit),
                *(quantity(value, entry.unit) for value in percentiles(whole)),
            ]  # fmt: skip
        else:
            values = [quantity(point.value if point else None, entry.unit)] + ["–"] * (len(figures) - 1)
        when = moment(point.time_ns) if point else "–"
        table.add_row(text(entry.service), text(_pairs(entry.attributes)), *map(text, values), when)
    console.print(table)


# --- One trace -----------------------------------------------------------------------------------------------------------


def print_trace(console: Console, spans: Sequence[Span], logs: Sequence[Log] = (), *, details: bool = False) -> None:
    """A trace as a tree: offsets, durations, events, links, errors and log lines in place; `details`: attributes too."""
    start, end = bounds(spans)
    head = Text.assemble(
        ("trace ", "bold"), (spans[0].trace_id, "cyan"), f"  {moment(start)}  ", (duration(end - start), "bold"),
        f"  {len(spans)} span{'' if len(spans) == 1 else 's'}",
    )  # fmt: skip
    tree = Tree(head, guide_style="dim")
    by_span = logs_by_span(spans, logs)
    for log in by_span.get(None, []):
        tree.add(_log_line(log, start))
    branches = [tree]
    placed = nodes(spans)
    pauses = waits(placed)
    for node in placed:
        del branches[min(node.depth, DEEPEST) + 1 :]
        branches.append(branches[-1].add(_span_line(node.span, start, pauses.get(node.span.span_id))))
        _add_details(branches[-1], node.span, start, by_span.get(node.span.span_id, []), details)
    console.print(tree)


def _span_line(span: Span, start_ns: int, wait: tuple[int, int] | None) -> Text:
    failed = span.status == "error"
    line = Text.assemble(
        (f"+{duration(span.start_ns - start_ns)} ", "dim"), text(span.name, "bold red" if failed else "bold"),
        (f"  {duration(span.duration_ns)}", "cyan"), (f"  {span.kind} · ", "dim"), text(span.service, "dim"),
    )  # fmt: skip
    if wait is not None:
        line.append(f"  [waited {duration(wait[1] - wait[0])}]", "dim")
    for badge in badges(span.attributes):
        line.append(f"  [{clean(badge.text)}]", "yellow")
    if failed:
        line.append(f"  {clean(span.error_code or span.error_type or 'error')}", "red")
    return line


def _add_details(branch: Tree, span: Span, start_ns: int, logs: Sequence[Log], details: bool) -> None:
    if details:
        for key, value in sorted(span.attributes.items()):
            branch.add(Text.assemble((f"{clean(key)} ", "dim"), text(shown(value))))
    told = [str(event.attributes.get(semconv.EXCEPTION_MESSAGE) or "\n") for event in span.events]
    repeated = any(message in span.status_message or span.status_message in message for message in told)
    if span.status == "error" and span.status_message and not repeated:
        branch.add(text(_short(span.status_message, 200), "red"))
    for entry in happenings(span, logs):
        branch.add(_event(entry, start_ns) if isinstance(entry, Event) else _log_line(entry, start_ns))
    for link in span.links:
        branch.add(
            Text.assemble(("→ link ", "magenta"), (link.trace_id[:16], "cyan"), f" {clean(_pairs(link.attributes))}")
        )


def _event(event: Event, start_ns: int) -> Text:
    line = Text.assemble(
        (f"+{duration(event.time_ns - start_ns)} ", "dim"), ("● ", "magenta"), text(event.name, "magenta")
    )
    if event.name != semconv.EXCEPTION_EVENT:
        return line.append(f"  {clean(_pairs(event.attributes))}", "dim")
    kind, message = (event.attributes.get(key, "") for key in (semconv.EXCEPTION_TYPE, semconv.EXCEPTION_MESSAGE))
    line.append(f"  {clean(str(kind))}: {clean(_short(str(message), 200))}", "red")
    stack = str(event.attributes.get(semconv.EXCEPTION_STACKTRACE, "")).rstrip().splitlines()
    if len(stack) > STACK_LINES:
        stack = [f"… {len(stack) - STACK_LINES} lines", *stack[-STACK_LINES:]]
    for stack_line in stack:
        line.append(f"\n  {clean(stack_line)}", "dim")
    return line


def _log_line(log: Log, start_ns: int | None = None, *, clock: bool = False) -> Text:
    when = moment(log.time_ns) if clock or start_ns is None else f"+{duration(log.time_ns - start_ns)}"
    line = Text.assemble(
        (f"{when} ", "dim"), text(f"{log.severity or '–':<5} ", _SEVERITY_STYLES.get(log.severity.upper(), "green")),
        text(log.event_name or log.logger, "dim"), "  ", text(log.body),
    )  # fmt: skip
    if clock:
        line.append(f"  {clean(log.service)}", "dim")
        if log.trace_id:
            line.append(f" {log.trace_id[:8]}", "cyan")
    if log.error_code:
        line.append(f"  {clean(log.error_code)}", "red")
    return line


def _pairs(attributes: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={shown(value)}" for key, value in sorted(attributes.items()))


def _short(value: str, length: int) -> str:
    first = value.strip().splitlines()[0] if value.strip() else ""
    return first if len(first) <= length else f"{first[: length - 1]}…"


def _failed(count: int) -> Text:
    return Text(str(count), "red" if count else "dim")
