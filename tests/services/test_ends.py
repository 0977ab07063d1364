"""However a worker ends, what it made in its last seconds arrives, as its own, and it ends as it does without us.

Nothing leaves by itself here (`LATE`): what arrives was delivered at an end.
"""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from support.ends import BUDGET, LATE, shows_all_of
from support.programs import PYTHON, end_of, program, under_run
from support.services import Delivered, Running, free_port, get, serving, until
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

ASGI, WSGI = "application:app", "application:application"
GUNICORN = [program("gunicorn"), "--workers", "2", "--bind", "127.0.0.1:{port}"]
UWSGI = ["--http-socket", "127.0.0.1:{port}", "--master", "--processes", "2", "--die-on-term", "--module", WSGI]

SERVERS = {
    "gunicorn": [*GUNICORN, WSGI],
    "gunicorn --preload": [*GUNICORN, "--preload", WSGI],
    "gunicorn --max-requests": [*GUNICORN, "--max-requests", "7", WSGI],
    "gunicorn, uvicorn.workers": [*GUNICORN, "--worker-class", "uvicorn.workers.UvicornWorker", ASGI],
    "gunicorn, uvicorn_worker": [*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker", ASGI],
    "uvicorn": [program("uvicorn"), "--workers", "2", "--port", "{port}", ASGI],
    "hypercorn": [program("hypercorn"), "--workers", "2", "--bind", "127.0.0.1:{port}", ASGI],
    "granian, asgi": [program("granian"), "--interface", "asgi", "--workers", "2", "--port", "{port}", ASGI],
    "granian, wsgi": [program("granian"), "--interface", "wsgi", "--workers", "2", "--port", "{port}", WSGI],
    "daphne": [program("daphne"), "--port", "{port}", ASGI],
    "uwsgi": [program("uwsgi"), *UWSGI],
    "uwsgi --enable-threads": [program("uwsgi"), *UWSGI, "--enable-threads"],
    "uwsgi --lazy-apps": [program("uwsgi"), *UWSGI, "--lazy-apps"],
}
EMITTED_AT_IMPORT = {"uwsgi", "uwsgi --enable-threads", "uwsgi --lazy-apps", "gunicorn --preload"}


def ended(running: Running) -> tuple[int, float]:
    """Status and seconds of the end by SIGTERM. uWSGI runs no exit hook in a worker that still writes its request's line."""
    time.sleep(0.3)
    began = time.monotonic()
    return running.stop(), time.monotonic() - began


@pytest.mark.parametrize("name", SERVERS)
def test_workers_that_are_stopped(name: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    workers = 1 if name == "daphne" else 2
    emit = {"EMIT_AT_IMPORT": "1"} if name in EMITTED_AT_IMPORT else {}
    port = free_port()
    command = [word.format(port=port) for word in SERVERS[name]]
    with serving(command, tmp_path, port, **LATE, **emit) as bare:
        bare.requests_until(workers)
        status, seconds = ended(bare)
    with serving(under_run(endpoint.url, delivered.service, command), tmp_path, port, **LATE, **emit) as running:
        answered = running.requests_until(workers)
        status_under_run, seconds_under_run = ended(running)
    assert status_under_run == status
    assert seconds_under_run < seconds + BUDGET
    shows_all_of(answered, delivered, "application.requests")


@pytest.fixture
def debians_uwsgi(tmp_path: Path) -> list[str]:
    """The command line of uWSGI as Debian ships it: the host of the interpreter, and not a module of it."""
    uwsgi = shutil.which("uwsgi_python3")
    ours = end_of([PYTHON, "-c", "import platform; print(platform.python_version())"], tmp_path).out
    if uwsgi is None or end_of([uwsgi, "--python-version"], tmp_path).out != ours:
        pytest.skip("needs uWSGI of Debian, for the Python of .venv-services")
    return [uwsgi, *UWSGI, "--virtualenv", str(Path(PYTHON).parents[1])]


@pytest.mark.parametrize("threads", [[], ["--enable-threads"]], ids=["without threads", "threads"])
def test_uwsgi_of_a_distribution(
    threads: list[str], debians_uwsgi: list[str], endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    port = free_port()
    command = [word.format(port=port) for word in [*debians_uwsgi, *threads]]
    with serving(under_run(endpoint.url, delivered.service, command), tmp_path, port, **LATE) as running:
        answered = running.requests_until(2)
        status, seconds = ended(running)
        output = running.output.read_text()
    assert (status, seconds < BUDGET + 2) == (0, True)
    assert output.count("trax-otel: uWSGI without --enable-threads: ") == (0 if threads else 1)
    shows_all_of(answered, delivered, "application.requests")


@pytest.mark.parametrize("threads", [[], ["--enable-threads"]], ids=["without threads", "threads"])
def test_workers_that_uwsgi_forks_later_answer(
    threads: list[str], debians_uwsgi: list[str], endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    port = free_port()
    command = [word.format(port=port) for word in debians_uwsgi]
    command += [*threads, "--max-requests", "5", "--min-worker-lifetime", "1"]
    emit = {"EMIT_AT_IMPORT": "1"}
    with serving(under_run(endpoint.url, delivered.service, command), tmp_path, port, **LATE, **emit) as running:
        answered: set[int] = set()
        until(lambda: answered.update(running.requests_until(1)) or len(answered) > 3, "workers after the first two")


GRACELESS = {
    "sync": ["--worker-class", "sync", WSGI],
    "gthread": ["--worker-class", "gthread", WSGI],
    "uvicorn_worker": ["--worker-class", "uvicorn_worker.UvicornWorker", ASGI],
}


@pytest.mark.parametrize("kind", GRACELESS)
def test_a_worker_that_is_killed_because_a_request_takes_too_long(
    kind: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    port = free_port()
    command = [program("gunicorn"), "--bind", f"127.0.0.1:{port}", "--graceful-timeout", "1", *GRACELESS[kind]]
    with serving(under_run(endpoint.url, delivered.service, command), tmp_path, port, **LATE) as running:
        answered = running.requests_until(1)
        slow = threading.Thread(target=_asked, args=(f"{running.url}slow",), daemon=True)
        slow.start()
        status, _ = ended(running)
        slow.join(10)
    assert status == 0
    answered[next(iter(answered))] += 1
    shows_all_of(answered, delivered, "application.requests")


def _asked(url: str) -> None:
    with suppress(OSError):
        get(url)
