"""A store in a database: SQLite for one machine, PostgreSQL for several. SQLAlchemy is loaded at the first use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from opentelemetry import context as otel_context

from ...errors import EnvironmentError as MissingEnvironmentError
from ...errors import InvalidConfigError
from ...signals.private import without_instrumentation
from .errors import StateStoreError
from .storage import StateTransaction

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

T = TypeVar("T")
Synchronous = Literal["FULL", "NORMAL"]
URL_VARIABLE: Final = "TRAX_STATE_URL"
_DRIVERS: Final = {
    "sqlite": "sqlite", "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg",
}  # fmt: skip
_SQLITE_URI: Final = frozenset({"uri", "mode", "cache", "immutable", "vfs", "psow", "nolock"})
_ATTEMPTS: Final = 2


def default_url() -> str:
    """`TRAX_STATE_URL`, else a SQLite file in the user's state folder."""
    chosen = os.environ.get(URL_VARIABLE)
    if chosen:
        return chosen
    folder = os.path.expanduser(os.environ.get("XDG_STATE_HOME") or "~/.local/state")  # noqa: PTH111  (imports no pathlib)
    return f"sqlite:///{folder}/trax-otel/state.db"


class SQLStorage:
    """A store at `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`; None: see `default_url`.

    `synchronous` is SQLite's: FULL (each commit survives a power cut) or NORMAL (it survives the process and its SIGKILL,
    and may be rolled back by a power cut; the file stays sound either way). `busy_timeout` is how long a writer waits for
    another, in seconds. Leases go by the machine's clock, which is one for all its processes.

    PostgreSQL's leases go by the server's clock, its durability is the server's `synchronous_commit`, and `pool_size`
    bounds the connections.

    Raises:
        InvalidConfigError: the URL is none, or of another database.
        EnvironmentError: SQLAlchemy or the driver is missing (`pip install 'trax-otel[state]'`).
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        synchronous: Synchronous = "FULL",
        busy_timeout: float = 10.0,
        pool_size: int = 4,
    ) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise InvalidConfigError(f"synchronous={synchronous!r}: allowed are FULL and NORMAL")
        if pool_size < 1:
            raise InvalidConfigError(f"pool_size={pool_size!r}: allowed are numbers from 1 on")
        self._url = parsed(default_url() if url is None else url)
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._pool_size = pool_size
        self._engine: sa.Engine | None = None
        self._file_id: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SQLStorage({self.address!r})"

    @property
    def address(self) -> str:
        """The URL with its password hidden."""
        return self._url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for PostgreSQL."""
        from pathlib import Path

        return Path(self._url.database or "") if self._url.get_backend_name() == "sqlite" else None

    @property
    def workers(self) -> int:
        return 1 if self._url.get_backend_name() == "sqlite" else self._pool_size

    def transact(self, work: Callable[[StateTransaction], T], *, write: bool = True) -> T:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        token = otel_context.attach(without_instrumentation())  # of the database: this is our own bookkeeping
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return self._transact(work, write)
                except DBAPIError as error:
                    if not error.connection_invalidated or attempt == _ATTEMPTS:
                        raise  # else the server was restarted: the pool's other connections are thrown away too
            raise AssertionError
        except (SQLAlchemyError, OSError) as error:
            raise StateStoreError(self._described(error), original_error=error, retryable=True) from error
        finally:
            otel_context.detach(token)

    def _transact(self, work: Callable[[StateTransaction], T], write: bool) -> T:
        from .statements import Transaction

        engine = self._engine or self._open()
        if self._file_id is not None and self._file_id != _file_id(self._url.database):
            self.close()  # what is open is a file that nobody will find again
            raise FileNotFoundError("the file was deleted or replaced while it was in use")
        with engine.connect() as connection:
            if not write:
                connection.execution_options(trax_reads=True)
            with connection.begin():
                return work(Transaction(connection))

    def _open(self) -> sa.Engine:
        from .engines import open_engine

        with self._lock:
            if self._engine is None:
                self._engine = open_engine(self._url, self._synchronous, self._busy_timeout, self._pool_size)
                self._file_id = None if self.file is None else _file_id(self._url.database)
            return self._engine

    def _described(self, error: Exception) -> str:
        reason: Any = getattr(error, "orig", None) or error
        line = (str(reason).strip() or type(reason).__name__).splitlines()[0]
        password = self._url.password
        if password:
            line = line.replace(str(password), "***")
        return f"{self.address}: {line}"

    def close(self) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def forget(self) -> None:
        self._lock = threading.Lock()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose(close=False)


def _file_id(path: str | None) -> tuple[int, int] | None:
    """What tells a file from another that has its name later; None where there is none."""
    try:
        found = os.stat(path or "")  # noqa: PTH116  (imports no pathlib)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def parsed(url: str) -> sa.URL:
    """The URL with its driver chosen. What cannot be understood is not repeated: it may hold a password."""
    try:
        import sqlalchemy as sa
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        raise MissingEnvironmentError(
            "SQLStorage needs SQLAlchemy 2: pip install 'trax-otel[state]' (MemoryStorage needs nothing)"
        ) from error
    try:
        found = sa.make_url(url)
    except (ArgumentError, ValueError):
        found = None
    driver = None if found is None else _DRIVERS.get(found.drivername)
    if found is None or driver is None:
        raise InvalidConfigError(
            f"the state's URL {'cannot be understood' if found is None else 'is of ' + found.drivername}: "
            "allowed are sqlite:///FILE and postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from None
    if driver == "sqlite" and (_SQLITE_URI & found.query.keys() or (found.database or "").startswith("file:")):
        raise InvalidConfigError(
            "the state's URL is one of SQLite's own URIs (file:, uri=, mode= and the like): sqlite:///FILE is needed"
        )
    return found.set(drivername=driver)
