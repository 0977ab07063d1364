"""`trax-otel demo`: the whole line on a third-party service. Every figure shown is computed from telemetry that arrived."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import semconv
from .demo_service import COMMAND, Service, ServiceError, Visitors
from .demo_story import Story, missing, print_whole_trace, show
from .options import port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from rich.console import Console

    from ..local.queries import Queries
    from ..local.server import Endpoint

HELP: Final = "see it all on a third-party service, in under a minute"
_ARRIVAL_SECONDS: Final = 15.0
_QUIET_SECONDS: Final = 1.5
_WIDE: Final = 180
_EPILOG: Final = f"""\
It starts the embedded endpoint, runs `{COMMAND}` unchanged under `trax-otel run`, sends it real requests
(fast, slow, refused, failing, given up, crashing), and shows what the service reported of itself: operations, errors by
code, one failing trace. Then a transcription service is asked while its provider fails: one trace of three tries, a breaker
that opens and a recogniser that answers. The same is written as a page into one file.

exit status: 0 done, 1 the service or the endpoint did not start, or nothing arrived
"""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "demo", help=HELP, description="See it all on a third-party service.", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--serve", action="store_true", help="stay up, with a little traffic, until Ctrl-C")
    parser.add_argument("--http-port", type=port, metavar="PORT", help="of the page (default: 4318, or a free one)")
    parser.add_argument("--db", metavar="FILE", type=Path, help="where to keep the telemetry (begun anew each time)")
    parser.add_argument("--report", metavar="FILE", type=Path, help="where to write the HTML report")


def run(options: argparse.Namespace) -> int:
    """Run the demo; returns the exit status."""
    console = _console()
    if console is None:
        return _failed("rich is not installed: pip install 'trax-otel[demo]'")
    from ..local.schema import default_path
    from ..local.server import EndpointError

    folder = default_path().parent
    path = options.db or folder / "demo.db"
    report = options.report or path.with_name("demo-report.html")
    began = time.monotonic()
    before = signal.signal(signal.SIGTERM, _end)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _endpoint(path, options.http_port) as endpoint:
            console.print(f"endpoint   {endpoint.url} (OTLP over HTTP, and the page)", highlight=False)
            with Service(endpoint.url, path.parent) as service:
                _use(service, endpoint, console)
                answers = _tell(endpoint, path.parent, console)
                _show(endpoint, report, console, answers)
                console.print(f"took       {time.monotonic() - began:.0f} s", highlight=False)
                if options.serve:
                    _serve(service, endpoint, console)
            if not options.serve:
                console.print(f"\nto browse  trax-otel demo --serve, or: trax-otel local --db {path}", soft_wrap=True)
    except (ServiceError, EndpointError, OSError) as error:
        return _failed(str(error))
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _endpoint(path: Path, http_port: int | None) -> Endpoint:
    """The embedded endpoint on the port that was asked for; else on its usual ones, or free ones where those are taken."""
    from ..local.server import EndpointError, start

    if http_port is not None:
        return start(path=path, fresh=True, http_port=http_port, grpc_port=0)
    try:
        return start(path=path, fresh=True)
    except EndpointError as error:
        if "is in use" not in str(error):
            raise
        return start(path=path, fresh=True, http_port=0, grpc_port=0)


def _use(service: Service, endpoint: Endpoint, console: Console) -> None:
    """Start the service, send the requests, and wait until what it says of them has arrived."""
    from .demo_traffic import COUNT, KINDS

    console.print(f"service    trax-otel run -- {COMMAND}", highlight=False)
    with console.status("starting …"):
        service.wait_until_it_answers()
    kinds = ", ".join(f"{count} {kind}" for kind, (count, _) in KINDS.items())
    console.print(f"requests   {COUNT} to {service.url}: {kinds}", highlight=False, soft_wrap=True)
    with Visitors(service.url, endpoint.url, endpoint.path.parent) as visitors:
        sent = 0
        for _ in _progress(visitors.lines, COUNT, console):
            sent += 1
        status = visitors.process.wait(_ARRIVAL_SECONDS)
        if sent < COUNT or status:
            raise visitors.failed(f"only {sent} of {COUNT} requests were sent (status {status})")
    with console.status("waiting for the telemetry …"):
        _wait_for_telemetry(service, endpoint, COUNT)


def _tell(endpoint: Endpoint, folder: Path, console: Console) -> tuple[str, str] | None:
    """Let the transcription example answer two requests though its provider fails; None where parts are not installed."""
    lacking = missing()
    if lacking:
        console.print(f"left out   examples/transcription: not installed: {', '.join(lacking)}", highlight=False)
        return None
    console.print("service    trax-otel run -- python examples/transcription/service.py, and its failing provider",
                  highlight=False, soft_wrap=True)  # fmt: skip
    with Story(endpoint.url, folder) as story, console.status("its provider fails …"):
        return story.tell()


def _progress(lines: Iterable[bytes], total: int, console: Console) -> Iterator[bytes]:
    """The lines as they come, with a bar where somebody looks at a terminal."""
    if not console.is_terminal:
        yield from lines
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("sending", total=total)
        for line in lines:
            progress.advance(task)
            yield line


def _wait_for_telemetry(service: Service, endpoint: Endpoint, requests: int) -> None:
    """Until a span of every request has been stored and nothing more comes, within bounds."""
    queries = _queries(endpoint)
    end = time.monotonic() + _ARRIVAL_SECONDS
    revision, quiet_since = -1, time.monotonic()
    while time.monotonic() < end:
        time.sleep(0.1)
        found = queries.revision()
        if found != revision:
            revision, quiet_since = found, time.monotonic()
        served = sum(entry.count for entry in queries.operations() if entry.kind == "server")
        if served >= requests and time.monotonic() - quiet_since > _QUIET_SECONDS / 3:
            return
        if served and time.monotonic() - quiet_since > _QUIET_SECONDS * 2:
            return
    if not queries.totals().spans:
        raise service.failed(f"no telemetry arrived within {_ARRIVAL_SECONDS:.0f} s")


# --- What is shown ---------------------------------------------------------------------------------------------------------


def _show(endpoint: Endpoint, report: Path, console: Console, answers: tuple[str, str] | None) -> None:
    from ..local import terminal
    from ..local.report import write_report

    queries = _queries(endpoint)
    totals = queries.totals()
    console.print(
        f"received   {totals.spans} spans, {totals.logs} log records, {totals.points} metric points\n", highlight=False
    )
    terminal.print_operations(console, queries.operations())
    terminal.print_errors(console, queries.errors())
    trace_id = _failing_trace(queries)
    if trace_id:
        console.print("[bold]One failing request[/bold]")
        print_whole_trace(queries, trace_id, console)
    if answers:
        show(queries, answers, console)
    console.print(f"\nreport     {write_report(queries, report)}", highlight=False, soft_wrap=True)


def _failing_trace(queries: Queries) -> str | None:
    """The trace that tells most: an exception that nobody caught, with the log lines beside it; else any that failed."""
    from ..local.model import Filter

    best: tuple[tuple[int, int, int], str | None] = ((0, 0, 0), None)
    found = queries.errors(Filter(service="httpbin"))
    for entry in sorted(found, key=lambda one: (-one.count, one.code)):
        if entry.example_trace_id:
            spans = queries.trace(entry.example_trace_id)
            told = sum(event.name == semconv.EXCEPTION_EVENT for span in spans for event in span.events)
            logged = len(queries.logs(Filter(trace_id=entry.example_trace_id)))
            best = max(
                best, ((min(told, 1), min(logged, 1), len(spans)), entry.example_trace_id), key=lambda one: one[0]
            )
    return best[1]


def _serve(service: Service, endpoint: Endpoint, console: Console) -> None:
    """Keep the page alive: one request after the other, until Ctrl-C."""
    console.print(f"\nserving    {endpoint.url} until Ctrl-C; {COMMAND} at {service.url} gets a request a second",
                  highlight=False, soft_wrap=True)  # fmt: skip
    with Visitors(service.url, endpoint.url, endpoint.path.parent, forever=True) as visitors:
        try:
            while True:
                time.sleep(0.5)
                for program in (service, visitors):
                    if program.process.poll() is not None:
                        raise program.failed(f"it ended with status {program.process.returncode}")
        except KeyboardInterrupt:
            console.print("ending …")


# --- Small things ----------------------------------------------------------------------------------------------------------


def _queries(endpoint: Endpoint) -> Queries:
    from ..local.queries import Queries

    return Queries(endpoint.path)


def _console() -> Console | None:
    try:
        from rich.console import Console
    except ImportError:
        return None
    # Where nobody looks at a terminal, lines are as long as the tables need.
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _failed(problem: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"trax-otel demo: {problem}\n")
    return 1
