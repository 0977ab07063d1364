"""Engines for the two databases. Imports SQLAlchemy: load it only where a database is used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from ...errors import EnvironmentError as MissingEnvironmentError
from ...errors import InvalidConfigError
from .schema import prepare

CONNECT_SECONDS: Final = 5
"""How long a connection to PostgreSQL may take, unless the URL says otherwise (`?connect_timeout=`)."""
_SILENT_MILLISECONDS: Final = 10_000
"""How long PostgreSQL's host may leave what was sent unacknowledged."""
_IDLE_MILLISECONDS: Final = 5_000
"""How long a transaction may lie idle: ours never do, unless their process was stopped in the middle, and then nobody else
could take over what it has locked."""


def open_engine(url: sa.URL, synchronous: str, busy_timeout: float, pool_size: int) -> sa.Engine:
    """The engine, its tables made or brought up to date.

    Raises OSError or SQLAlchemyError where the database does not answer, StateSchemaError where it is newer.
    """
    sqlite = url.get_backend_name() == "sqlite"
    engine = _sqlite(url, synchronous, busy_timeout) if sqlite else _postgresql(url, pool_size)
    try:
        with engine.begin() as connection:
            prepare(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _sqlite(url: sa.URL, synchronous: str, busy_timeout: float) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise InvalidConfigError("the state's URL names no file: sqlite:///FILE is needed, or MemoryStorage()")
    _make_private(Path(url.database))
    engine = sa.create_engine(
        url, hide_parameters=True, pool_size=1, max_overflow=8, connect_args={"timeout": busy_timeout}
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that begins by reading and then writes fails at once where another writes: no waiting helps it.
        reads = connection.get_execution_options().get("trax_reads")
        statement = "BEGIN" if reads else "BEGIN IMMEDIATE"
        driver: Any = connection.connection.dbapi_connection  # directly: it is a tenth of a step's cost
        try:
            driver.execute(statement)
        except driver.Error as error:
            raise OperationalError(statement, None, error) from error

    return engine


def _make_private(path: Path) -> None:
    """The file with mode 0600 in a folder with 0700; a folder that was there keeps its mode, it may be shared."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _postgresql(url: sa.URL, pool_size: int) -> sa.Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "trax-otel state",
        "options": f"-c idle_in_transaction_session_timeout={_IDLE_MILLISECONDS}",
        "tcp_user_timeout": _SILENT_MILLISECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    try:
        return sa.create_engine(
            url,
            hide_parameters=True,
            pool_size=pool_size,
            max_overflow=pool_size,
            isolation_level="READ COMMITTED",
            connect_args=arguments,
        )
    except ImportError as error:
        raise MissingEnvironmentError("PostgreSQL needs psycopg 3: pip install 'trax-otel[state]'") from error
