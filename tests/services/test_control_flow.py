"""What job libraries and frameworks really raise to steer: their own classes and their own time limits."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from support.programs import PYTHON, end_of
from trax_otel.errors import control_flow

pytestmark = pytest.mark.services

MODULES = {
    "_pytest": ["_pytest.outcomes"],
    "aiohttp": ["aiohttp.web_exceptions"],
    "arq": ["arq.worker"],
    "billiard": ["billiard.exceptions"],
    "celery": ["celery.exceptions"],
    "click": ["click.exceptions"],
    "django": ["django.core.exceptions", "django.core.files.uploadhandler"],
    "dramatiq": ["dramatiq.errors", "dramatiq.middleware.middleware"],
    "eventlet": ["eventlet.convenience"],
    "falcon": ["falcon.http_status"],
    "grpc": ["grpc", "grpc.aio"],
    "gunicorn": ["gunicorn.workers.sync"],
    "huey": ["huey.exceptions", "huey.consumer"],
    "psycopg": ["psycopg"],
    "pyramid": ["pyramid.httpexceptions", "pyramid.exceptions"],
    "rq": ["rq.timeouts", "rq.exceptions"],
    "sanic": ["sanic.exceptions"],
    "tornado": ["tornado.web", "tornado.gen"],
    "twisted": ["twisted.internet.defer"],
    "waitress": ["waitress.wasyncore"],
    "webob": ["webob.exc"],
    "werkzeug": ["werkzeug.routing.exceptions"],
}
"""Where each library has the classes that are listed of it."""

CLASSES = """
    import importlib, json, sys, warnings
    warnings.simplefilter("ignore")
    from trax_otel.errors.control_flow import passes
    wrong = []
    for library, (modules, names) in json.loads(sys.argv[1]).items():
        loaded = [importlib.import_module(name) for name in modules]
        for name in names:
            found = [getattr(module, name) for module in loaded if hasattr(module, name)]
            if not found or not all(passes(kind) for kind in found):
                wrong.append(f"{library}.{name}")
    print(json.dumps(wrong))
"""


def test_each_listed_class_exists_and_steers(tmp_path: Path) -> None:
    asked = {
        library: (modules, sorted(control_flow.STEERING[library] | control_flow.LIMITS.get(library, frozenset())))
        for library, modules in MODULES.items()
    }
    ended = end_of([PYTHON, "-c", dedent(CLASSES), json.dumps(asked)], tmp_path)
    assert (ended.status, ended.out.strip()) == (0, "[]"), ended.err


LIMITS = {
    "rq": """
        from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
        def limited(work):
            with UnixSignalDeathPenalty(1, JobTimeoutException):
                work()
    """,
    "celery": """
        import signal
        from billiard.pool import soft_timeout_sighandler
        def limited(work):
            signal.signal(signal.SIGALRM, soft_timeout_sighandler)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            work()
    """,
}
"""Their own ways to end a job that takes too long, as their workers use them."""

WAYS = """
    import signal
    from trax_otel.recovery import FallbackManager
    from trax_otel.retry import CircuitBreaker, retrying

    calls = 0
    def hangs():
        global calls
        calls += 1
        signal.pause()
    def fails():
        global calls
        calls += 1
        raise ConnectionError("refused")
    def loop(work):
        for attempt in retries:
            with attempt:
                work()

    retries = retrying(max_retries=5, initial_delay=60, jitter=None, retry_on=Exception)
    fallbacks = FallbackManager(on=Exception)
    fallbacks.add_fallback(lambda: "instead")
    breaker = CircuitBreaker(failure_threshold=1, expected_exception=Exception)
    for work in (
        lambda: retries.call(hangs), lambda: retries.call(fails), lambda: loop(hangs), lambda: loop(fails),
        lambda: fallbacks.execute_with_fallbacks_sync(lambda: breaker.call(hangs)),
    ):
        calls = 0
        try:
            limited(work)
        except Exception as error:
            print(type(error).__name__, calls, breaker.state)
        else:
            print("swallowed")
"""


@pytest.mark.parametrize(("library", "error"), [("rq", "JobTimeoutException"), ("celery", "SoftTimeLimitExceeded")])
def test_a_time_limit_is_not_retried_answered_or_counted(library: str, error: str, tmp_path: Path) -> None:
    ended = end_of([PYTHON, "-c", dedent(LIMITS[library]) + dedent(WAYS)], tmp_path, 30)
    assert ended.out.splitlines() == [f"{error} 1 closed"] * 5, ended.err
