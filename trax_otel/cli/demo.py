"""`trax-otel demo`: a third-party service, unchanged, observed; what is shown was received over OTLP."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .demo_requests import REQUESTS, send_all
from .options import port

if TYPE_CHECKING:
    from rich.console import Console

    from ..local.model import Span
    from ..local.queries import Queries
    from ..local.server import Endpoint

HELP: Final = "see it all on a third-party service, in under a minute"
START_SECONDS: Final = 30.0
ARRIVAL_SECONDS: Final = 15.0
STOP_SECONDS: Final = 15.0
WIDTH: Final = 132
"""Columns where stdout is no terminal."""
_NEEDED: Final = ("gunicorn", "httpbin")


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "demo", help=HELP,
        description="Runs httpbin under gunicorn with two workers, unchanged, by `trax-otel run`; sends it requests that go well "
        "and requests that fail; and shows what the embedded endpoint received. exit status: 0, or 1 where something did not "
        "start or arrive, and stderr says what.",
    )  # fmt: skip
    parser.add_argument("--serve", action="store_true", help="stay up until Ctrl-C: the page, and the service to try")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where to write the HTML report")
    parser.add_argument("--db", type=Path, metavar="FILE", help="keep what is received in this database")
    parser.add_argument("--http-port", type=port, default=0, metavar="PORT", help="of the page (default: a free one)")
    parser.add_argument("--app", default="httpbin:app", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Run the demo; returns the exit status."""
    from rich.console import Console

    from ..local.server import EndpointError, start

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    began = time.monotonic()
    try:
        _need()
        with tempfile.TemporaryDirectory(prefix="trax-demo-") as folder:
            path = options.db or Path(folder) / "demo.db"
            with start(http_port=options.http_port, grpc_port=0, path=path, fresh=True) as endpoint:
                _demonstrate(console, endpoint, Path(folder), options, began)
    except (DemoError, EndpointError) as error:
        print(f"trax-otel demo: {error}", file=sys.stderr)
        return 1
    return 0


def _need() -> None:
    import importlib.util

    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoError(f"{' and '.join(missing)} missing: pip install 'trax-otel[demo]'")


def _demonstrate(console: Console, endpoint: Endpoint, folder: Path, options: argparse.Namespace, began: float) -> None:
    from ..local.queries import Queries

    queries = Queries(endpoint.path)
    with _service(console, endpoint, folder, options.app) as (url, stop):
        _step(console, f"sending {len(REQUESTS)} requests: fast, slow, 4xx, 5xx, time-outs, an unhandled exception")
        failed = send_all(url)
        _step(console, f"sent; {failed} got no answer in time. Waiting for their telemetry")
        _await_arrival(queries, len(REQUESTS))
        if not options.serve:
            stop()
        report = _show(console, queries, options.report)
        console.print(
            f"\npage     {endpoint.url}" + ("" if options.serve else "  (trax-otel demo --serve keeps it up)")
        )
        console.print(f"report   {report}")
        console.print(f"took     {time.monotonic() - began:.0f} s. Your own service: trax-otel run -- COMMAND")
        if options.serve:
            console.print(f"service  {url}   (try {url}/redirect/0; Ctrl-C ends both)")
            _wait()
    queries.close()


def _step(console: Console, text: str) -> None:
    console.print(f"[bold cyan]•[/] {text}")


def _wait() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


# --- The service -----------------------------------------------------------------------------------------------------


@contextmanager
def _service(console: Console, endpoint: Endpoint, folder: Path, app: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """The service under `trax-otel run`, and the function that ends it and waits for its last telemetry."""
    from rich.markup import escape

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    service = ["gunicorn", "--workers", "2", "--threads", "4", "--bind", address, "--no-control-socket", app]
    if not _knows_control_socket():
        service.remove("--no-control-socket")
    log = folder / "service.log"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    environ |= {
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    words = ["run", "--endpoint", endpoint.url, "--service-name", "httpbin", "--"]
    _step(console, escape(f"trax-otel {' '.join([*words, *service])}"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "trax_otel", *words, sys.executable, "-m", *service],
            cwd=folder, env=environ, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def stop() -> None:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    try:
        _await_start(process, address, log)
        yield f"http://{address}", stop
    finally:
        stop()


def _knows_control_socket() -> bool:
    from gunicorn.config import KNOWN_SETTINGS  # type: ignore[import-untyped,unused-ignore]

    return any(getattr(setting, "name", "") == "control_socket_disable" for setting in KNOWN_SETTINGS)


def _await_start(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, _, number = address.partition(":")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"the service ended with status {process.returncode}; its last lines:\n{_last_lines(log)}")
        try:
            with socket.create_connection((host, int(number)), 0.2) as probe:
                probe.settimeout(5)
                probe.sendall(b"GET /get HTTP/1.0\r\nHost: demo\r\n\r\n")
                if probe.recv(12).startswith(b"HTTP/1."):
                    return
        except OSError:
            time.sleep(0.1)
    raise DemoError(f"the service did not answer within {START_SECONDS:.0f} s; its last lines:\n{_last_lines(log)}")


def _last_lines(log: Path, number: int = 15) -> str:
    return "\n".join(f"  {line}" for line in log.read_text("utf-8", "replace").splitlines()[-number:])


# --- What arrived ----------------------------------------------------------------------------------------------------


def _await_arrival(queries: Queries, requests: int) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        arrived = sum(entry.count for entry in queries.operations() if entry.kind == "server")
        if arrived >= requests and queries.totals().points:
            return
        time.sleep(0.2)
    if not queries.totals().spans:
        raise DemoError(f"the service answered, but no span arrived within {ARRIVAL_SECONDS:.0f} s")


def _show(console: Console, queries: Queries, report: Path | None) -> Path:
    from ..local.model import Filter
    from ..local.report import write_report
    from ..local.schema import default_path
    from ..local.terminal import print_errors, print_operations, print_trace

    console.print()
    print_operations(console, queries.operations())
    print_errors(console, queries.errors())
    trace = _failing_trace(queries)
    if trace:
        console.print("One request that failed:", style="bold")
        print_trace(console, trace, queries.logs(Filter(trace_id=trace[0].trace_id)))
    if report is None:
        folder = default_path().parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        report = folder / "demo-report.html"
    return write_report(queries, report)


def _failing_trace(queries: Queries) -> list[Span]:
    """A trace that tells most: one whose error has a code, that is an exception was recorded."""
    from ..local.model import Filter

    traces = queries.traces(Filter(errors_only=True, limit=200))
    traces.sort(key=lambda trace: (bool(trace.error_codes), trace.spans), reverse=True)
    return queries.trace(traces[0].trace_id) if traces else []
