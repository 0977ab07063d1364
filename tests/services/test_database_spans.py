"""Queries of real drivers, unchanged: one span each, named by operation and table, without literals, with their caller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.postgres import Unavailable, postgres
from support.programs import PYTHON, end_of, under_run
from support.services import Delivered
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

SELECT = "SELECT name FROM users WHERE name = 'ann' AND id IN (1, 2, 3)"
DBAPI = f"""
import sys, {{driver}}

def work(cursor):
    cursor.execute("CREATE TABLE users (id int, name text)")
    cursor.execute("{SELECT}")
    try:
        cursor.execute("SELECT * FROM nowhere WHERE a = 'secret'")
    except Exception:
        pass

connection = {{driver}}.connect(sys.argv[1])
work(connection.cursor())
"""
PROGRAMS = {
    "sqlite3": DBAPI.format(driver="sqlite3"),
    "psycopg": DBAPI.format(driver="psycopg"),
    "psycopg2": DBAPI.format(driver="psycopg2"),
    "asyncpg": f"""
import asyncio, asyncpg, sys

async def work(connection):
    await connection.execute("CREATE TABLE users (id int, name text)")
    await connection.fetch("{SELECT}")
    try:
        await connection.fetch("SELECT * FROM nowhere WHERE a = 'secret'")
    except Exception:
        pass

async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await work(connection)
    await connection.close()

asyncio.run(main())
""",
    "aiosqlite": f"""
import asyncio, aiosqlite, sys

async def work(connection):
    await connection.execute("CREATE TABLE users (id int, name text)")
    await connection.execute("{SELECT}")
    try:
        await connection.execute("SELECT * FROM nowhere WHERE a = 'secret'")
    except Exception:
        pass

async def main():
    async with aiosqlite.connect(sys.argv[1]) as connection:
        await work(connection)

asyncio.run(main())
""",
    "sqlalchemy": f"""
import sys
from sqlalchemy import create_engine, text

def work(connection):
    connection.execute(text("CREATE TABLE users (id int, name text)"))
    connection.execute(text("{SELECT}"))
    try:
        connection.execute(text("SELECT * FROM nowhere WHERE a = 'secret'"))
    except Exception:
        pass

with create_engine(sys.argv[1]).connect() as connection:
    work(connection)
""",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    try:
        with postgres() as running:
            yield running
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("driver", PROGRAMS)
def test_a_query_tells_what_it_does_and_nothing_that_was_asked_for(
    driver: str, endpoint: Endpoint, delivered: Delivered, server: Any, tmp_path: Path
) -> None:
    urls = {"sqlite3": ":memory:", "aiosqlite": ":memory:", "sqlalchemy": "sqlite://"}
    (tmp_path / "program.py").write_text(PROGRAMS[driver])
    url = urls[driver] if driver in urls else server.database(driver)
    # With every instrumentor on, SQLAlchemy's queries are its driver's too.
    apart = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlite3"} if driver == "sqlalchemy" else {}
    ended = end_of(under_run(endpoint.url, delivered.service, [PYTHON, "program.py", url]), tmp_path, **apart)
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    spans = {span["name"]: span["attributes"] for span in delivered.spans() if span["name"] != "connect"}
    assert {"CREATE TABLE users", "SELECT users", "SELECT nowhere"} == set(spans)
    attributes = spans["SELECT users"]
    assert attributes["db.query.text"] == "SELECT name FROM users WHERE name = ? AND id IN (?)"
    assert (attributes["db.operation.name"], attributes["db.collection.name"]) == ("SELECT", "users")
    assert (attributes["code.function.name"], attributes["code.file.path"]) == (
        "__main__.work",
        str(tmp_path / "program.py"),
    )
    assert (
        PROGRAMS[driver]
        .splitlines()[attributes["code.line.number"] - 1]
        .strip()
        .endswith(f'{SELECT}")' + ")" * (driver == "sqlalchemy"))
    )
    failed = spans["SELECT nowhere"]
    assert failed["trax.error.code"] == "TRAX-026"
    (stack,) = delivered.queries.rows(
        "SELECT s.events FROM span s JOIN resource r ON r.id = s.resource_id WHERE r.service = ? AND s.name = ?",
        (delivered.service, "SELECT nowhere"),
    )
    if driver != "aiosqlite":  # its own thread knows nothing of who asked: `code.*` does
        assert "in work" in stack[0]
    assert "/opentelemetry/" not in stack[0]
