"""One way to write a test for synchronous and asynchronous callers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trax_otel.recovery import RecoveryContext, RecoveryManager


class World:
    """Strategies written as plain functions are coroutine functions in the asynchronous world."""

    def __init__(self, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    async def attempt(self, manager: RecoveryManager, context: RecoveryContext) -> Any:
        if self.asynchronous:
            return await manager.attempt_recovery(context)
        return manager.attempt_recovery_sync(context)

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not self.asynchronous:
            return function

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        coroutine.__name__, coroutine.__qualname__ = function.__name__, function.__qualname__
        return coroutine


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param == "async")


@pytest.fixture
def context() -> RecoveryContext:
    return RecoveryContext("transcribe", ConnectionError("no route"), (("a.wav",), {"language": "en"}))
