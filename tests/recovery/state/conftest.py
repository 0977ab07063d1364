"""The stores that the tests run on. PostgreSQL is real: missing in CI it fails, elsewhere it skips."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.postgres import PostgresServer, Unavailable, postgres
from trax_otel.recovery.state import (
    MemoryStorage,
    SQLStorage,
    StateRecoveryManager,
    StateStorage,
    operation_state_context,
)

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    try:
        with postgres() as running:
            yield running
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL is needed in CI: {error}")
        pytest.skip(str(error))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'state.db'}"
    return request.getfixturevalue("server").database(f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
def database(url: str) -> Iterator[SQLStorage]:
    storage = SQLStorage(url)
    yield storage
    storage.close()


@pytest.fixture(params=["memory", *DATABASES])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStorage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'state' / 'state.db'}"
    else:
        address = request.getfixturevalue("server").database(f"t{uuid.uuid4().hex[:12]}")
    found = SQLStorage(address)
    yield found
    found.close()


@pytest.fixture
def make_manager() -> Iterator[Callable[..., StateRecoveryManager]]:
    managers: list[StateRecoveryManager] = []

    def make(storage: StateStorage, **options: object) -> StateRecoveryManager:
        managers.append(StateRecoveryManager(storage, **options))  # type: ignore[arg-type]
        return managers[-1]

    yield make
    for manager in managers:
        manager.sync.close()


@pytest.fixture
def manager(storage: StateStorage, make_manager: Callable[..., StateRecoveryManager]) -> StateRecoveryManager:
    return make_manager(storage)


class Both:
    """One way to write a test for both worlds: the blocking calls look like coroutines here."""

    def __init__(self, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    @asynccontextmanager
    async def operation(self, manager: StateRecoveryManager, *args: Any, **options: Any) -> AsyncIterator[Any]:
        context = operation_state_context(manager, *args, **options)
        if self.asynchronous:
            async with context as state:
                yield state
        else:
            with context as state:
                yield Awaited(state)

    def call(self, manager: StateRecoveryManager, method: str, *args: Any) -> Awaitable[Any]:
        """A method of the manager, awaitable in both worlds."""
        if self.asynchronous:
            return getattr(manager, method)(*args)
        return getattr(Awaited(manager.sync), method)(*args)

    def recovery(self, function: Callable[[Any], Coroutine[Any, Any, Any]]) -> Callable[[Any], Any]:
        """A recovery function of this world, written as a coroutine function."""
        return function if self.asynchronous else lambda state: finish(function(Awaited(state)))


class Awaited:
    """Something whose methods are to be awaited although they block."""

    def __init__(self, blocking: Any) -> None:
        self._blocking = blocking

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blocking, name)
        if not callable(found) or name == "set_result":
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return found(*args, **kwargs)

        return call


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param == "async")
