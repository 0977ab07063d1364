"""Services, operations, errors, traces, logs and metrics in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from ...semconv import EXCEPTION_STACKTRACE
from ..distributions import HISTOGRAMS, SHARES, overall, percentiles, samples, totals
from ..formats import clean, duration, moment, quantity, shown, when
from ..sparks import bars, folded
from .tables import NONE, Listing, failed, pairs, short, text

if TYPE_CHECKING:
    from rich.console import Console

    from ..model import (
        ErrorStats,
        Log,
        MetricInfo,
        MetricSeries,
        OperationStats,
        ServiceStats,
        TraceSummary,
    )

SPARKS: Final = 8
"""Bars of a row that shows how often something happened over time."""
_SEVERITY_STYLES: Final = {
    "WARN": "yellow",
    "WARNING": "yellow",
    "ERROR": "red",
    "FATAL": "bold red",
    "CRITICAL": "bold red",
}


def print_services(console: Console, stats: Sequence[ServiceStats]) -> None:
    """What each service has sent."""
    listing = Listing(
        "Services", "service", "version~", "processes>~", "spans>", "failed>", "logs>", "metrics>", "last seen"
    )
    for entry in stats:
        listing.add(
            text(entry.service), text(entry.version or "–"), str(entry.instances), str(entry.spans), failed(entry.errors),
            str(entry.logs), str(entry.metrics), when(entry.last_ns),
        )  # fmt: skip
    listing.print(console)


def print_operations(console: Console, stats: Sequence[OperationStats]) -> None:
    """Count, errors and percentiles of each operation."""
    listing = Listing("Operations", "service", "operation", "kind~", "count>", "errors>", "p50>", "p95>", "p99>")
    for entry in stats:
        listing.add(
            text(entry.service), text(entry.operation), entry.kind, str(entry.count), failed(entry.errors),
            duration(entry.p50_ns), duration(entry.p95_ns), duration(entry.p99_ns),
        )  # fmt: skip
    listing.print(console)


def print_errors(console: Console, stats: Sequence[ErrorStats]) -> None:
    """Errors, newest first: how often over the time that is looked at, and where to see one of them."""
    since = f" since {when(stats[0].over_time.first_ns)}" if stats else ""
    listing = Listing(
        f"Errors{since}, newest first", "last=", "code", "type", "service~", "count>", "over time=", "look at=",
        "message~", "retryable~", "fingerprint~",
    )  # fmt: skip
    for entry in stats:
        retryable = "–" if entry.retryable is None else "yes" if entry.retryable else "no"
        listing.add(
            when(entry.last_ns), text(entry.code or "–", "bold red"), text(entry.type or "–"), text(entry.service),
            str(entry.count), Text(bars(folded(entry.over_time.counts, SPARKS)), "red"), text(_look_at(entry), "cyan"),
            text(short(entry.message, 160) or "–"), retryable, text(entry.fingerprint[:8] or "–", "dim"),
        )  # fmt: skip
    listing.print(console)


def _look_at(entry: ErrorStats) -> str:
    """What to put after `trax-otel local` to see one."""
    if entry.example_trace_id:
        return f"trace {entry.example_trace_id[:8]}"
    return f"record {entry.example_log_id}" if entry.example_log_id else "–"


def print_traces(console: Console, traces: Sequence[TraceSummary]) -> None:
    """Traces, one a line."""
    listing = Listing("Traces", "trace", "began", "root", "services~", "duration>", "spans>", "failed>", "codes~")
    for entry in traces:
        listing.add(
            text(entry.trace_id[:16], "cyan"), when(entry.start_ns), text(entry.root), text(", ".join(entry.services)),
            duration(entry.duration_ns), str(entry.spans), failed(entry.errors), text(", ".join(entry.error_codes), "red"),
        )  # fmt: skip
    listing.print(console)


def print_left_out(console: Console, sentence: str) -> None:
    """What is missing from a listing of spans, where something is."""
    if sentence:
        console.print(Text(sentence, "dim"))


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
        console.print(log_line(log, clock=True), soft_wrap=True)


def print_record(console: Console, log: Log) -> None:
    """One log record with all that it says."""
    console.print(log_line(log, clock=True), soft_wrap=True)
    console.print(text(f"{moment(log.time_ns, date=True)}  {log.logger or log.event_name}  record {log.id}", "dim"))
    stack = log.attributes.get(EXCEPTION_STACKTRACE)
    for key, value in sorted(log.attributes.items()):
        if key != EXCEPTION_STACKTRACE:
            console.print(Text.assemble((f"  {clean(key)} ", "dim"), text(shown(value))), soft_wrap=True)
    for line in str(stack or "").rstrip().splitlines():
        console.print(text(f"  {line}"), soft_wrap=True)


def print_metrics(console: Console, metrics: Sequence[MetricInfo]) -> None:
    """What metrics there are."""
    listing = Listing("Metrics", "metric=", "kind~", "unit~", "services~", "series>", "points>", "meaning~")
    for entry in metrics:
        listing.add(
            text(entry.name), entry.kind, text(entry.unit), text(", ".join(entry.services)), str(entry.series),
            str(entry.points), text(entry.description, "dim"),
        )  # fmt: skip
    listing.print(console)


def print_series(console: Console, series: Sequence[MetricSeries]) -> None:
    """Each series of one metric: its latest value and what it was before; of a counter the total and the latest rate, of a
    histogram count, mean and percentiles of all that is stored."""
    spread = series[0].kind in HISTOGRAMS
    counter = series[0].monotonic
    figures = (
        ("count", "mean", *(f"p{share}" for share in SHARES))
        if spread
        else ("total", "rate")
        if counter
        else ("latest",)
    )
    listing = Listing(
        clean(series[0].name), "attributes", "service~", *(f"{name}>" for name in figures), "over time=", "from~", "to"
    )
    for entry in series:
        point = entry.points[-1] if entry.points else None
        whole = overall(entry)
        if spread and whole is not None:
            values = [
                f"{whole.count:,}", quantity((whole.sum or 0.0) / whole.count if whole.count else None, entry.unit),
                *(quantity(value, entry.unit) for value in percentiles(whole)),
            ]  # fmt: skip
        elif counter and point is not None:
            rate = next((sample.values[0] for sample in reversed(samples(entry))), None)
            values = [quantity(totals(entry)[-1].values[0], entry.unit),
                      quantity(rate, f"{entry.unit}/s") if rate else NONE]  # fmt: skip
        else:
            values = [quantity(point.value if point else None, entry.unit)] + ["–"] * (len(figures) - 1)
        first, last = (when(entry.points[place].time_ns) if point else "–" for place in (0, -1))
        shown_as = pairs(entry.attributes) or "–"
        listing.add(text(shown_as), text(entry.service), *map(text, values), bars(_history(entry)), first, last)
    listing.print(console)


def _history(series: MetricSeries) -> list[float]:
    """What a series was over the time that is stored: a histogram's p95, a counter's rate, else the value."""
    known = [(sample.time_ns, sample.values[min(1, len(sample.values) - 1)]) for sample in samples(series)]
    values = [(time_ns, value) for time_ns, value in known if value is not None]
    if not values:
        return []
    first, last = values[0][0], values[-1][0]
    parts: list[float] = [0.0] * min(SPARKS * 2, len(values))
    for time_ns, value in values:
        place = (time_ns - first) * len(parts) // max(1, last - first)
        parts[min(place, len(parts) - 1)] = max(value, parts[min(place, len(parts) - 1)])
    return parts


def log_line(log: Log, start_ns: int | None = None, *, clock: bool = False) -> Text:
    """A log record on one line, at its time of day or at its offset from `start_ns`."""
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
