"""The examples run as their first lines say, and what they do arrives."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trax_otel.local.model import Filter
from trax_otel.local.queries import Queries
from trax_otel.local.server import start

EXAMPLES = Path(__file__).parents[2] / "examples"
LEAN = "aiohttp-client,aiohttp-server,botocore,celery,django,grpc_client,grpc_server,redis,sqlalchemy,tornado,pymongo"


@pytest.fixture
def queries(tmp_path: Path) -> Iterator[tuple[Queries, str]]:
    with start(http_port=0, grpc_port=0, path=tmp_path / "local.db") as endpoint:
        found = Queries(endpoint.path)
        yield found, endpoint.url
        found.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def served(folder: str, command: Callable[[int], list[str]], url: str) -> Iterator[Callable[..., tuple[int, Any]]]:
    port = free_port()
    environ = {**os.environ, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": LEAN, "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    process = subprocess.Popen(
        [sys.executable, "-m", "trax_otel", "run", "--endpoint", url, "--service-name", "shop", "--log-level", "INFO", "--",
         sys.executable, "-m", *command(port)],
        cwd=EXAMPLES / folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def ask(path: str, body: object = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "X-Correlation-ID": "req-1"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            return error.code, json.loads(text) if text.startswith(b"{") else text

    try:
        deadline = time.monotonic() + 40
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                assert process.poll() is None, "the example ended"
                assert time.monotonic() < deadline, "the example does not listen"
                time.sleep(0.1)
        yield ask
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.servers
def test_the_flask_shop(queries: tuple[Queries, str]) -> None:
    store, url = queries
    for ask in served("flask_shop", lambda port: ["gunicorn", "-b", f"127.0.0.1:{port}", "app:app"], url):
        assert ask("/orders", {"customer": "ada", "items": 0}) == (
            422, {"error": "TRAX-004", "message": "items must be a whole number from 1", "retryable": False},
        )  # fmt: skip
        status, answer = ask("/orders", {"customer": "ada", "items": 2})
        assert (status, answer["error"]) == (502, "TRAX-009")
        assert answer["retryable"] is True
        assert ask("/report")[0] == 500
    codes = {error.code for error in store.errors()}
    assert {"TRAX-001", "TRAX-004", "TRAX-017"} <= codes
    (trace,) = store.traces(Filter(operation="charge"))
    names = {span.name: span for span in store.trace(trace.trace_id)}
    assert {"POST /orders", "price", "charge"} <= set(names)
    assert names["charge"].attributes["customer"] == "ada"
    assert names["charge"].attributes["trax.correlation.id"] == "req-1"
    (log,) = [log for log in store.logs(Filter(trace_id=trace.trace_id)) if "order failed" in log.body]
    assert log.attributes["trax.correlation.id"] == "req-1"
    assert sum(series.points[-1].value or 0 for series in store.metric("shop.orders")) == 2


@pytest.mark.servers
def test_the_fastapi_shop(queries: tuple[Queries, str]) -> None:
    store, url = queries
    for ask in served("fastapi_shop", lambda port: ["uvicorn", "--port", str(port), "app:app"], url):
        assert ask("/orders/42") == (200, {"number": 42, "price": 126, "stock": None})
        assert ask("/report")[0] == 500
    (trace,) = store.traces(Filter(operation="stock"))
    spans = {span.name: span for span in store.trace(trace.trace_id)}
    assert spans["stock"].error_code == "TRAX-001"
    assert spans["price"].status == "unset"
    assert spans["price"].attributes["order"] == 42
    assert any("shown without stock" in log.body for log in store.logs(Filter(trace_id=trace.trace_id)))
    assert "TRAX-017" in {error.code for error in store.errors()}


def test_the_command_line_tool(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pgm", tmp_path / "bad.pgm"
    good.write_bytes(b"P5 128 128 255\n" + bytes(128 * 128))
    bad.write_bytes(b"GIF89a")
    environ = {
        **os.environ,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    command = [
        sys.executable,
        str(EXAMPLES / "cli_tool" / "thumbnails.py"),
        str(good),
        str(bad),
        str(tmp_path / "none.pgm"),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "good.small.pgm").read_bytes().startswith(b"P5 64 64 255\n")
    (file,) = (tmp_path / "logs").glob("*.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert records[0]["message"] == "CLI operation started"
    assert {record.get("error_code") for record in records if record["level"] == "ERROR"} == {"TRAX-016", "TRAX-003"}
    assert {record["correlation_id"] for record in records if record["message"] == "done"} == {"good.pgm"}
