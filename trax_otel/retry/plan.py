"""A policy's failure path as a generator: it yields effects and is sent their outcomes.

Written once, it serves sync and async callers alike (`drivers`), and a test can script it without a clock or a loop.
Retry, fallbacks and recovery are such plans; they nest by `yield from`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any


class _Record:
    """Plain slots: compiling dataclasses would be a good part of what importing this room costs."""

    __slots__: tuple[str, ...] = ()

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


class Call(_Record):
    """Call `function`; where what it returns is awaitable, an async driver awaits it. `timeout` is in seconds and holds in
    async drivers only: nothing can interrupt a synchronous function."""

    __slots__ = ("function", "timeout")

    def __init__(self, function: Callable[[], Any | Awaitable[Any]], timeout: float | None = None) -> None:
        self.function = function
        self.timeout = timeout


class Sleep(_Record):
    """Wait `seconds`, or until `stop` says so (polled) or the process is told to stop. The outcome's value is True where
    the whole time has passed."""

    __slots__ = ("seconds", "stop")

    def __init__(self, seconds: float, stop: Callable[[], bool] | None = None) -> None:
        self.seconds = seconds
        self.stop = stop


class Outcome(_Record):
    """What an effect came to: an error, or else a value."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error


Effect = Call | Sleep
Plan = Generator[Effect, Outcome, Outcome]
"""Yields effects, is sent outcomes, returns the outcome of the whole."""
