"""Servers and pools with several processes: each one delivers its own, nothing is lost or counted twice, all end."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.services import BIN, EXIT_SECONDS, SOON, Delivered, free_port, get, lean, observed, serving, until
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start

pytestmark = pytest.mark.servers

SERVER_KIND = 2
COUNTERS = ("shop.requests", "shop.visits")

COUNTING = """
import logging, os, time
from opentelemetry import metrics
from trax_otel.metrics import create_counter

REQUESTS = metrics.get_meter("shop").create_counter("shop.requests")
VISITS = create_counter("shop.visits")

def serve():
    time.sleep(0.01)
    REQUESTS.add(1)
    VISITS.add(1)
    logging.getLogger("shop").warning("served")
    return str(os.getpid())
"""
FLASK = """
from flask import Flask
from counting import serve

app = Flask(__name__)
app.get("/")(serve)
"""
FASTAPI = """
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from counting import serve

app = FastAPI()

@app.get("/", response_class=PlainTextResponse)
def index():
    return serve()
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with start(http_port=0, grpc_port=0, path=tmp_path_factory.mktemp("endpoint") / "local.db") as running:
        yield running


@pytest.fixture
def delivered(endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Delivered]:
    queries = Queries(endpoint.path)
    yield Delivered(queries, request.node.name)
    queries.close()


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


@functools.cache
def status_without_us(words: tuple[str, ...], folder: Path) -> int:
    """How the bare server ends on SIGTERM."""
    port = free_port()
    with serving([word.format(port=port) for word in words], folder, port) as server:
        until(lambda: _answers(server.url), "an answer")
        return server.stop()


def _answers(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


@pytest.fixture(scope="module")
def applications(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("applications"), counting=COUNTING, flasks=FLASK, fast=FASTAPI)


def check(delivered: Delivered, answered: dict[int, int]) -> None:
    """Each process delivered what it did, under an instance of its own."""
    assert delivered.by_pid(SERVER_KIND) == answered
    logs = delivered.logs("served")
    assert len(logs) == sum(answered.values())
    assert all(log.trace_id for log in logs)
    for counter in COUNTERS:
        assert delivered.total(counter) == sum(answered.values()), counter
    instances = delivered.instances()
    assert all(len(ids) == 1 for ids in instances.values()), instances
    assert len(set().union(*instances.values())) == len(instances), instances


GUNICORN = [
    (workers, worker_class, preload)
    for workers in (1, 4)
    for worker_class in ("sync", "gthread")
    for preload in (False, True)
]


@pytest.mark.parametrize(("workers", "worker_class", "preload"), GUNICORN)
def test_gunicorn(
    endpoint: Endpoint, delivered: Delivered, applications: Path, workers: int, worker_class: str, preload: bool
) -> None:
    bare = (str(BIN / "gunicorn"), "-b", "127.0.0.1:{port}", "flasks:app")
    port = free_port()
    threads = ["--threads", "4"] if worker_class == "gthread" else []
    command = [word.format(port=port) for word in bare]
    command += ["-w", str(workers), "-k", worker_class, *threads, *(["--preload"] if preload else [])]
    with serving(observed(endpoint.url, delivered.service, command), applications, port, **lean("flask")) as server:
        answered = server.requests_until(workers)
        status = server.stop()
    assert status == status_without_us(bare, applications) == 0
    assert "trax-otel" not in server.output.read_text()
    check(delivered, answered)


@pytest.mark.parametrize("words", [("--workers", "2"), ("--reload",), ()], ids=["workers", "reload", "single"])
def test_uvicorn(endpoint: Endpoint, delivered: Delivered, applications: Path, words: tuple[str, ...]) -> None:
    bare = (str(BIN / "uvicorn"), "--port", "{port}", "--no-access-log", *words, "fast:app")
    port = free_port()
    command = [word.format(port=port) for word in bare]
    with serving(observed(endpoint.url, delivered.service, command), applications, port, **lean("fastapi")) as server:
        answered = server.requests_until(2 if "--workers" in words else 1)
        status = server.stop()
    assert status == status_without_us(bare, applications)
    assert "trax-otel" not in server.output.read_text()
    check(delivered, answered)


POOL = """
import multiprocessing, os, sys, time
from opentelemetry import metrics
from trax_otel.metrics import create_counter, timing_context

REQUESTS = metrics.get_meter("shop").create_counter("shop.requests")
VISITS = create_counter("shop.visits")

def work(number):
    with timing_context("work"):
        time.sleep(0.02)
        REQUESTS.add(1)
        VISITS.add(1)
    return os.getpid()

if __name__ == "__main__":
    method, ending = sys.argv[1:]
    pool = multiprocessing.get_context(method).Pool(2)
    workers = [child.pid for child in multiprocessing.active_children()]
    pids = pool.map(work, range(30), chunksize=1)
    if ending == "close":
        pool.close()
        pool.join()
    elif ending == "terminate":  # which is what `with Pool()` does
        pool.terminate()
        pool.join()
    print(*pids)
    print(*workers)
    sys.exit(5)
"""


def run_script(
    endpoint: Endpoint, delivered: Delivered, folder: Path, *words: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    command = observed(endpoint.url, delivered.service, [sys.executable, *words])
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **lean(), **SOON, **environ}, capture_output=True, text=True,
        timeout=EXIT_SECONDS + 10, check=False,
    )  # fmt: skip


