"""An error that happened is found, wherever it happened, and one failure is one row: programs under `trax-otel run`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import PYTHON, end_of, under_run
from support.services import Delivered, until
from trax_otel.local.filters import Filter
from trax_otel.local.model import ErrorStats
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

HANDLER = """
from trax_otel.errors import error_handler

@error_handler(reraise=False)
def charge():
    raise LookupError("no such order")

charge()
"""
LOST_TASK = """
import asyncio, gc

async def lost():
    raise LookupError("no such order")

async def main():
    asyncio.ensure_future(lost())
    await asyncio.sleep(0.05)
    gc.collect()

asyncio.run(main())
"""
QUIET_TASK = "import logging\nlogging.getLogger('asyncio').disabled = True\n" + LOST_TASK
REQUEST = """
from flask import Flask

app = Flask(__name__)

@app.get("/")
def get():
    raise LookupError("no such order")

assert app.test_client().get("/").status_code == 500
"""
THREAD = """
import threading

def work():
    raise LookupError("no such order")

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
CHILD = """
import multiprocessing, sys

def work():
    raise LookupError("no such order")

if __name__ == "__main__":
    child = multiprocessing.get_context(sys.argv[1]).Process(target=work)
    child.start()
    child.join()
"""
TIMED = """
from trax_otel.metrics import timing_context

try:
    with timing_context("charge"):
        raise LookupError("no such order")
except LookupError:
    pass
"""
NEVER = {"OTEL_TRACES_SAMPLER": "always_off"}
PROGRAMS: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "error_handler outside of spans": (HANDLER, {}, ()),
    "a lost task": (LOST_TASK, {}, ()),
    "a lost task whose line does not leave": (QUIET_TASK, {}, ()),
    "a request": (REQUEST, {}, ()),
    "an unsampled request": (REQUEST, NEVER, ()),
    "an unsampled operation": (TIMED, NEVER, ()),
    "an operation": (TIMED, {}, ()),
    "a thread": (THREAD, {}, ()),
    "a forked child": (CHILD, {}, ("fork",)),
    "a spawned child": (CHILD, {}, ("spawn",)),
}


def rows_of(
    source: str,
    endpoint: Endpoint,
    delivered: Delivered,
    folder: Path,
    environ: dict[str, str],
    *arguments: str,
    status: int = 0,
) -> list[ErrorStats]:
    """The errors that a program delivered, as `trax-otel local errors` lists them."""
    (folder / "program.py").write_text(source)
    command = under_run(endpoint.url, delivered.service, [PYTHON, "program.py", *arguments])
    ended = end_of(command, folder, **environ)
    assert ended.status == status, ended.err
    wanted = Filter(service=delivered.service)
    return until(lambda: delivered.queries.errors(wanted), f"an error; the program said {ended.err}")


