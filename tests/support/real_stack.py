"""The stack's real servers on free ports and in a temporary folder, for tests/stack."""

from __future__ import annotations

import itertools
import json
import random
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from support.services import get, until

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools" / "stack"))

import servers  # noqa: E402  the very table that `make stack` starts
import stack as starter  # noqa: E402

COLLECTOR = servers.programs() / "otelcol-trax"


_candidates = itertools.count(random.SystemRandom().randrange(15_000, 30_000))


def quiet_port() -> int:
    """A free port below those that the system hands out to connections: it stays free until a slow server takes it."""
    for port in _candidates:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def free_ports() -> dict[str, int]:
    return {name: quiet_port() for name in servers.PORTS}


class RunningServer:
    """One started server."""

    def __init__(self, server: servers.Server, folder: Path) -> None:
        self.server = server
        self._logs = folder / "logs"
        self.start()

    def start(self) -> None:
        self.process = starter.start(self.server, self._logs)
        try:
            starter.wait_until_ready(self.server, self.process, self._logs)
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """SIGKILL: no chance to hand on what it has."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def log(self) -> str:
        return (self._logs / f"{self.server.name}.log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def running(server: servers.Server, folder: Path) -> Iterator[RunningServer]:
    one = RunningServer(server, folder)
    try:
        yield one
    finally:
        one.stop()


def post(url: str, body: bytes, headers: dict[str, str] | None = None, context: Any = None) -> int:
    """Send OTLP/HTTP protobuf; the status."""
    request = urllib.request.Request(url, body, {"content-type": "application/x-protobuf", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return int(refusal.code)


class Stack:
    """Questions to the stores, each by the store's own API."""

    def __init__(self, ports: dict[str, int], servers: dict[str, RunningServer]) -> None:
        self.ports = ports
        self.servers = servers
        self.otlp = f"http://127.0.0.1:{ports['OTLP_HTTP']}"

    def _json(self, port: str, path: str, **query: Any) -> Any:
        text = get(f"http://127.0.0.1:{self.ports[port]}{path}?{urllib.parse.urlencode(query)}")
        return json.loads(text)

    def send(self, message: Any, signal: str = "traces") -> None:
        assert post(f"{self.otlp}/v1/{signal}", message.SerializeToString()) == 200

    def jaeger_trace(self, trace_id: str) -> dict[str, Any]:
        """The trace as Jaeger's page gets it; empty where there is none."""
        try:
            found = self._json("JAEGER", f"/api/traces/{trace_id}")["data"]
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return {}
        return dict(found[0]) if found else {}

    def jaeger_search(self, service: str) -> list[dict[str, Any]]:
        return list(self._json("JAEGER", "/api/traces", service=service, limit=200, lookback="1h")["data"] or [])

    def tempo_trace(self, trace_id: str) -> str:
        """The trace as text; empty where there is none."""
        try:
            return get(f"http://127.0.0.1:{self.ports['TEMPO']}/api/traces/{trace_id}")
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return ""

    def tempo_search(self, query: str) -> list[str]:
        """The ids of traces that a TraceQL query finds."""
        found = self._json("TEMPO", "/api/search", q=query, limit=200)
        return [trace["traceID"].zfill(32) for trace in found.get("traces", [])]

    def loki(self, query: str) -> list[tuple[dict[str, str], str]]:
        """Labels (structured metadata with them) and lines that a LogQL query finds."""
        found = self._json("LOKI", "/loki/api/v1/query_range", query=query, limit=1000, since="1h")["data"]["result"]
        return [(stream["stream"], line) for stream in found for _, line, *_ in stream["values"]]

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        return list(self._json("PROMETHEUS", "/api/v1/query", query=query)["data"]["result"])

    def exemplars(self, query: str) -> set[str]:
        """The ids of traces that the exemplars of a query lead to."""
        found = self._json("PROMETHEUS", "/api/v1/query_exemplars", query=query, start="2020-01-01T00:00:00Z",
                           end="2100-01-01T00:00:00Z")["data"]  # fmt: skip
        return {exemplar["labels"].get("trace_id", "") for series in found for exemplar in series["exemplars"]} - {""}


@contextmanager
def whole_stack(folder: Path) -> Iterator[Stack]:
    """Everything that `make stack` starts."""
    ports = free_ports()
    quick = {"TRAX_SPAN_METRICS_INTERVAL": "1s"}
    with ExitStack() as started:
        running_now: dict[str, RunningServer] = {}
        for server in servers.all_servers(ports, folder):
            faster = server._replace(environment={**server.environment, **quick})
            running_now[server.name] = started.enter_context(running(faster, folder))
        yield Stack(ports, running_now)


__all__ = [
    "COLLECTOR",
    "ROOT",
    "RunningServer",
    "Stack",
    "free_ports",
    "post",
    "running",
    "servers",
    "until",
    "whole_stack",
]
