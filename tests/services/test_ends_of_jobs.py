"""However a process that does jobs ends, what it made in its last seconds arrives, and it ends as it does without us."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.ends import BUDGET, HERE, LATE, shows_all_of
from support.programs import PYTHON, end_of, kill, program, under_run
from support.services import SOON, Delivered
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

CELERY = [program("celery"), "-A", "jobs", "worker", "--loglevel", "WARNING", "--concurrency", "2"]
WORKERS = {
    "celery": ("celery", CELERY),
    "celery --max-tasks-per-child 1": ("celery", [*CELERY, "--max-tasks-per-child", "1"]),
    "celery, revoked": ("revoke", CELERY),
    "rq": ("rq", [program("rq"), "worker", "--url", "{redis}"]),
    "rq, SimpleWorker": ("rq", [program("rq"), "worker", "--url", "{redis}", "-w", "rq.worker.SimpleWorker"]),
}


@contextmanager
def working(command: list[str], folder: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker; whatever is left of it at the end is killed."""
    with (folder / "output.txt").open("a") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **SOON, **environ}, stdout=output, stderr=output, text=True,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        kill(process)
        process.wait(10)


def worked(kind: str, command: list[str], folder: Path, environ: dict[str, str]) -> tuple[Counter[int], int, float]:
    """Who did the jobs, and the worker's status and seconds at its end by SIGTERM."""
    with working(command, folder, **environ) as worker:
        client = end_of([PYTHON, str(HERE / "jobs.py"), kind], folder, **environ)
        assert client.status == 0, client.err
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        status = worker.wait(20)
        return Counter(int(word) for word in client.out.split()), status, time.monotonic() - began


@pytest.mark.parametrize("name", WORKERS)
def test_workers_of_jobs(name: str, redis: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    kind, words = WORKERS[name]
    command = [word.format(redis=redis) for word in words]
    environ = {**LATE, "REDIS_URL": redis}
    _, status, seconds = worked(kind, command, tmp_path, environ)
    observed = under_run(endpoint.url, delivered.service, command)
    done, status_under_run, seconds_under_run = worked(kind, observed, tmp_path, environ)
    assert status_under_run == status
    assert seconds_under_run < seconds + BUDGET
    spans = Counter(span["resource"]["process.pid"] for span in delivered.spans() if span["name"] == "work")
    if kind == "revoke":  # the one that was terminated had made a span, too
        assert spans.total() == done.total() + 1
        assert all(spans[pid] >= count for pid, count in done.items())
        done = spans
    shows_all_of(done, delivered, "jobs.done")


def test_children_of_all_kinds_and_an_exec(endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    command = [PYTHON, "-W", "ignore", str(HERE / "children.py"), "afterwards"]
    bare = end_of(command, tmp_path, **LATE)
    assert end_of(under_run(endpoint.url, delivered.service, command), tmp_path, **LATE) == bare
    assert (bare.status, bare.out) == (7, "15 0\n15 0\n3\nafterwards\n")
    spans = Counter(span["resource"]["process.pid"] for span in delivered.spans() if span["name"] == "work")
    assert spans.total() == 2 * (1 + 6) + 2
    shows_all_of(spans, delivered, "children.done")