@pytest.mark.parametrize("case", PROGRAMS)
def test_an_error_is_found_wherever_it_happened(
    case: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    source, environ, arguments = PROGRAMS[case]
    (row,) = rows_of(source, endpoint, delivered, tmp_path, environ, *arguments)
    assert (row.code, row.type, row.message, row.count) == ("TRAX-017", "LookupError", "no such order", 1)


RETRY = """
from trax_otel.retry import retry

calls = []

@retry(max_retries=3, initial_delay=0.01)
def call():
    calls.append(1)
    if len(calls) < 3:
        raise ConnectionError("refused")

call()

@retry(max_retries=1, initial_delay=0.01)
def fail():
    raise ConnectionError("down")

try:
    fail()
except ConnectionError:
    pass
"""


def test_an_unsampled_retry_that_succeeds_is_no_error_and_one_that_fails_is_one(
    endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    (row,) = rows_of(RETRY, endpoint, delivered, tmp_path, NEVER)
    assert (row.code, row.type, row.message, row.count) == ("TRAX-001", "ConnectionError", "down", 1)


# --- One failure, one row ---------------------------------------------------------------------------------------------------


DJANGO = """
import os, sys, types
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import path

def get(request):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        cursor.execute("INSERT INTO orders VALUES (1)")
        cursor.execute("INSERT INTO orders VALUES (1)")
    return HttpResponse()

project = types.ModuleType("project")
project.urlpatterns = [path("", get)]
project.SECRET_KEY, project.ALLOWED_HOSTS, project.ROOT_URLCONF = "of tests", ["*"], "project"
project.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "orders.db"}}
sys.modules["project"] = project
os.environ["DJANGO_SETTINGS_MODULE"] = "project"
app = get_wsgi_application()
assert Client(raise_request_exception=False).get("/").status_code == 500
"""
SQLALCHEMY = """
import sqlalchemy as sa
from opentelemetry import trace

engine = sa.create_engine("sqlite:///orders.db")
with trace.get_tracer("shop").start_as_current_span("job"), engine.connect() as connection:
    connection.execute(sa.text("CREATE TABLE orders (id integer PRIMARY KEY)"))
    connection.execute(sa.text("INSERT INTO orders VALUES (1)"))
    try:
        connection.execute(sa.text("INSERT INTO orders VALUES (1)"))
    except sa.exc.IntegrityError as error:
        raise RuntimeError("the order was not stored") from error
"""
FASTAPI = """
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()

@app.get("/")
def get():
    raise ConnectionError("refused")

assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500
"""
OWN = """
import sqlite3
from opentelemetry import trace
from trax_otel.errors import create_api_error, register_error_code

register_error_code("ACME-001", "Order refused", category="api", cause="It exists.", remedy="Take another.")
connection = sqlite3.connect(":memory:")
cursor = connection.cursor()
cursor.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
cursor.execute("INSERT INTO orders VALUES (1)")
context = {"order": 1, "password": "s3cret"}
with trace.get_tracer("shop").start_as_current_span("job"):
    try:
        cursor.execute("INSERT INTO orders VALUES (1)")
    except sqlite3.IntegrityError as error:
        raise create_api_error("refused", original_error=error, error_code="ACME-001", context=context)
"""
RAISED = """
import threading, requests
from http.server import BaseHTTPRequestHandler, HTTPServer
from opentelemetry import trace

class Busy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503)
    def log_message(self, *arguments):
        pass

with HTTPServer(("127.0.0.1", 0), Busy) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with trace.get_tracer("shop").start_as_current_span("job"):
            requests.get(f"http://127.0.0.1:{server.server_port}/", timeout=5).raise_for_status()
    except requests.HTTPError:
        pass
    server.shutdown()
"""
WRAPPED = {
    "requests": (RAISED, 0, "TRAX-012", "requests.exceptions.HTTPError"),
    "django": (DJANGO, 0, "TRAX-025", "sqlite3.IntegrityError"),
    "sqlalchemy": (SQLALCHEMY, 1, "TRAX-025", "sqlite3.IntegrityError"),
    "fastapi": (FASTAPI, 0, "TRAX-001", "ConnectionError"),
    "an error of one's own": (OWN, 1, "ACME-001", "trax_otel.errors.APIError"),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_one_failure_is_one_row_with_its_most_specific_code(
    case: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    source, status, code, kind = WRAPPED[case]
    alone = {
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "http.server"
    }  # the other side is another service, and has a row of its own
    rows = rows_of(source, endpoint, delivered, tmp_path, alone, status=status)
    assert [(row.code, row.type, row.count) for row in rows] == [(code, kind, 1)]


def test_the_context_of_an_error_leaves_without_its_secrets(
    endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    rows_of(OWN, endpoint, delivered, tmp_path, {}, status=1)
    told = delivered.queries.rows(
        "SELECT s.events FROM span s JOIN resource r ON r.id = s.resource_id WHERE r.service = ? AND s.name = 'job'"
        " UNION ALL SELECT l.attributes FROM log l JOIN resource r ON r.id = l.resource_id WHERE r.service = ?",
        (delivered.service, delivered.service),
    )
    assert len(told) == 2, "the span, and the record of what was not caught"
    for (text,) in told:
        assert '"trax.error.context.order":1' in text
        assert '"trax.error.severity":"error"' in text
        assert "s3cret" not in text
