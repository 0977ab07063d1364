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
    source: str, endpoint: Endpoint, delivered: Delivered, folder: Path, environ: dict[str, str], *arguments: str
) -> list[ErrorStats]:
    """The errors that a program delivered, as `trax-otel local errors` lists them."""
    (folder / "program.py").write_text(source)
    command = under_run(endpoint.url, delivered.service, [PYTHON, "program.py", *arguments])
    ended = end_of(command, folder, **environ)
    assert ended.status == 0, ended.err
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
