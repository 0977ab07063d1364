"""Programs that patch themselves, by gevent and eventlet, end, print and answer under `trax-otel run` as without it.

None hangs, all of their greenlets' telemetry arrives, and each span has the parent that its greenlet's starter had.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.programs import PYTHON, Ended, end_of, kill, program, under_run
from support.services import SOON, Delivered, free_port, serving, until
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

QUIET = {"PYTHONWARNINGS": "ignore"}  # eventlet warns at its import that it is not developed any more
PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
SPAWN = {
    "gevent": "import gevent; gevent.joinall([gevent.spawn(work, n) for n in range(20)])",
    "eventlet": "import eventlet; [thread.wait() for thread in [eventlet.spawn(work, n) for n in range(20)]]",
}
GREENLETS = """
{before}
import logging, time
from opentelemetry import trace
{after}
tracer = trace.get_tracer("shop")
{early}
{middle}
def work(number):
    with tracer.start_as_current_span("child"):
        time.sleep(0.01)
        logging.getLogger("shop").warning("served")
        time.sleep(0.01)
with tracer.start_as_current_span("root"):
    {spawn}
flush = getattr(trace.get_tracer_provider(), "force_flush", None)
print("end", flush is None or flush())
"""


def greenlets(library: str, moment: str, folder: Path) -> list[str]:
    """The command of a program that patches at that moment, and ends 20 spans, each in a greenlet."""
    lines = {"before": "", "after": "", "middle": "", moment: PATCH[library]}
    early = "tracer.start_span('early').end()" if moment == "middle" else ""
    script = folder / "greenlets.py"
    script.write_text(GREENLETS.format(**lines, early=early, spawn=SPAWN[library]))
    return [PYTHON, str(script)]


@pytest.mark.parametrize("moment", ["before", "after", "middle"])
@pytest.mark.parametrize("library", PATCH)
def test_concurrent_greenlets_lose_nothing_and_have_their_parent(
    library: str, moment: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    command = greenlets(library, moment, tmp_path)
    bare = end_of(command, tmp_path, **QUIET)
    assert bare == Ended(0, "end True\n", "served\n" * 20)
    assert end_of(under_run(endpoint.url, delivered.service, command), tmp_path, **QUIET) == bare
    spans = until(lambda: spans if len(spans := delivered.spans()) >= 21 else None, "the spans")
    [root] = [span for span in spans if span["name"] == "root"]
    assert Counter(span["parent_id"] for span in spans if span["name"] == "child") == {root["span_id"]: 20}
    assert len(delivered.logs("served")) == 20


def test_what_was_started_in_a_pool_or_a_thread_of_gevent_has_its_parent_too(
    endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    script = tmp_path / "pools.py"
    script.write_text(
        "from gevent import monkey; monkey.patch_all()\n"
        "import threading, gevent, gevent.pool, gevent.threadpool\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from opentelemetry import trace\n"
        "tracer = trace.get_tracer('shop')\n"
        "def work(_=None): tracer.start_span('child').end()\n"
        "with tracer.start_as_current_span('root'):\n"
        "    gevent.pool.Pool(2).map(work, range(4))\n"
        "    gevent.threadpool.ThreadPool(2).map(work, range(4))\n"
        "    list(ThreadPoolExecutor(2).map(work, range(4)))\n"
        "    gevent.spawn_later(0.01, work).join()\n"
        "    thread = threading.Thread(target=work); thread.start(); thread.join()\n"
    )
    assert end_of(under_run(endpoint.url, delivered.service, [PYTHON, str(script)]), tmp_path) == Ended(0, "", "")
    spans = until(lambda: spans if len(spans := delivered.spans()) >= 15 else None, "the spans")
    [root] = [span for span in spans if span["name"] == "root"]
    assert [span["parent_id"] for span in spans if span["name"] == "child"] == [root["span_id"]] * 14


# --- Packages and programs that patch by themselves ----------------------------------------------------------------------


def test_a_package_that_patches_as_it_is_imported(endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    (tmp_path / "patching").mkdir()
    (tmp_path / "patching" / "__init__.py").write_text(f"{PATCH['gevent']}\nimport requests, flask\n")
    for command in ([program("locust"), "--version"], [PYTHON, "-c", "import patching; print('imported')"]):
        bare = end_of(command, tmp_path)
        assert bare.status == 0
        assert end_of(under_run(endpoint.url, delivered.service, command), tmp_path) == bare


def test_what_gevent_warns_of_is_shown_as_without_us(endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    script.write_text(f"import ssl, urllib3\n{PATCH['gevent']}\nprint('patched')\n")
    same_order = {"PYTHONHASHSEED": "0"}  # it lists modules in the order of a set
    bare = end_of([PYTHON, str(script)], tmp_path, **same_order)
    assert "MonkeyPatchWarning" in bare.err
    assert end_of(under_run(endpoint.url, delivered.service, [PYTHON, str(script)]), tmp_path, **same_order) == bare


# --- Signals ------------------------------------------------------------------------------------------------------------

BUSY = PATCH["gevent"] + (
    "\nimport signal, sys\n"
    "from opentelemetry import trace\n"
    "{handler}\n"
    "trace.get_tracer('shop').start_span('work').end()\n"
    "print('ready', flush=True)\n"
    "while True: pass\n"
)
OWN = "signal.signal(signal.SIGTERM, lambda *_: (print('handled', flush=True), sys.exit(3)))"


def ended_by(number: signal.Signals, command: list[str], folder: Path) -> Ended:
    """What a program leaves that is sent a signal as soon as it is ready."""
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **SOON}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)  # until it is in its loop, on whose line it is to end
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        kill(process)
        process.wait(10)
    return Ended(process.returncode, out, err)


@pytest.mark.parametrize(
    ("number", "handler", "status"),
    [(signal.SIGTERM, "", -15), (signal.SIGINT, "", -2), (signal.SIGTERM, OWN, 3)],
    ids=["SIGTERM", "SIGINT", "own handler"],
)
def test_a_program_that_does_not_yield_ends_by_its_signal(
    number: signal.Signals, handler: str, status: int, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY.format(handler=handler))
    bare = ended_by(number, [PYTHON, str(script)], tmp_path)
    assert bare.status == status
    assert ended_by(number, under_run(endpoint.url, delivered.service, [PYTHON, str(script)]), tmp_path) == bare
    until(lambda: [span["name"] for span in delivered.spans()] == ["work"], "the span")


# --- Servers ------------------------------------------------------------------------------------------------------------

SHOP = """
import os, time, logging
from flask import Flask
from opentelemetry import trace

