"""Blocks written once for `with` and `async with`; a database; health checks that are stopped."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from trax_otel.recovery import HealthCheckRecovery
from trax_otel.testing import FakeClock, fake_clock


class Blocks:
    """One way to write a block for both worlds."""

    def __init__(self, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    @asynccontextmanager
    async def enter(self, block: Any) -> AsyncIterator[Any]:
        if self.asynchronous:
            async with block as entered:
                yield entered
        else:
            with block as entered:
                yield entered

    async def call(self, target: Any, method: str, *args: Any) -> Any:
        """`target.method(…)`, or its asynchronous twin."""
        if self.asynchronous:
            return await getattr(target, f"{method}_async")(*args)
        return getattr(target, method)(*args)

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not self.asynchronous:
            return function

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        coroutine.__qualname__ = function.__qualname__
        return coroutine


@pytest.fixture(params=["sync", "async"])
def blocks(request: pytest.FixtureRequest) -> Blocks:
    return Blocks(request.param == "async")


class Database:
    """A SQLite database with one table, through SQLAlchemy, by sessions or connections of one world."""

    def __init__(self, asynchronous: bool, kind: str, path: Path) -> None:
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
        from sqlalchemy.orm import Session

        self.engine: Any
        if asynchronous:
            self.engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=sa.NullPool)
        else:
            self.engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
        # SQLAlchemy's recipe: left to itself, SQLite's driver begins no transaction before a savepoint.
        target = self.engine.sync_engine if asynchronous else self.engine
        sa.event.listen(target, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        sa.event.listen(target, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        self._open = {
            "session": lambda: (AsyncSession if asynchronous else Session)(self.engine),
            "connection": lambda: self.engine.connect(),
        }[kind]
        self._plain = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
        self.table = sa.Table("t", sa.MetaData(), sa.Column("x", sa.Integer, unique=True))
        self.table.metadata.create_all(self._plain)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Any]:
        resource = self._open()
        if hasattr(resource, "__aenter__"):
            async with resource as entered:
                yield entered
        else:
            with resource as entered:
                yield entered

    async def insert(self, resource: Any, value: int) -> None:
        result = resource.execute(self.table.insert().values(x=value))
        if inspect.isawaitable(result):
            await result

    def rows(self) -> list[int]:
        """What is committed."""
        with self._plain.connect() as connection:
            return sorted(row.x for row in connection.execute(self.table.select()))


@pytest.fixture(params=["session", "connection"])
def database(request: pytest.FixtureRequest, blocks: Blocks, tmp_path: Path) -> Database:
    return Database(blocks.asynchronous, request.param, tmp_path / "data.db")


# --- Health checks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def still() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


@pytest.fixture
def made() -> Iterator[Callable[..., HealthCheckRecovery]]:
    """Makes health checks that are stopped and forgotten at the end of the test."""
    all_made: list[HealthCheckRecovery] = []
    removers = []

    class Made(HealthCheckRecovery):
        def add_check(self, *args, **options):
            removers.append(super().add_check(*args, **options))
            return removers[-1]

    def make(*args, **options):
        all_made.append(Made(*args, **options))
        return all_made[-1]

    yield make
    for one in all_made:
        one.stop()
    for remove in removers:
        remove()
