"""What databases' errors mean, whatever driver or wrapper raises them: real ones, on real SQLite and PostgreSQL."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.postgres import Unavailable, postgres
from trax_otel import errors
from trax_otel.errors import classify_error, error_facts, is_retryable_error

CODES = {
    "unique": ("TRAX-025", False), "not null": ("TRAX-025", False), "table": ("TRAX-026", False), "syntax": ("TRAX-026", False),
    "function": ("TRAX-026", False), "lock": ("TRAX-027", True), "connection": ("TRAX-024", True), "time": ("TRAX-028", False),
}  # fmt: skip
"""The code of a failure, and whether the transaction may succeed when it is repeated."""
STATEMENTS = {
    "unique": "INSERT INTO orders VALUES (1, 'again')",
    "not null": "INSERT INTO orders VALUES (2, NULL)",
    "table": "SELECT * FROM nowhere",
    "syntax": "SELEKT 1",
    "function": "SELECT nothing(1)",
}
SCHEMA = ("CREATE TABLE orders (id integer PRIMARY KEY, name text NOT NULL)", "INSERT INTO orders VALUES (1, 'first')")


def raised(action: Callable[..., Any], *arguments: Any) -> BaseException:
    try:
        action(*arguments)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def check(error: BaseException, failure: str) -> None:
    code, retryable = CODES[failure]
    described = f"{failure}: {type(error).__module__}.{type(error).__name__}: {error}"
    assert (error_facts(error).code, is_retryable_error(error)) == (code, retryable), described
    assert isinstance(classify_error(error), errors.DatabaseError), described


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        with postgres() as running:
            yield running.url
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture
def refusing() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{closed.getsockname()[1]}"


def test_sqlite(tmp_path: Path) -> None:
    path = str(tmp_path / "orders.db")
    connection, other = (sqlite3.connect(path, timeout=0.05, isolation_level=None) for _ in range(2))
    for statement in SCHEMA:
        connection.execute(statement)
    for failure, statement in STATEMENTS.items():
        check(raised(connection.execute, statement), failure)
    check(raised(connection.execute, "SELECT ?", ()), "syntax")
    connection.execute("BEGIN EXCLUSIVE")
    check(raised(other.execute, "SELECT * FROM orders"), "lock")
    connection.close()
    other.close()
    closed = raised(connection.execute, "SELECT 1")
    assert (error_facts(closed).code, is_retryable_error(closed)) == ("TRAX-024", False)
    assert error_facts(raised(sqlite3.connect, tmp_path / "none" / "x.db")).code == "TRAX-024"
    (tmp_path / "text").write_text("no database" * 100)
    text = sqlite3.connect(tmp_path / "text")
    assert error_facts(raised(text.execute, "SELECT * FROM x")).code == "TRAX-016"
    text.close()


def test_psycopg_on_postgresql(server: str, refusing: str) -> None:
    import psycopg

    connection, other = (psycopg.connect(server, autocommit=True) for _ in range(2))
    execute: Any = connection.execute
    execute("DROP TABLE IF EXISTS orders")
    for statement in SCHEMA:
        execute(statement)
    for failure, statement in STATEMENTS.items():
        check(raised(execute, statement), failure)
    execute("SET statement_timeout = 50")
    check(raised(execute, "SELECT pg_sleep(5)"), "time")
    execute("SET statement_timeout = 0")
    other.execute("BEGIN")
    other.execute("LOCK orders")
    execute("BEGIN")
    check(raised(execute, "LOCK TABLE orders NOWAIT"), "lock")
    check(raised(execute, "SELECT 1"), "syntax")  # the transaction has failed
    execute("ROLLBACK")
    execute(f"SELECT pg_terminate_backend({other.info.backend_pid})")
    check(raised(other.execute, "SELECT 1"), "connection")
    connection.close()
    other.close()
    check(raised(psycopg.connect, f"postgresql://a@{refusing}/a?connect_timeout=2"), "connection")
    unknown = raised(psycopg.connect, f"{server.rpartition('/')[0]}/nowhere")
    assert error_facts(unknown).code == "TRAX-006"


@pytest.mark.parametrize("driver", ["sqlite", "psycopg"])
def test_sqlalchemy(driver: str, request: pytest.FixtureRequest, refusing: str) -> None:
    import sqlalchemy as sa
    from sqlalchemy.pool import QueuePool

    url = "sqlite://"
    if driver != "sqlite":
        url = request.getfixturevalue("server").replace("postgresql:", f"postgresql+{driver}:")
    engine = sa.create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.connect() as opened:
        connection = opened.execution_options(isolation_level="AUTOCOMMIT")
        for statement in ("DROP TABLE IF EXISTS orders", *SCHEMA):
            connection.execute(sa.text(statement))
        for failure, statement in STATEMENTS.items():
            check(raised(connection.execute, sa.text(statement)), failure)
        exhausted = raised(engine.connect)
        assert (error_facts(exhausted).code, is_retryable_error(exhausted)) == ("TRAX-028", True)
        none = raised(connection.execute(sa.text("SELECT 2 WHERE 1 = 0")).one)
        assert error_facts(none).code == "TRAX-004"
    engine.dispose()
    assert error_facts(raised(sa.create_engine, "nosuch://")).code == "TRAX-006"
    remote = sa.create_engine(f"postgresql+psycopg://a@{refusing}/a")
    check(raised(remote.connect), "connection")
    remote.dispose()


@pytest.mark.parametrize("engine", ["sqlite3", "postgresql"])
def test_django(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    import django
    from django.conf import settings
    from django.db.utils import ConnectionHandler

    if not settings.configured:
        settings.configure()
        django.setup()
    options: dict[str, Any] = {"NAME": str(tmp_path / "orders.db")}
    if engine == "postgresql":
        url = urlsplit(request.getfixturevalue("server"))
        options = {"NAME": url.path[1:], "USER": url.username, "PASSWORD": url.password, "HOST": url.hostname,
                   "PORT": url.port}  # fmt: skip
    connection = ConnectionHandler({"default": {"ENGINE": f"django.db.backends.{engine}", **options}})["default"]
    with connection.cursor() as cursor:
        for statement in ("DROP TABLE IF EXISTS orders", *SCHEMA):
            cursor.execute(statement)
        for failure, statement in STATEMENTS.items():
            check(raised(cursor.execute, statement), failure)
    connection.close()


@pytest.mark.parametrize(
    ("number", "code"),
    [(1062, "TRAX-025"), (1213, "TRAX-027"), (1146, "TRAX-026"), (1064, "TRAX-026"), (2006, "TRAX-024"), (3024, "TRAX-028"),
     (1045, "TRAX-002"), (1049, "TRAX-006"), (9999, "TRAX-024")],
)  # fmt: skip
def test_mysqls_numbers(number: int, code: str) -> None:
    """There is no MySQL here: an error of its driver's form and name."""
    kind = type("OperationalError", (Exception,), {"__module__": "pymysql.err"})
    assert error_facts(kind(number, "text")).code == code


def test_a_class_is_what_it_was_and_a_databases() -> None:
    for kind, before in (
        (errors.DatabaseConnectionError, errors.ConnectionError), (errors.DatabaseTimeoutError, errors.TimeoutError),
        (errors.DatabaseLockError, errors.ServiceUnavailableError), (errors.DatabaseIntegrityError, errors.ValidationError),
        (errors.DatabaseQueryError, errors.ProcessingError),
    ):  # fmt: skip
        assert issubclass(kind, before)
        assert issubclass(kind, errors.DatabaseError)
        assert kind("x").category == before("x").category
