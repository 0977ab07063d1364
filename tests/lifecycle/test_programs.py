"""Libraries and servers whose processes end in ways of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


SERVE = """
    import signal
    import uvicorn
    from trax_otel.lifecycle import Participant, register
    register(Participant("x", 1, shutdown=lambda _: print("shut down", flush=True)))
    signal.signal(signal.SIGTERM, {disposition})
    server = uvicorn.Server(uvicorn.Config("nowhere:app"))
    with server.capture_signals():
        signal.raise_signal(signal.SIGTERM)
    print("on it goes", flush=True)
"""


def test_uvicorns_end_by_a_signal_whose_default_is_back_shuts_down_first() -> None:
    done = run(SERVE.format(disposition="signal.SIG_DFL"))
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "shut down\n"), done.stderr


def test_uvicorn_in_a_program_with_a_handler_of_its_own_shuts_nothing_down() -> None:
    done = run(SERVE.format(disposition="lambda *_: None"))
    assert (done.returncode, done.stdout) == (0, "on it goes\nshut down\n"), done.stderr


STOPPING = """
    import sys, threading, types
    module = types.ModuleType("gunicorn.workers.base")
    class Worker:
        def handle_exit(self, sig, frame):
            return f"told {sig}"
    module.Worker = Worker
    sys.modules[module.__name__] = module
    from trax_otel.lifecycle import Participant, register
    flushed = threading.Event()
    register(Participant("x", 1, flush=lambda _: flushed.set()))
    print(Worker().handle_exit(15, None), flushed.wait(10))
"""


def test_a_worker_that_is_told_to_stop_delivers_at_once() -> None:
    done = run(STOPPING)
    assert done.stdout == "told 15 True\n", done.stderr


BILLIARD = """
    import sys, types
    module = types.ModuleType("billiard.pool")
    class Worker:
        def _do_exit(self, pid, exitcode, exc=None):
            print("notice", pid, exitcode, exc)
    module.Worker = Worker
    sys.modules[module.__name__] = module
    from trax_otel.lifecycle import Participant, register
    register(Participant("x", 1, pending=lambda: True, leave=lambda _: print("delivered")))
    Worker()._do_exit(7, 1)
"""


def test_a_worker_of_billiards_delivers_before_it_gives_notice() -> None:
    done = run(BILLIARD)
    assert done.stdout == "delivered\nnotice 7 1 None\n", done.stderr


UWSGI = """
    import sys, types
    uwsgi = types.ModuleType("uwsgi")
    uwsgi.opt = {options}
    uwsgi.worker_id = lambda: {worker}
    uwsgi.post_fork_hook = lambda: print("the application's hook")
    sys.modules.update(uwsgi=uwsgi, {others})
    from trax_otel import lifecycle
    lifecycle.register(lifecycle.Participant("x", 1))
    lifecycle.when_starved(lambda: print("starved"))
    uwsgi.post_fork_hook()
"""
LINE = "trax-otel: uWSGI without --enable-threads: telemetry leaves during requests and at the end of a worker only\n"


@pytest.mark.parametrize(
    ("options", "worker", "others", "out", "err"),
    [
        ("{'master': True}", 0, "", "starved\nthe application's hook\n", LINE),
        ("{'master': True}", 2, "", "starved\nthe application's hook\n", ""),
        ("{'enable-threads': True}", 0, "", "the application's hook\n", ""),
        ("{'threads': b'4'}", 0, "", "the application's hook\n", ""),
        ("{'master': True}", 0, "pyuwsgi=types.ModuleType('pyuwsgi')", "the application's hook\n", ""),
    ],
    ids=["without threads", "another worker", "with threads", "threaded", "as a module"],
)
def test_uwsgis_own_hook_is_kept_and_missing_threads_are_said_once(
    options: str, worker: int, others: str, out: str, err: str
) -> None:
    done = run(UWSGI.format(options=options, worker=worker, others=others))
    assert (done.stdout, done.stderr) == (out, err)
