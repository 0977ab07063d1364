"""Requests are answered after the commit, in groups, and one's trouble is not its neighbour's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_data import logs, record, span, traces
from trax_otel.local import schema
from trax_otel.local import writer as writing
from trax_otel.local.decode import from_message
from trax_otel.local.queries import Queries
from trax_otel.local.store import Batch, Store
from trax_otel.local.writer import UnavailableError, Writer


def one(name: str = "work") -> Batch:
    return from_message("traces", traces(span(name)))


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Writer, sqlite3.Connection]]:
    """A writer on a file whose lock this test holds: `COMMIT` lets it go."""
    writer = Writer(Store(tmp_path / "local.db"))
    other = schema.connect(writer.store.path)
    other.execute("BEGIN IMMEDIATE")
    yield writer, other
    other.close()
    writer.close()


def stored(writer: Writer) -> int:
    queries = Queries(writer.store.path)
    spans = queries.totals().spans
    queries.close()
    return spans


def test_an_answer_comes_after_the_commit(held: tuple[Writer, sqlite3.Connection]) -> None:
    writer, other = held
    futures = [writer.submit(one()) for _ in range(40)]
    assert not any(future.done() for future in futures)
    other.execute("COMMIT")
    for future in futures:
        future.result(10)
    assert stored(writer) == 40


def test_a_locked_file_is_for_the_sender_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_MILLISECONDS", 50)
    writer = Writer(Store(tmp_path / "local.db"))
    other = schema.connect(writer.store.path)
    other.execute("BEGIN IMMEDIATE")
    futures = [writer.submit(one()) for _ in range(5)]
    for future in futures:
        with pytest.raises(UnavailableError, match="locked"):
            future.result(10)
    other.execute("COMMIT")
    writer.submit(one()).result(10)
    assert stored(writer) == 1
    other.close()
    writer.close()


def test_a_full_disk_is_for_the_sender_to_try_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "local.db")
    store._connection.execute("PRAGMA max_page_count = 60").fetchall()
    writer = Writer(store)
    writer.submit(one("before")).result(10)
    huge = from_message("traces", traces(span("huge", attributes={str(key): "x" * 100_000 for key in range(9)})))
    with pytest.raises(UnavailableError, match="full"):
        writer.submit(huge).result(10)
    writer.submit(one("after")).result(10)
    assert stored(writer) == 2
    writer.close()


def test_one_bad_batch_costs_no_neighbour(held: tuple[Writer, sqlite3.Connection]) -> None:
    writer, other = held
    bad = one()
    spans = bad.resources[0].spans
    spans[0] = (*spans[0][:3], object(), *spans[0][4:])
    futures = [writer.submit(batch) for batch in (one(), one(), bad, one())]
    other.execute("COMMIT")
    for place, future in enumerate(futures):
        if place == 2:
            with pytest.raises(sqlite3.Error):
                future.result(10)
        else:
            future.result(10)
    assert stored(writer) == 3


def test_a_sender_that_went_away_is_passed_over(held: tuple[Writer, sqlite3.Connection]) -> None:
    writer, other = held
    first = writer.submit(one())
    while writer._queue.qsize():  # the writer has it, and waits for the lock
        threading.Event().wait(0.001)
    gone, patient = writer.submit(one("gone")), writer.submit(one())
    assert gone.cancel()
    other.execute("COMMIT")
    first.result(10)
    patient.result(10)
    assert stored(writer) == 2


def test_a_full_queue_refuses_at_once(held: tuple[Writer, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    writer, other = held
    first = writer.submit(one())
    while writer._queue.qsize():  # the writer has it, and waits for the lock
        threading.Event().wait(0.001)
    futures = [first, *(writer.submit(one()) for _ in range(writing.MAX_WAITING))]
    with pytest.raises(UnavailableError, match="too many"):
        writer.submit(one())
    other.execute("COMMIT")
    for future in futures:
        future.result(20)
    assert stored(writer) == len(futures)


def test_closing_writes_what_waits(held: tuple[Writer, sqlite3.Connection]) -> None:
    writer, other = held
    futures = [writer.submit(one()) for _ in range(50)]
    other.execute("COMMIT")
    writer.close()
    assert all(future.done() for future in futures)
    assert stored(writer) == 50
    with pytest.raises(UnavailableError, match="shutting down"):
        writer.submit(one())
    writer.close()


def test_trouble_with_eviction_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Store) -> int:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(Store, "evict", fail)
    writer = Writer(Store(tmp_path / "local.db"))
    for _ in range(3):
        writer.submit(from_message("logs", logs(record()))).result(10)
    writer.close()
