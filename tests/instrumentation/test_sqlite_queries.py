"""What a connection of sqlite3 executes by itself is a span, as what its cursors execute is."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

from trax_otel.instrumentation.sqlite_queries import observe_short_queries
from trax_otel.testing import CapturedTelemetry, capture


class Own(sqlite3.Connection):
    """A connection that does not execute by a cursor."""

    def execute(self, sql: str, *_: Any) -> Any:
        return sql


def connected(telemetry: CapturedTelemetry, connection: sqlite3.Connection) -> Any:
    observe_short_queries()
    return SQLite3Instrumentor.instrument_connection(connection, tracer_provider=telemetry.tracer_provider)


def test_what_a_connection_executes_is_a_span() -> None:
    with capture() as telemetry:
        connection = connected(telemetry, sqlite3.connect(":memory:"))
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        cursor = connection.execute("SELECT x FROM t WHERE x > ?", (1,))
        assert isinstance(cursor, sqlite3.Cursor)
        assert cursor.fetchall() == [(2,)]
        connection.close()
    assert [span.name.split()[0] for span in telemetry.spans] == ["CREATE", "INSERT", "SELECT"]


def test_its_errors_and_misuse_are_sqlites_own() -> None:
    with capture() as telemetry:
        connection = connected(telemetry, sqlite3.connect(":memory:"))
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("SELECT nothing")
        with pytest.raises(TypeError):
            connection.execute()
        connection.close()


def test_a_connection_with_an_execute_of_its_own_keeps_it() -> None:
    with capture() as telemetry:
        connection = connected(telemetry, sqlite3.connect(":memory:", factory=Own))
        assert connection.execute("mine") == "mine"
        connection.close()
    assert telemetry.spans == []