app = Flask(__name__)
tracer = trace.get_tracer("shop")

@app.get("/")
def shop():
    with tracer.start_as_current_span("work"):
        time.sleep(0.01)
        logging.getLogger("shop").warning("served")
    return str(os.getpid())
"""


def gunicorn_has(worker: str) -> bool:
    """Whether the installed release still has that worker."""
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", f"from gunicorn.util import load_class; load_class({worker!r})"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode == 0


@pytest.mark.parametrize("worker", PATCH)
def test_gunicorn_s_workers_of_greenlets_answer_bursts(
    worker: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    if not gunicorn_has(worker):
        pytest.skip(f"this gunicorn has no {worker} worker")
    (tmp_path / "shop.py").write_text(SHOP)
    port = free_port()
    command = [program("gunicorn"), "-k", worker, "-w", "2", "-b", f"127.0.0.1:{port}", "shop:app"]
    with serving(under_run(endpoint.url, delivered.service, command), tmp_path, port, **QUIET) as server:
        with ThreadPoolExecutor(30) as clients:
            answers = list(clients.map(lambda _: ask(server.url), range(120)))
        assert len(set(answers)) <= 2
        assert server.stop() == 0
    spans = until(lambda: spans if len(spans := delivered.spans()) >= 240 else None, "the spans")
    requests = {span["span_id"]: span for span in spans if span["name"] == "GET /"}
    work = [span for span in spans if span["name"] == "work"]
    assert (len(requests), len(work)) == (120, 120)
    assert {span["parent_id"] for span in work} == set(requests)
    assert all(requests[span["parent_id"]]["trace_id"] == span["trace_id"] for span in work)
    assert len(delivered.logs("served")) == 120


def ask(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


# --- celery -------------------------------------------------------------------------------------------------------------

JOBS = """
import os, time
from celery import Celery

app = Celery("jobs", broker=os.environ["JOBS"], backend=os.environ["JOBS"])

@app.task
def add(a, b):
    time.sleep(0.05)
    return a + b
"""
SEND = "import jobs; print([job.get(timeout=20) for job in [jobs.add.delay(n, n) for n in range(10)]])"


@pytest.mark.parametrize("pool", PATCH)
@pytest.mark.parametrize("watched", [False, True], ids=["bare", "under run"])
def test_celery_s_pools_of_greenlets_run_their_tasks(
    pool: str, watched: bool, redis: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    environ: dict[str, Any] = {**os.environ, **SOON, **QUIET, "JOBS": redis, "PYTHONPATH": str(tmp_path)}
    command = [
        program("celery"),
        "-A",
        "jobs",
        "worker",
        "-P",
        pool,
        "-c",
        "4",
        "-l",
        "INFO",
        "-Q",
        f"q{watched}{pool}",
    ]
    environ["CELERY_QUEUE"] = f"q{watched}{pool}"
    (tmp_path / "jobs.py").write_text(JOBS + "app.conf.task_default_queue = os.environ['CELERY_QUEUE']\n")
    if watched:
        command = under_run(endpoint.url, delivered.service, command)
    output = tmp_path / "worker.txt"
    with output.open("wb") as stream:
        worker = subprocess.Popen(
            command, cwd=tmp_path, env=environ, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        until(lambda: b" ready." in output.read_bytes(), "the worker", 40)
        sent = subprocess.run(
            [PYTHON, "-c", SEND], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert sent.stdout == f"{[2 * n for n in range(10)]}\n", output.read_text()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        kill(worker)
        worker.wait(10)
    if watched:
        until(lambda: Counter(span["name"] for span in delivered.spans())["run/jobs.add"] == 10, "the tasks' spans")


STATES = """
{before}
from trax_otel.recovery import SQLStorage, StateRecoveryManager, operation_state_context
states = StateRecoveryManager(SQLStorage("sqlite:///states.db"))
{after}
import time
done = []
def work(number):
    with operation_state_context(states, f"operation {{number}}") as state:
        state.step("one", lambda: time.sleep(0.02) or number)
        state.step("two", lambda: time.sleep(0.01) or number)
    done.append(number)
{spawn}
print(len(done))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("library", PATCH)
def test_a_state_store_made_before_or_after_a_patch_holds_no_greenlet_up(
    library: str, moment: str, tmp_path: Path
) -> None:
    lines = {"before": "", "after": "", moment: PATCH[library]}
    script = tmp_path / "states.py"
    script.write_text(STATES.format(**lines, spawn=SPAWN[library]))
    ended = end_of([PYTHON, str(script)], tmp_path, **QUIET)
    assert (ended.status, ended.out) == (0, "20\n"), ended.err
