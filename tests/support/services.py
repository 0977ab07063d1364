"""Real servers and scripts under `trax-otel run`, and what they delivered."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from trax_otel.local.filters import Filter
from trax_otel.local.model import Span
from trax_otel.local.queries import Queries

SOON = {"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200", "OTEL_METRIC_EXPORT_INTERVAL": "500"}
BIN = Path(sys.executable).parent
EXIT_SECONDS = 12.0
"""No server may need longer for its end; the exit budget is 5 s."""


def lean(*used: str) -> dict[str, str]:
    """The variable that leaves out other instrumentors: each imports its library, and here all libraries are installed."""
    present = {point.name for point in entry_points(group="opentelemetry_instrumentor")}
    return {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(sorted(present - {"logging", "threading", *used}))}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def observed(endpoint_url: str, service: str, command: list[str]) -> list[str]:
    """The command line that runs a command under `trax-otel run`."""
    run = [sys.executable, "-m", "trax_otel", "run", "--endpoint", endpoint_url, "--service-name", service]
    return [*run, "--", *command]


def get(url: str, headers: dict[str, str] | None = None) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
        return str(answer.read().decode())


def until(condition: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """What the condition returns once it is true."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


@dataclass
class Running:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path

    def stop(self, seconds: float = EXIT_SECONDS) -> int:
        """The status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def requests_until(self, pids: int, at_least: int = 20, at_most: int = 2_000) -> Counter[int]:
        """Ask until that many processes have answered: how often each one did."""
        answered: Counter[int] = Counter()
        with ThreadPoolExecutor(8) as clients:
            while len(answered) < pids or answered.total() < at_least:
                assert answered.total() < at_most, f"only {answered} answered"
                answered.update(int(text) for text in clients.map(get, [self.url] * 16))
        return answered


@contextmanager
def serving(command: list[str], folder: Path, port: int, **environ: str) -> Iterator[Running]:
    """Run a server until it listens; whatever is left of it at the end is killed."""
    output = folder / f"output-{port}.txt"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **SOON, **environ}, stdout=stream, stderr=stream,
            start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: process.poll() is not None or _listens(port), f"{command} listening", 30)
        assert process.poll() is None, output.read_text()
        yield Running(process, f"http://127.0.0.1:{port}/", output)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Delivered:
    """What one service delivered to the embedded endpoint."""

    def __init__(self, queries: Queries, service: str) -> None:
        self.queries = queries
        self.service = service

    def spans(self, kind: int | None = None) -> list[dict[str, Any]]:
        """Name, trace, parent, attributes and resource of each span."""
        rows = self.queries.rows(
            "SELECT s.name, s.kind, s.trace_id, s.span_id, s.parent_id, s.attributes, r.attributes FROM span s"
            " JOIN resource r ON r.id = s.resource_id WHERE r.service = ?",
            (self.service,),
        )
        names = ("name", "kind", "trace_id", "span_id", "parent_id")
        spans = [
            {**dict(zip(names, row, strict=False)), "attributes": json.loads(row[5]), "resource": json.loads(row[6])}
            for row in rows
        ]
        return [span for span in spans if kind is None or span["kind"] == kind]

    def by_pid(self, kind: int | None = None) -> Counter[int]:
        """How many spans each process sent."""
        return Counter(span["resource"]["process.pid"] for span in self.spans(kind))

    def pids(self) -> set[int]:
        """The processes that sent anything."""
        rows = self.queries.rows("SELECT attributes FROM resource WHERE service = ?", (self.service,))
        return {json.loads(attributes)["process.pid"] for (attributes,) in rows}

    def logs(self, body: str | None = None) -> list[Any]:
        """The log records, or those with that text."""
        found = self.queries.logs(Filter(service=self.service, limit=10_000))
        return [log for log in found if body is None or log.body == body]

    def traced(self) -> list[Span]:
        """The spans with their events and links, by start."""
        traces = {span["trace_id"] for span in self.spans()}
        found = [span for trace in traces for span in self.queries.trace(trace) if span.service == self.service]
        return sorted(found, key=lambda span: span.start_ns)

    def instances(self) -> dict[int, set[str]]:
        """The instance ids that each process used."""
        found: dict[int, set[str]] = {}
        for span in self.spans():
            found.setdefault(span["resource"]["process.pid"], set()).add(span["resource"]["service.instance.id"])
        return found

    def total(self, metric: str) -> float:
        """A counter's sum over all instances."""
        series = self.queries.metric(metric, Filter(service=self.service, limit=1_000))
        total = 0.0
        for one in series:
            values = [point.value or 0.0 for point in one.points]
            total += sum(values) if one.temporality == "delta" else values[-1]
        return total
