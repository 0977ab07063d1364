"""A library that its instrumentation is not for is told as a log record, once, where it is used."""

from __future__ import annotations

import logging
import sqlite3  # noqa: F401 — what is said to be refused must be imported
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.services import Delivered, until
from trax_otel import semconv
from trax_otel.instrumentation import refusals
from trax_otel.instrumentation.adoption import adopt, is_disabled
from trax_otel.instrumentation.start import LOADER_LOGGER
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start
from trax_otel.testing import capture

PROGRAM = "import logging, sys, {module}\nlogging.getLogger('p').error('ran')"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with start(http_port=0, grpc_port=0, path=tmp_path / "local.db") as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_told() -> Iterator[None]:
    yield
    logging.getLogger(LOADER_LOGGER).removeFilter(refusals._hear)
    refusals._told.clear()
    refusals._waiting.clear()


def said_by_loader(*message: object) -> None:
    logger = logging.getLogger(LOADER_LOGGER)
    logger.addFilter(silence)
    refusals.listen()
    logger.error(*message)
    logger.removeFilter(silence)


def silence(_: logging.LogRecord) -> bool:
    return False


def test_what_the_loader_refuses_is_told_where_the_library_is_imported() -> None:
    with capture() as telemetry:
        said_by_loader('sqlite3 only instruments "sqlite3 < 1", so nothing can be instrumented.')
        said_by_loader('sqlite3 only instruments "sqlite3 < 1", so nothing can be instrumented.')
        said_by_loader("Importing of %s failed, skipping it", "tortoiseorm")
    assert [log.attributes[semconv.INSTRUMENTATION_NAME] for log in telemetry.logs] == ["sqlite3"]
    (told,) = telemetry.logs
    assert (told.severity, told.event_name) == ("WARN", semconv.NOT_INSTRUMENTED_EVENT)
    assert "only instruments" in str(told.body)


def test_what_comes_before_the_sdk_is_told_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    def unfit() -> None:
        raise AttributeError("no such place")

    adopt("json", "json", unfit)
    assert "instrumentation of json does not fit this version" in capsys.readouterr().err
    with capture() as telemetry:
        refusals.tell_refusals()
    told = [log.attributes[semconv.INSTRUMENTATION_NAME] for log in telemetry.logs]
    assert told.count("json") == 1


def test_every_adopted_library_can_be_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "redis, rq")
    adopt("rq", "json", lambda: called.append(1))
    assert called == []
    assert not is_disabled("huey")
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "*")
    assert is_disabled("huey")


@pytest.mark.parametrize("module", ["sqlalchemy", "json"])
def test_under_run_only_a_library_in_use_is_told(module: str, endpoint: Endpoint, tmp_path: Path) -> None:
    import sqlalchemy

    if int(sqlalchemy.__version__.split(".")[1]) < 1:
        pytest.skip("this release is not refused")
    command = [sys.executable, "-m", "trax_otel", "run", "--endpoint", endpoint.url, "--service-name", module, "--"]
    done = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM.format(module=module)], cwd=tmp_path, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "ran\n")
    queries = Queries(endpoint.path)
    delivered = Delivered(queries, module)
    until(lambda: delivered.logs("ran"), "the program's own record")
    told = [log for log in delivered.logs() if log.event_name == semconv.NOT_INSTRUMENTED_EVENT]
    assert [log.attributes[semconv.INSTRUMENTATION_NAME] for log in told] == (
        ["sqlalchemy"] if module == "sqlalchemy" else []
    )
    queries.close()
