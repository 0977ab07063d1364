"""The SQLite file: where it lies, what it holds, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from .. import semconv

DATABASE_VARIABLE: Final = "TRAX_LOCAL_DB"
SCHEMA_VERSION: Final = 7
TABLES: Final = ("resource", "span", "trace", "log", "series", "point", "counter", "arrival")
BUSY_MILLISECONDS: Final = 5_000
"""How long a connection waits for another process's lock; an OTLP sender gives up after 10 s."""
TELLING_EVENTS: Final = (semconv.BREAKER_STATE_CHANGED_EVENT, semconv.FEATURE_CHANGED_EVENT)
"""Events that views look for in all that is stored."""
TELLING_SPANS: Final = " OR ".join(f"instr(events, '\"{name}\"') > 0" for name in TELLING_EVENTS).join("()")
"""Spans with one of these events: as the partial index says it, else it is not used."""
TELLING_LOGS: Final = "event_name IN ({})".format(", ".join(f"'{name}'" for name in TELLING_EVENTS))
RESUMED_SPANS: Final = f"instr(attributes, '\"{semconv.STATE_RECOVERIES}\"') > 0"
"""Operations that were taken over from a run that was interrupted."""
LINKED_SPANS: Final = "links <> '[]'"
"""Spans with links, to find those that lead to a given trace."""

_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS resource (
  id INTEGER PRIMARY KEY AUTOINCREMENT, attributes TEXT NOT NULL UNIQUE, service TEXT NOT NULL, instance TEXT NOT NULL,
  version TEXT NOT NULL);

-- A span that is sent twice is kept once; another one that bears the same id by mistake is kept beside it.
CREATE TABLE IF NOT EXISTS span (
  id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, name TEXT NOT NULL,
  kind INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL,
  status INTEGER NOT NULL, status_message TEXT NOT NULL, error_type TEXT, error_code TEXT, recorded INTEGER NOT NULL,
  scope TEXT NOT NULL, resource_id INTEGER NOT NULL, attributes TEXT NOT NULL, events TEXT NOT NULL, links TEXT NOT NULL,
  more TEXT NOT NULL, UNIQUE (trace_id, start_ns, span_id, resource_id));
-- All that the figures of operations and services need, so that they do not read the wide rows.
CREATE INDEX IF NOT EXISTS span_operation ON span (name, resource_id, kind, duration_ns, status, start_ns);
CREATE INDEX IF NOT EXISTS span_root ON span (trace_id, start_ns) WHERE parent_id IS NULL;
CREATE INDEX IF NOT EXISTS span_code ON span (trace_id, error_code) WHERE error_code IS NOT NULL;
CREATE INDEX IF NOT EXISTS span_failed ON span (id) WHERE error_type IS NOT NULL OR status = 2;
CREATE INDEX IF NOT EXISTS span_failed_child ON span (trace_id, parent_id) WHERE recorded = 1 OR status = 2;
CREATE INDEX IF NOT EXISTS span_recorded ON span (trace_id, error_type) WHERE recorded = 1;
CREATE INDEX IF NOT EXISTS span_telling ON span (id) WHERE {TELLING_SPANS};
CREATE INDEX IF NOT EXISTS span_resumed ON span (id) WHERE {RESUMED_SPANS};
CREATE INDEX IF NOT EXISTS span_linked ON span (id) WHERE {LINKED_SPANS};

CREATE TABLE IF NOT EXISTS trace (
  id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id TEXT NOT NULL UNIQUE, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
  spans INTEGER NOT NULL, errors INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS trace_start ON trace (start_ns);

CREATE TABLE IF NOT EXISTS log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, severity TEXT NOT NULL, severity_number INTEGER NOT NULL,
  body TEXT NOT NULL, logger TEXT NOT NULL, event_name TEXT NOT NULL, trace_id TEXT, span_id TEXT, error_code TEXT,
  error_type TEXT, resource_id INTEGER NOT NULL, attributes TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS log_time ON log (time_ns);
CREATE INDEX IF NOT EXISTS log_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_error ON log (trace_id, span_id) WHERE error_type IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_failed ON log (id) WHERE error_type IS NOT NULL OR error_code IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_telling ON log (id) WHERE {TELLING_LOGS};

CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL,
  description TEXT NOT NULL, temporality TEXT NOT NULL, monotonic INTEGER NOT NULL, resource_id INTEGER NOT NULL,
  scope TEXT NOT NULL, attributes TEXT NOT NULL,
  UNIQUE (name, resource_id, attributes, scope, kind, unit, temporality, monotonic));

CREATE TABLE IF NOT EXISTS point (
  id INTEGER PRIMARY KEY AUTOINCREMENT, series_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, value REAL, count INTEGER,
  sum REAL, bounds TEXT NOT NULL, buckets TEXT NOT NULL, exemplars TEXT NOT NULL, start_ns INTEGER NOT NULL, minimum REAL,
  maximum REAL);
CREATE INDEX IF NOT EXISTS point_series ON point (series_id, time_ns);

-- How far the ids had come at a time: age goes by arrival, whatever the clocks of the senders say.
CREATE TABLE IF NOT EXISTS arrival (
  time_ns INTEGER NOT NULL, span INTEGER NOT NULL, log INTEGER NOT NULL, point INTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES ('evicted', 0), ('rejected', 0), ('epoch', 0);

PRAGMA user_version = {SCHEMA_VERSION};
"""


def default_path() -> Path:
    """Where the data lives unless told otherwise: `TRAX_LOCAL_DB`, else the user's state folder."""
    chosen = os.environ.get(DATABASE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "trax-otel" / "local.db"


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that waits for others instead of failing at once."""
    if read_only:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    else:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.create_function("fold", 1, _fold, deterministic=True)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    return connection


def _fold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def private_file(path: Path) -> BinaryIO:
    """A new or emptied file that its owner alone can read, open for writing. Raises OSError where that cannot be."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "wb")


def open_for_writing(path: Path, *, fresh: bool) -> sqlite3.Connection:
    """Make or open the file, readable by its owner alone.

    Raises OSError or sqlite3.Error where that cannot be, or where the file is a database of something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    connection = connect(path)
    try:
        _set_up(connection, fresh)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, fresh: bool) -> None:
    run = connection.execute
    for pragma in (
        "auto_vacuum = INCREMENTAL",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "temp_store = MEMORY",
        "cache_size = -65536",
        "wal_autocheckpoint = 4000",  # pages: a page that is written again soon is copied once
        f"journal_size_limit = {64 * 1024 * 1024}",
    ):
        run(f"PRAGMA {pragma}").fetchall()
    run("BEGIN IMMEDIATE")
    try:
        found = {name for (name,) in run("SELECT name FROM sqlite_master WHERE type = 'table'")} - {"sqlite_sequence"}
        if not found <= set(TABLES):
            raise sqlite3.DatabaseError("it is a database of something else")
        if found and run("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            _run_each(connection, (f"DROP TABLE IF EXISTS {name}" for name in TABLES))
        _run_each(connection, _SCHEMA.split(";\n"))  # `executescript` would commit in between
        if fresh:
            _run_each(connection, (f"DELETE FROM {name}" for name in TABLES if name != "counter"))
            run("UPDATE counter SET value = CASE name WHEN 'epoch' THEN value + 1 ELSE 0 END")
        run("COMMIT")
    except BaseException:
        if connection.in_transaction:
            run("ROLLBACK")
        raise
    if fresh:
        run("PRAGMA incremental_vacuum").fetchall()


def _run_each(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement)
