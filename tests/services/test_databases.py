"""Queries of libraries with a thread of their own are in the trace of the request that made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import PYTHON, end_of, under_run
from support.services import Delivered, until
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

PROGRAMS = {
    "aiosqlite": """
import asyncio, aiosqlite
from opentelemetry import trace

async def request(database, number):
    with trace.get_tracer("shop").start_as_current_span(f"request {number}"):
        await database.execute("INSERT INTO t VALUES (?)", (number,))
        async with database.execute("SELECT x FROM t") as cursor:
            await cursor.fetchall()

async def main():
    async with aiosqlite.connect(":memory:") as database:
        await database.execute("CREATE TABLE t (x)")
        await asyncio.gather(*[request(database, number) for number in range(3)])

asyncio.run(main())
""",
    "sqlalchemy": """
import asyncio
from opentelemetry import trace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

async def request(engine, number):
    with trace.get_tracer("shop").start_as_current_span(f"request {number}"):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": number})
            await connection.execute(text("SELECT x FROM t"))

async def main():
    engine = create_async_engine("sqlite+aiosqlite:///x.db")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (x)"))
    for number in range(3):
        await request(engine, number)
    await engine.dispose()

asyncio.run(main())
""",
}


@pytest.mark.parametrize("library", PROGRAMS)
def test_each_query_is_in_the_trace_of_its_request(
    library: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    ended = end_of(under_run(endpoint.url, delivered.service, [PYTHON, "-c", PROGRAMS[library]]), tmp_path)
    assert (ended.status, ended.err) == (0, "")
    until(lambda: len([span for span in delivered.traced() if span.name.startswith("request")]) == 3, "the requests")
    spans = delivered.traced()
    for request in [span for span in spans if span.name.startswith("request")]:
        inside = " ".join(
            span.name.upper() for span in spans if span.trace_id == request.trace_id and span is not request
        )
        assert "INSERT" in inside
        assert "SELECT" in inside
