"""aiosqlite's thread works on each query in the context of the task that made it."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from collections.abc import Iterator
from typing import Any

import aiosqlite
import aiosqlite.core
import pytest
from opentelemetry.trace import SpanKind, get_current_span

from trax_otel.instrumentation.carrying import carrying
from trax_otel.instrumentation.worker_threads import carry_into_worker_threads
from trax_otel.testing import capture


@pytest.fixture(autouse=True)
def carried() -> Iterator[None]:
    kinds = {name: getattr(aiosqlite.core, name) for name in ("SimpleQueue", "Queue")}
    carry_into_worker_threads()
    yield
    for name, kind in kinds.items():
        setattr(aiosqlite.core, name, kind)


def current() -> str:
    return f"{get_current_span().get_span_context().span_id:x}"


def test_each_query_runs_in_the_context_of_its_task(tmp_path: Any) -> None:
    async def ask(database: aiosqlite.Connection, tracer: Any, name: str) -> tuple[str, str]:
        with tracer.start_as_current_span(name):
            await asyncio.sleep(0)
            (row,) = await database.execute_fetchall("SELECT current()")
            return row[0], current()

    async def main(tracer: Any) -> None:
        async with aiosqlite.connect(tmp_path / "x.db") as database:
            await database.create_function("current", 0, current)
            for seen, own in await asyncio.gather(*[ask(database, tracer, str(number)) for number in range(5)]):
                assert seen == own
            (row,) = await database.execute_fetchall("SELECT current()")
            assert row[0] == "0"

    with capture() as telemetry:
        asyncio.run(main(telemetry.tracer()))


def test_a_querys_span_names_the_line_of_the_task() -> None:
    with capture() as telemetry:
        tracer = telemetry.tracer("opentelemetry.instrumentation.sqlite3")
        start = exec_in(
            "/x/site-packages/driver.py", "def begin(): tracer.start_span('SELECT', kind=kind).end()", tracer
        )
        asyncio.run(ask_by(start))
    assert telemetry.span("SELECT").attributes["code.function.name"].endswith("ask_by")


def exec_in(file: str, source: str, tracer: Any) -> Any:
    """A function whose frame is a library's."""
    scope: dict[str, Any] = {"tracer": tracer, "kind": SpanKind.CLIENT}
    exec(compile(source, file, "exec"), scope)
    return scope["begin"]


async def ask_by(begin: Any) -> None:
    async with aiosqlite.connect(":memory:") as database:
        await database.create_function("observed", 0, begin)
        await database.execute_fetchall("SELECT observed()")


def test_what_a_query_raises_shows_no_frame_of_ours() -> None:
    async def main() -> None:
        async with aiosqlite.connect(":memory:") as database:
            await database.execute("SELECT nothing")

    with pytest.raises(sqlite3.OperationalError) as caught:
        asyncio.run(main())
    assert not [entry for entry in caught.traceback if "trax_otel" in str(entry.path)]


@pytest.mark.parametrize("kind", [queue.SimpleQueue, queue.Queue])
def test_the_queue_is_a_queue(kind: Any) -> None:
    items = carrying(kind)()
    items.put("a")
    items.put_nowait("b")
    assert (items.qsize(), items.get(), items.get(timeout=1)) == (2, "a", "b")
    with pytest.raises(queue.Empty):
        items.get(block=False)
