"""The demo as a user runs it: it ends by itself, shows what arrived, leaves nothing running, and says why it fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from trax_otel.cli.demo_traffic import COUNT, KINDS, visits
from trax_otel.local.model import Filter
from trax_otel.local.queries import Queries

pytestmark = [pytest.mark.servers, pytest.mark.timeout(110), pytest.mark.xdist_group("demo")]


def demo(tmp_path: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trax_otel", "demo", "--db", str(tmp_path / "demo.db"), *options]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=100, env={**os.environ, **environ}, cwd=tmp_path
    )


def running(mark: str) -> list[str]:
    """Processes whose command line or environment speaks of `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in told and int(folder.name) != os.getpid():
            found.append(told.decode(errors="replace"))
    return found


def test_the_demo_shows_what_the_service_told_of_itself_and_ends(tmp_path: Path) -> None:
    began = time.monotonic()
    report = tmp_path / "seen.html"
    done = demo(tmp_path, "--report", str(report), DEMO_MARK=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 60
    assert done.stderr == ""

    queries = Queries(tmp_path / "demo.db")
    served = [entry for entry in queries.operations(Filter(service="httpbin")) if entry.kind == "server"]
    assert sum(entry.count for entry in served) >= COUNT
    failed = {entry.type.rpartition(".")[2] for entry in queries.errors(Filter(service="httpbin")) if entry.code}
    assert failed == {"ValueError", "AttributeError", "AssertionError", "500", "503"}, (
        "crashes, and what it was asked to answer"
    )
    assert "TRAX-005" in {entry.code for entry in queries.errors(Filter(service="visitors"))}
    (workers,) = [entry.instances for entry in queries.services() if entry.service == "httpbin"]
    assert workers >= 2

    for told in (
        "Operations",
        "p99",
        "Errors since",
        "TRAX-005",
        "TRAX-004",
        "could not convert string to float: 'soon'",
    ):
        assert told in done.stdout
    assert re.search(r"GET /delay/<delay> .* server · httpbin .*TRAX-004", done.stdout)
    assert "ERROR httpbin.core  Exception on /delay/soon" in done.stdout
    story = done.stdout.partition("One request whose provider failed")[2]
    assert "answered: 'tomorrow morning'; the next request did not wait for the provider: 'tomorrow morning'" in story
    for told in (
        "waited 1 s  as long as the peer asked (Retry-After)",
        "gave up after attempt 3: no attempt was left",
        "breaker provider: closed → open, too many failures in a row",
        "recogniser answered in the primary's place",
        "3 failure, 1 rejected",
    ):
        assert told in story
    assert re.search(r"attempt 3 .* \[failed\]  TRAX-005", story)
    assert not re.search(r"^page ", done.stdout, re.MULTILINE), "the page ends with the demo"
    assert str(report) in done.stdout
    assert "/delay/&lt;delay&gt;" in report.read_text(encoding="utf-8")
    assert running(str(tmp_path)) == []


def test_a_service_that_does_not_start_fails_the_demo_and_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "httpbin.py").write_text("raise RuntimeError('no database at port 5432')\n")
    done = demo(tmp_path, PYTHONPATH=str(tmp_path), DEMO_MARK=str(tmp_path))
    assert done.returncode == 1
    assert "trax-otel demo: the service ended with status" in done.stderr
    assert "RuntimeError: no database at port 5432" in done.stderr
    assert "Operations" not in done.stdout
    assert running(str(tmp_path)) == []


def test_a_file_that_cannot_be_used_fails_the_demo(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "trax_otel", "demo", "--db", str(tmp_path / "file" / "demo.db")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_stays_up_until_it_is_told_to_end(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "trax_otel", "demo", "--serve", "--db", str(tmp_path / "demo.db")],
            stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "DEMO_MARK": str(tmp_path)},
        )  # fmt: skip
    try:
        end = time.monotonic() + 80
        while time.monotonic() < end and "serving" not in (tmp_path / "out").read_text():
            time.sleep(0.2)
        shown = (tmp_path / "out").read_text()
        page = re.search(r"serving +(http://\S+)", shown)
        assert page is not None, shown
        with urllib.request.urlopen(page[1], timeout=10) as response:
            assert b"httpbin" in response.read()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert running(str(tmp_path)) == []


def test_every_kind_of_request_is_sent_and_the_order_is_the_same_each_time() -> None:
    assert visits() == visits()
    assert len(visits()) == COUNT == sum(count for count, _ in KINDS.values())
    assert {visit for _, choices in KINDS.values() for visit in map(str, choices)} == set(map(str, visits()))
