"""The views of `trax-otel local`: what each reads, how it is printed, and how it is followed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .options import filter_of

if TYPE_CHECKING:
    from rich.console import Console

    from ..local.model import Filter
    from ..local.queries import Queries

FOLLOW_SECONDS: Final = 0.5
WIDE: Final = 1_000
_AS_THEY_ARRIVE: Final = ("traces", "logs")
"""Followed line by line; the other views are shown anew when they have changed."""


class _Found(NamedTuple):
    """What a view has to show, how that is printed, and what to say where it is nothing."""

    records: Any
    show: Callable[[Console, Any], None]
    empty: Callable[[], str]
    head: Mapping[str, Any] = {}
    """What stands before the records where they are written as JSON."""

    @property
    def anything(self) -> bool:
        """Whether there is something; of several lists one is enough."""
        return any(self.records.values()) if isinstance(self.records, dict) else bool(self.records)

    def as_json(self, indent: int | None = None) -> str:
        """The records as JSON."""
        return json.dumps({**self.head, **_plain(self.records)} if self.head else _plain(self.records), indent=indent)


def show(queries: Queries, options: argparse.Namespace) -> int:
    """Show the view, once or until Ctrl-C; returns the exit status."""
    if options.view == "report":
        return _report(queries, Path(options.file))
    if not getattr(options, "follow", False):
        return _print(options, _read(queries, options))
    return _follow(queries, options) if options.view in _AS_THEY_ARRIVE else _watch(queries, options)


def _report(queries: Queries, path: Path) -> int:
    from ..local.report import write_report

    try:
        print(write_report(queries, path))
    except (OSError, ImportError) as error:
        reason = "pip install 'trax-otel[local]' is needed" if isinstance(error, ImportError) else str(error)
        print(f"{path} cannot be written: {reason}", file=sys.stderr)
        return 1
    return 0


def _read(queries: Queries, options: argparse.Namespace) -> _Found:
    from ..local import terminal

    if options.view == "trace":
        return _trace(queries, options)
    if options.view == "record":
        return _Found(queries.record(options.id), terminal.print_record,
                      lambda: f"no log record has the number {options.id}: see trax-otel local errors")  # fmt: skip
    if options.view == "analyze":
        return _analysis(queries, options)
    wanted = filter_of(options)
    if options.view == "metrics" and options.name:
        return _Found(queries.metric(options.name, wanted), terminal.print_series,
                      lambda: f"no metric is called {options.name}: see trax-otel local metrics")  # fmt: skip
    spans: dict[str, Callable[[], Any]] = {
        "operations": lambda: queries.operations(replace(wanted, sort=options.sort)),
        "traces": lambda: queries.traces(wanted),
    }
    others: dict[str, Callable[[], Any]] = {
        "services": queries.services,
        "errors": lambda: queries.errors(wanted),
        "logs": lambda: queries.logs(wanted)[::-1],
        "metrics": lambda: queries.metrics(wanted),
        "retries": lambda: queries.retries(wanted),
        "breakers": lambda: queries.breakers(wanted),
        "recoveries": lambda: queries.recoveries(wanted),
    }
    printer: Callable[[Console, Any], None] = getattr(terminal, f"print_{options.view}")

    def printed(console: Console, records: Any) -> None:
        printer(console, records)
        if options.view in spans:
            terminal.print_left_out(console, queries.left_out(wanted))

    return _Found({**spans, **others}[options.view](), printed, lambda: _empty(queries, options.view, wanted))


def _print(options: argparse.Namespace, found: _Found) -> int:
    if options.json and found.records is not None:
        print(found.as_json(indent=2))
    elif found.anything:
        found.show(_console(), found.records)
    if not found.anything:
        print(found.empty(), file=sys.stderr)
    return 0 if found.anything else 1


def _empty(queries: Queries, view: str, wanted: Filter) -> str:
    totals = queries.totals()
    if not (totals.spans or totals.logs or totals.points):
        return "Nothing has arrived yet. Run a service: trax-otel run --local -- COMMAND"
    if view == "errors" and wanted.since_ns > 1 and (older := queries.errors(replace(wanted, since_ns=0))):
        from ..local.formats import when

        return (
            f"No error since {when(wanted.since_ns)}, the newest one before it was at {when(older[0].last_ns)}:"
            " trax-otel local errors --since all"
        )
    stored = f"{totals.spans} spans, {totals.logs} log records, {totals.points} points"
    return f"No {view} fit these filters (stored: {stored})."


def _trace(queries: Queries, options: argparse.Namespace) -> _Found:
    from ..local.links import incoming, targets
    from ..local.model import Filter
    from ..local.terminal import print_trace

    problem = f"no trace begins with {options.id}: see trax-otel local traces"
    try:
        spans = queries.trace(options.id)
    except ValueError as error:
        spans, problem = [], str(error)
    if not spans:
        return _Found(None, lambda *_: None, lambda: problem)
    logs = queries.logs(Filter(trace_id=spans[0].trace_id, limit=10_000))

    def printed(console: Console, _: Any) -> None:
        print_trace(
            console, spans, logs, details=options.details, targets=targets(queries, spans),
            incoming=incoming(queries, spans[0].trace_id),
        )  # fmt: skip

    return _Found({"spans": spans, "logs": logs}, printed, lambda: problem)


def _analysis(queries: Queries, options: argparse.Namespace) -> _Found:
    from ..local.analysis import SCHEMA_VERSION, analyze
    from ..local.terminal import print_analysis

    wanted = filter_of(options)
    parts: dict[str, Any] = analyze(queries, wanted, tuple(options.only))
    return _Found(parts, print_analysis, lambda: _empty(queries, "records", wanted), {"schema_version": SCHEMA_VERSION})


def _follow(queries: Queries, options: argparse.Namespace) -> int:
    """One line for each record that arrives."""
    from ..local import terminal

    logs = options.view == "logs"
    seen = queries.last_log_id() if logs else queries.last_trace_id()
    console = _console()
    while True:
        wanted = filter_of(options, after_id=max(seen, 1) if seen else 0)
        arrived: Sequence[Any] = queries.logs(wanted) if logs else queries.traces(wanted)
        arrived = [record for record in arrived if record.id > seen]
        if arrived:
            seen = max(record.id for record in arrived)
            if options.json:
                print("\n".join(json.dumps(_plain(record)) for record in arrived), flush=True)
            elif logs:
                terminal.print_logs(console, arrived)
            else:
                terminal.print_trace_lines(console, arrived)
        time.sleep(FOLLOW_SECONDS)


def _watch(queries: Queries, options: argparse.Namespace) -> int:
    """The view anew whenever what it shows has changed: on a terminal in place, else below."""
    console = _console()
    revision, told = -1, ""
    while True:
        now = queries.revision()
        if now != revision:
            revision, found = now, _read(queries, options)
            text = found.as_json()
            if text != told and options.json:
                print(text, flush=True)
            elif text != told:
                console.clear()  # does nothing where nobody looks at a terminal
                if found.anything:
                    found.show(console, found.records)
                else:
                    console.print(found.empty(), markup=False)
            told = text
        time.sleep(FOLLOW_SECONDS)


def _plain(record: Any) -> Any:
    """What JSON knows."""
    if isinstance(record, (list, tuple)):
        return [_plain(entry) for entry in record]
    if isinstance(record, Mapping):
        return {key: _plain(value) for key, value in record.items()}
    return asdict(record) if is_dataclass(record) and not isinstance(record, type) else record


def _console() -> Console:
    from rich.console import Console

    # Not a terminal: one record stays on one line for whatever reads it, unless COLUMNS says otherwise.
    wide = WIDE if not sys.stdout.isatty() and "COLUMNS" not in os.environ else None
    return Console(highlight=False, width=wide)
