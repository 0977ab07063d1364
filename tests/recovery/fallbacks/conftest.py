"""What fallbacks are run with in both worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trax_otel.recovery import FallbackManager, FallbackStrategy, fallback_context
from trax_otel.testing import Scripted


class Caller:
    """Runs a strategy, a manager or a block in one of the two worlds."""

    def __init__(self, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    def scripted(self, *outcomes: Any, name: str = "scripted") -> Any:
        """A function of this world that plays the outcomes; `calls` has what it was called with."""
        script = Scripted(outcomes, asynchronous=self.asynchronous)

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await script(*args, **kwargs)

        made: Any = coroutine if self.asynchronous else script
        made.__name__ = made.__qualname__ = name
        made.calls = script.calls
        return made

    async def execute(self, strategy: FallbackStrategy, *args: Any, **kwargs: Any) -> Any:
        if self.asynchronous:
            return await strategy.execute(*args, **kwargs)
        return strategy.execute_sync(*args, **kwargs)

    async def run(self, manager: FallbackManager, function: Callable[..., Any], *args: Any) -> Any:
        if self.asynchronous:
            return await manager.execute_with_fallbacks(function, *args)
        return manager.execute_with_fallbacks_sync(function, *args)

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs) if self.asynchronous else function(*args, **kwargs)

    async def inside(self, manager: FallbackManager, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function inside a block of the manager."""
        if self.asynchronous:
            async with fallback_context(manager):
                return await function(*args)
        with fallback_context(manager):
            return function(*args)


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param == "async")
