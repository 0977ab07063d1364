"""How much one core of a collector carries, with the shipped files: `measure.py [COUNT]` (200 000 of each signal).

What is counted is the process's own CPU time (user and system), not the clock on the wall: whatever else the machine does changes
little about it. Memory is the most that the process ever held. Sender and stores are processes of their own and not counted.
"""

from __future__ import annotations

import http.server
import os
import re
import secrets
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support import otlp_data
from support.gateway import Door, node
from support.real_stack import RunningServer, running, until

BATCH = 500
SIGNALS = {"traces": "spans", "logs": "log_records", "metrics": "metric_points"}
"""Each signal, as its path and as the collector's own telemetry call it."""
ROOMY = {"TRAX_MEMORY_MIB": "4000", "TRAX_SAMPLING_TRACES": "1000000"}
"""Nothing is refused: what is asked is how much is needed."""


class _Store(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def store() -> Iterator[str]:
    """A store that takes everything at once."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> int:
    """The most memory that a process ever held, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found
    return int(found[1]) // 1024


def _attributes(number: int) -> dict[str, Any]:
    return {
        "http.request.method": "GET", "http.route": "/orders/{id}", "http.response.status_code": 200,
        "url.path": f"/orders/{number}", "server.address": "shop.example", "server.port": 443,
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
        "trax.operation.name": "charge", "trax.outcome": "success", "customer.tier": "gold",
    }  # fmt: skip


def spans(first: int) -> Any:
    """A request of traces of five spans, each with ten attributes and one event."""
    made = []
    for number in range(first, first + BATCH):
        if number % 5 == 0 or number == first:
            trace = secrets.token_bytes(16)
        span = otlp_data.span("GET /orders/{id}", trace=trace, attributes=_attributes(number))
        event = {"log.severity": "INFO", "log.message": f"charged order {number}"}
        span.events.add(name="log", time_unix_nano=time.time_ns(), attributes=otlp_data.pairs(event))
        made.append(span)
    return otlp_data.traces(*made)


def records(first: int) -> Any:
    """A request of log records with a sentence and seven attributes."""
    body = (
        "charged order {} of customer 4711 after 2 attempts, with the provider's answer accepted and 3 items reserved"
    )
    some = dict(list(_attributes(0).items())[:7])
    return otlp_data.logs(
        *(otlp_data.record(body.format(number), attributes=some) for number in range(first, first + BATCH))
    )


def points(first: int) -> Any:
    """A request of points of 500 series with four labels."""
    labels = dict(list(_attributes(0).items())[:3])
    made = (
        otlp_data.counter(f"requests.{n % 50}", first + n + 1, instance=f"i{n // 50}", **labels) for n in range(BATCH)
    )
    return otlp_data.metrics(*made)


MAKE: dict[str, Callable[[int], Any]] = {"traces": spans, "logs": records, "metrics": points}


def sent(collector: RunningServer, kind: str) -> float:
    """How many items the collector's exporters have delivered, after its own telemetry."""
    address = f"http://127.0.0.1:{collector.server.environment['TRAX_METRICS_PORT']}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"otelcol_exporter_sent_{kind}"))


def has_sent(collector: RunningServer, kind: str, wanted: float) -> Callable[[], bool]:
    """Whether that many have gone on: a question to ask again and again."""
    return lambda: sent(collector, kind) >= wanted


def carry(door: Door, signal: str, count: int, collectors: list[RunningServer], last: Callable[[], bool]) -> list[str]:
    """Send so many items; a line for each collector, once all has gone on."""
    before = [cpu_seconds(one.process.pid) for one in collectors]
    for first in range(0, count, BATCH):
        assert door.send(MAKE[signal](first), signal=signal) == 200
    until(last, f"all {signal}", 300)
    lines = []
    for one, then in zip(collectors, before, strict=True):
        used = cpu_seconds(one.process.pid) - then
        lines.append(f"| {one.server.name} | {SIGNALS[signal].replace('_', ' ')} | {used * 1e6 / count:.0f} s | "
                     f"{count / used:,.0f} | {most_memory(one.process.pid)} MiB |")  # fmt: skip
    return lines


def main(count: int) -> None:
    """Print a table: CPU seconds for a million items, items for each second of one core, memory."""
    print(
        "| collector | items | CPU for a million | items a second and core | memory, at most |\n|---|---|---:|---:|---:|"
    )
    with ExitStack() as open_until_the_end, tempfile.TemporaryDirectory() as temporary:
        sink, folder = open_until_the_end.enter_context(store()), Path(temporary)
        for signal, kind in SIGNALS.items():
            for name, file in (("agent", "agent.yaml"), ("local", "local.yaml")):
                with running(node(name, file, folder / signal, sink, **ROOMY), folder / signal) as one:
                    door = Door(one.server, secured=False)
                    # a local collector also sends the metrics that it makes
                    print(*carry(door, signal, count, [one], has_sent(one, kind, count)), sep="\n", flush=True)
            second = node("tier2", "gateway-tier2.yaml", folder / signal, sink, **ROOMY)
            hosts = f"[127.0.0.1:{second.environment['TRAX_OTLP_GRPC_PORT']}]"
            first = node("tier1", "gateway-tier1.yaml", folder / signal, sink, TRAX_TIER2=hosts, **ROOMY)
            with running(second, folder / signal) as tier2, running(first, folder / signal) as tier1:
                both = [tier1, tier2] if signal == "traces" else [tier1]
                wanted = count * 0.05 if signal == "traces" else count  # tier 2 keeps a tenth, give or take
                all_on = has_sent(both[-1], kind, wanted)
                print(*carry(Door(first, secured=True), signal, count, both, all_on), sep="\n", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
