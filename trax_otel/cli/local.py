"""`trax-otel local`: the embedded endpoint, and the views of what it has stored."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .options import add_filters, filter_of, port

if TYPE_CHECKING:
    from rich.console import Console

    from ..local.queries import Queries

HELP: Final = "the embedded OTLP endpoint on 127.0.0.1, and what it has received"
FOLLOW_SECONDS: Final = 0.5
WIDE: Final = 1_000
_EPILOG: Final = """\
Without a view the endpoint runs until Ctrl-C: OTLP/gRPC on port 4317, OTLP/HTTP and the page on port 4318.
The data is one SQLite file (TRAX_LOCAL_DB, else under the user's state folder), kept between starts and bounded.

  trax-otel local                                  start the endpoint
  trax-otel local operations --since 15m           count, errors, p50, p95, p99
  trax-otel local errors                           by code, with the trace of an example
  trax-otel local traces --errors --service shop   failing traces
  trax-otel local trace 4bf92f35                   one trace as a tree (the beginning of its id will do)
  trax-otel local retries                          calls by how they ended, attempts a call, time waited
  trax-otel local breakers --since 1h              state now and over time
  trax-otel local recoveries                       what answered instead, what was resumed
  trax-otel local logs --follow --text timeout     log records as they arrive
  trax-otel local metrics http.server.request.duration
  trax-otel local analyze --since 1h               what repeats, what is slow, who attacks, what has changed
  trax-otel local report failing.html              everything in one file to hand on

exit status: 0 found, 1 nothing found or the endpoint could not start, 2 usage
"""
VIEWS: Final = {
    "services": "what each service has sent",
    "operations": "count, errors and percentiles of each operation",
    "errors": "errors by code, type and fingerprint",
    "traces": "traces, newest first",
    "retries": "retried operations: how their calls ended, attempts, waits",
    "breakers": "circuit breakers: their states over time, and what changed them",
    "recoveries": "recoveries and what answered, degraded features, resumed operations",
    "trace": "one trace as a tree, with its events and log lines",
    "logs": "log records",
    "metrics": "metrics, or the series of one",
    "analyze": "error patterns, bottlenecks, security incidents, usage, changes",
    "report": "a self-contained HTML report",
}
_OF_SPANS: Final = ("traces", "operations")
_FOLLOWED: Final = ("traces", "logs")
PARTS: Final = ("patterns", "slowest", "security", "usage", "changes")
_FIGURES: Final = ("retries", "breakers", "recoveries")


def add_parser(subparsers: Any) -> None:
    """Add the sub-command and its views."""
    parser = subparsers.add_parser(
        "local", help=HELP, description=HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--db", metavar="FILE", help="the database file")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s, this machine only)")
    parser.add_argument(
        "--http-port", type=port, default=4318, metavar="PORT", help="OTLP/HTTP, page (default: %(default)s)"
    )
    parser.add_argument("--grpc-port", type=port, default=4317, metavar="PORT", help="OTLP/gRPC (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="forget what was stored before")
    views = parser.add_subparsers(dest="view", metavar="VIEW", title="views")
    for name, meaning in VIEWS.items():
        view = views.add_parser(name, help=meaning, description=meaning)
        # SUPPRESS: a default here would undo `trax-otel local --db FILE VIEW`.
        view.add_argument("--db", metavar="FILE", default=argparse.SUPPRESS, help="the database file")
        if name == "trace":
            view.add_argument("id", help="the trace id, or a beginning that is unique")
            view.add_argument("--details", action="store_true", help="attributes too")
        if name == "metrics":
            view.add_argument("name", nargs="?", help="one metric, with its series")
        if name == "report":
            view.add_argument("file", nargs="?", default="trax-report.html", help="where to (default: %(default)s)")
            continue
        view.add_argument("--json", action="store_true", help="JSON for programs; with --follow one object a line")
        if name == "analyze":
            view.add_argument("--only", action="append", choices=PARTS, default=[], help="this part (may be repeated)")
        if name in _FOLLOWED:
            view.add_argument("--follow", action="store_true", help="go on with what arrives, until Ctrl-C")
        if name != "trace":
            add_filters(view, figures=name in _FIGURES)
        if name == "analyze":
            view.set_defaults(limit=10)  # of each list


def run(options: argparse.Namespace) -> int:
    """Run the endpoint or show a view; returns the exit status."""
    if options.view is None:
        return _serve(options)
    from ..local.queries import Queries

    try:
        queries = Queries(options.db)
    except FileNotFoundError as error:
        print(
            f"{error}.\nStart the endpoint (trax-otel local) and a service (trax-otel run -- COMMAND).", file=sys.stderr
        )
        return 1
    try:
        return _show(queries, options)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return 0
    finally:
        queries.close()


def _serve(options: argparse.Namespace) -> int:
    import signal
    import threading

    from ..local.server import EndpointError, start

    try:
        endpoint = start(
            host=options.host,
            http_port=options.http_port,
            grpc_port=options.grpc_port,
            path=options.db,
            fresh=options.fresh,
        )
    except EndpointError as error:
        print(f"trax-otel local: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(f"page       {endpoint.url}")
    print(f"OTLP/HTTP  {endpoint.url}")
    print(f"OTLP/gRPC  http://{endpoint.host}:{endpoint.grpc_port}")
    print(f"data       {endpoint.path}")
    print("Ctrl-C ends it. In another terminal: trax-otel run -- COMMAND", flush=True)
    while not stop.wait(0.5):
        if not endpoint.running:
            print("trax-otel local: the HTTP server ended unexpectedly", file=sys.stderr)
            endpoint.close()
            return 1
    endpoint.close()
    return 0


# --- Views ---------------------------------------------------------------------------------------------------------------


def _show(queries: Queries, options: argparse.Namespace) -> int:
    from ..local import terminal

    if options.view == "report":
        from ..local.report import write_report

        try:
            print(write_report(queries, Path(options.file)))
        except (OSError, ImportError) as error:
            reason = "pip install 'trax-otel[local]' is needed" if isinstance(error, ImportError) else str(error)
            print(f"{options.file} cannot be written: {reason}", file=sys.stderr)
            return 1
        return 0
    if options.view == "trace":
        return _show_trace(queries, options)
    if options.view == "analyze":
        return _analyze(queries, options)
    if options.view == "metrics" and options.name:
        return _print(options, queries.metric(options.name, filter_of(options)), terminal.print_series,
                      f"no metric is called {options.name}: see trax-otel local metrics")  # fmt: skip
    if getattr(options, "follow", False):
        return _follow(queries, options)
    read: dict[str, tuple[Callable[[], Any], Callable[[Console, Any], None]]] = {
        "services": (queries.services, terminal.print_services),
        "operations": (lambda: queries.operations(filter_of(options)), terminal.print_operations),
        "errors": (lambda: queries.errors(filter_of(options)), terminal.print_errors),
        "traces": (lambda: queries.traces(filter_of(options)), terminal.print_traces),
        "logs": (lambda: queries.logs(filter_of(options))[::-1], terminal.print_logs),
        "metrics": (lambda: queries.metrics(filter_of(options)), terminal.print_metrics),
        "retries": (lambda: queries.retries(filter_of(options)), terminal.print_retries),
        "breakers": (lambda: queries.breakers(filter_of(options)), terminal.print_breakers),
        "recoveries": (lambda: queries.recoveries(filter_of(options)), terminal.print_recoveries),
    }
    records, printer = read[options.view]
    status = _print(options, records(), printer, _empty(queries, options.view))
    if options.view in _OF_SPANS and not options.json:
        terminal.print_left_out(_console(), queries.left_out(filter_of(options)))
    return status


def _print(options: argparse.Namespace, records: Any, printer: Callable[[Console, Any], None], empty: str) -> int:
    if options.json:
        plain = [_plain(record) for record in records] if isinstance(records, list) else _plain(records)
        print(json.dumps(plain, indent=2))
    elif records:
        printer(_console(), records)
    if not records:
        print(empty, file=sys.stderr)
    return 0 if records else 1


def _empty(queries: Queries, view: str) -> str:
    totals = queries.totals()
    if not (totals.spans or totals.logs or totals.points):
        return "Nothing has arrived yet. Run a service: trax-otel run --local -- COMMAND"
    return f"No {view} fit these filters (stored: {totals.spans} spans, {totals.logs} log records, {totals.points} points)."


def _show_trace(queries: Queries, options: argparse.Namespace) -> int:
    from ..local.links import incoming, targets
    from ..local.model import Filter
    from ..local.terminal import print_trace

    try:
        spans = queries.trace(options.id)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if not spans:
        print(f"no trace begins with {options.id}: see trax-otel local traces", file=sys.stderr)
        return 1
    logs = queries.logs(Filter(trace_id=spans[0].trace_id, limit=10_000))
    if options.json:
        print(json.dumps({"spans": [_plain(span) for span in spans], "logs": [_plain(log) for log in logs]}, indent=2))
    else:
        print_trace(
            _console(), spans, logs, details=options.details, targets=targets(queries, spans),
            incoming=incoming(queries, spans[0].trace_id),
        )  # fmt: skip
    return 0


def _analyze(queries: Queries, options: argparse.Namespace) -> int:
    from ..local.analysis import SCHEMA_VERSION, analyze
    from ..local.terminal import print_analysis

    parts = analyze(queries, filter_of(options), tuple(options.only))
    if options.json:
        plain = {name: [_plain(record) for record in records] for name, records in parts.items()}
        print(json.dumps({"schema_version": SCHEMA_VERSION, **plain}, indent=2))
    elif any(parts.values()):
        print_analysis(_console(), parts)
    if not any(parts.values()):
        print(_empty(queries, "records"), file=sys.stderr)
    return 0 if any(parts.values()) else 1


def _follow(queries: Queries, options: argparse.Namespace) -> int:
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


def _plain(record: Any) -> Any:
    return asdict(record) if is_dataclass(record) and not isinstance(record, type) else record


def _console() -> Console:
    from rich.console import Console

    # Not a terminal: one record stays on one line for whatever reads it, unless COLUMNS says otherwise.
    wide = WIDE if not sys.stdout.isatty() and "COLUMNS" not in os.environ else None
    return Console(highlight=False, width=wide)
