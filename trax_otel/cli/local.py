"""`trax-otel local`: the embedded endpoint, and the views of what it has stored."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from ..local.asked import ERRORS_SINCE, duration_ns
from ..local.eviction import Bounds
from ..local.operations import SORTS
from .options import add_filters, number, option, port, positive

HELP: Final = "the embedded OTLP endpoint on 127.0.0.1, and what it has received"
_EPILOG: Final = """\
Without a view the endpoint runs until Ctrl-C: OTLP/gRPC on port 4317, OTLP/HTTP and the page on port 4318.
The data is one SQLite file (TRAX_LOCAL_DB, else under the user's state folder), kept between starts and bounded.

  trax-otel local                              start the endpoint
  trax-otel local errors                       the last 24 hours, newest first, with a trace or a record to look at
  trax-otel local errors --since all           whenever they happened
  trax-otel local trace ID                     one trace as a tree, with SQL, URLs and log lines (the id's beginning will do)
  trax-otel local traces --errors --since 15m  failing traces
  trax-otel local traces --kind entry          requests and jobs only
  trax-otel local operations --sort p95        count, errors, p50, p95, p99
  trax-otel local logs --follow                log records as they arrive
  trax-otel local metrics                      what is measured; metrics NAME shows one over time
  trax-otel local analyze --since 1h           what repeats, what is slow, who attacks, what has changed
  trax-otel local report failing.html          everything in one file to hand on

docs/views.md leads from nothing to the cause of ten failures.

exit status: 0 found, 1 nothing found or the endpoint could not start, 2 usage
"""
VIEWS: Final = {
    "services": "what each service has sent",
    "operations": "count, errors and percentiles of each operation",
    "errors": "errors that belong together, newest first",
    "traces": "traces, newest first",
    "retries": "retried operations: how their calls ended, attempts, waits",
    "breakers": "circuit breakers: their states over time, and what changed them",
    "recoveries": "recoveries and what answered, degraded features, resumed operations",
    "trace": "one trace as a tree, with its events and log lines",
    "record": "one log record with all that it says",
    "logs": "log records",
    "metrics": "metrics, or one over time",
    "analyze": "error patterns, bottlenecks, security incidents, usage, changes",
    "report": "a self-contained HTML report",
}
OF_SPANS: Final = ("traces", "operations")
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
    for name, of in (
        ("spans", "spans"),
        ("logs", "log records"),
        ("points", "metric points"),
        ("bytes", "bytes of the file"),
    ):
        parser.add_argument(
            f"--max-{name}", type=option(number), default=getattr(Bounds, name), metavar="N",
            help=f"keep so many {of}, the newest (default: %(default)s)",
        )  # fmt: skip
    parser.add_argument(
        "--max-age",
        type=option(duration_ns),
        default=round(Bounds.age * 1e9),
        metavar="TIME",
        help="keep so long (default: 7d)",
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was stored before")
    views = parser.add_subparsers(dest="view", metavar="VIEW", title="views")
    for name, meaning in VIEWS.items():
        view = views.add_parser(name, help=meaning, description=meaning)
        # SUPPRESS: a default here would undo `trax-otel local --db FILE VIEW`.
        view.add_argument("--db", metavar="FILE", default=argparse.SUPPRESS, help="the database file")
        if name == "trace":
            view.add_argument("id", help="the trace id, or a beginning that is unique")
            view.add_argument("--details", action="store_true", help="attributes too")
        if name == "record":
            view.add_argument("id", type=positive, help="its number, as `errors` shows it")
        if name == "metrics":
            view.add_argument("name", nargs="?", help="one metric, with its series")
        if name == "report":
            view.add_argument("file", nargs="?", default="trax-report.html", help="where to (default: %(default)s)")
            continue
        view.add_argument("--json", action="store_true", help="JSON for programs; with --follow one object a line")
        if name == "analyze":
            view.add_argument("--only", action="append", choices=PARTS, default=[], help="this part (may be repeated)")
        if name == "operations":
            view.add_argument("--sort", choices=SORTS, default="count", help="largest first (default: %(default)s)")
        if name != "record":
            view.add_argument("--follow", action="store_true", help="go on with what arrives, until Ctrl-C")
        if name not in ("trace", "record"):
            since = ERRORS_SINCE if name == "errors" else ""
            add_filters(view, figures=name in _FIGURES, kinds=name in OF_SPANS, since=since)
        if name == "analyze":
            view.set_defaults(limit=10)  # of each list


def run(options: argparse.Namespace) -> int:
    """Run the endpoint or show a view; returns the exit status."""
    if options.view is None:
        return _serve(options)
    from ..local.queries import Queries
    from .local_views import show

    try:
        queries = Queries(options.db)
    except FileNotFoundError as error:
        print(
            f"{error}.\nStart the endpoint (trax-otel local) and a service (trax-otel run -- COMMAND).", file=sys.stderr
        )
        return 1
    try:
        return show(queries, options)
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
            bounds=Bounds(
                options.max_spans, options.max_logs, options.max_points, options.max_bytes, options.max_age / 1e9
            ),
        )
    except EndpointError as error:
        print(f"trax-otel local: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stop.set())
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