POOLS = [("fork", "close"), ("spawn", "close"), ("forkserver", "close"), ("fork", "terminate"), ("fork", "leave"),
         ("spawn", "terminate")]  # fmt: skip


@pytest.mark.parametrize(("method", "ending"), POOLS)
def test_a_pool(endpoint: Endpoint, delivered: Delivered, tmp_path: Path, method: str, ending: str) -> None:
    done = run_script(endpoint, delivered, write(tmp_path, pool=POOL), "pool.py", method, ending)
    assert (done.returncode, done.stderr) == (5, "")
    pids, workers = ([int(pid) for pid in line.split()] for line in done.stdout.splitlines())
    works = [span for span in delivered.spans() if span["name"] == "work"]
    assert sorted(span["resource"]["process.pid"] for span in works) == sorted(pids)
    assert [delivered.total(counter) for counter in COUNTERS] == [30, 30]
    instances = delivered.instances()
    assert all(len(ids) == 1 for ids in instances.values())
    assert len(set().union(*instances.values())) == len(instances) == len(set(pids))
    # The main process and the fork server observe themselves too; the resource tracker is none of the application's.
    # Who makes nothing in its first second sends nothing, and the fork server may be one.
    assert len(delivered.pids() - set(workers)) in ({1, 2} if method == "forkserver" else {1})


def test_a_script(endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    script = write(tmp_path, counting=COUNTING, script="""
        from counting import serve
        from trax_otel.metrics import timing_context
        for _ in range(5):
            with timing_context("work"):
                serve()
        raise SystemExit(3)
    """)  # fmt: skip
    done = run_script(endpoint, delivered, script, "script.py", OTEL_BSP_SCHEDULE_DELAY="60000")
    assert (done.returncode, done.stderr) == (3, "served\n" * 5)
    assert len(delivered.spans()) == 5
    assert len(delivered.logs("served")) == 5
    assert [delivered.total(counter) for counter in COUNTERS] == [5, 5]


def test_a_script_that_sigterm_ends(endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    folder = write(tmp_path, counting=COUNTING, script="""
        import time
        from counting import serve
        from trax_otel.metrics import timing_context
        with timing_context("work"):
            serve()
        print("ready", flush=True)
        time.sleep(60)
    """)  # fmt: skip
    late = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_METRIC_EXPORT_INTERVAL": "60000"}
    command = observed(endpoint.url, delivered.service, [sys.executable, "script.py"])
    with subprocess.Popen(command, cwd=folder, env={**os.environ, **lean(), **late}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(EXIT_SECONDS) == -signal.SIGTERM
        assert delivered.by_pid() == {process.pid: 1}
    assert len(delivered.logs("served")) == 1
    assert [delivered.total(counter) for counter in COUNTERS] == [1, 1]
