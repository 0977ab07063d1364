"""The demo as a newcomer runs it: real service, real requests, figures from what arrived."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from trax_otel.cli.demo_requests import REQUESTS
from trax_otel.local.queries import Queries

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("demo")]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "trax_otel", "demo", *options]


def test_it_ends_by_itself_and_shows_what_arrived(tmp_path: Path) -> None:
    report, database = tmp_path / "report.html", tmp_path / "demo.db"
    done = subprocess.run(
        command("--report", str(report), "--db", str(database)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for expected in (
        "GET /get",
        "p95",
        "TRAX-017",
        "AssertionError",
        "TRAX-004",
        "Exception on",
        "http://127.0.0.1:",
        str(report),
    ):
        assert expected in done.stdout
    queries = Queries(database)
    served = [entry for entry in queries.operations() if entry.kind == "server"]
    assert sum(entry.count for entry in served) >= len(REQUESTS)
    slow = next(entry for entry in served if "/delay" in entry.operation)
    assert slow.p50_ns >= 1_000_000_000
    assert next(error for error in queries.errors() if error.code == "TRAX-017").count == 3
    workers = {row[0] for row in queries.rows("SELECT DISTINCT instance FROM resource")}
    assert len(workers) >= 2
    assert any(log.trace_id for log in queries.logs())
    assert queries.metrics()
    queries.close()
    page = report.read_text(encoding="utf-8")
    assert "TRAX-017" in page
    assert not re.search(r"""(src|href)=["']https?://""", page)


def test_a_service_that_does_not_start_fails_the_demo_and_says_why() -> None:
    done = subprocess.run(
        command("--app", "no_such_module:app"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "the service ended with status" in done.stderr
    assert "no_such_module" in done.stderr


def test_serve_stays_up_until_ctrl_c(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--serve", "--report", str(tmp_path / "r.html")), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    page = ""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.match(r"page +(http://\S+)", line):
            page = found[1]
        if line.startswith("service"):
            break
    assert page, "".join(lines)
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert "httpbin" in answer.read().decode()
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait(30) == 0
    process.stdout.close()
