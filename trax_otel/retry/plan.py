"""A policy's failure path as a generator: it yields effects and is sent their outcomes.

Written once, it serves sync and async callers alike (`drivers`), and a test can script it without a clock or a loop.
Retry, fallbacks and recovery are such plans; they nest by `yield from`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Call:
    """Call `function`; where what it returns is awaitable, an async driver awaits it. `timeout` is in seconds and holds in
    async drivers only: nothing can interrupt a synchronous function."""

    function: Callable[[], Any | Awaitable[Any]]
    timeout: float | None = None


@dataclass(slots=True)
class Sleep:
    """Wait `seconds`, or until `stop` says so (polled) or the process is told to stop. The outcome's value is True where
    the whole time has passed."""

    seconds: float
    stop: Callable[[], bool] | None = None


@dataclass(slots=True)
class Outcome:
    """What an effect came to: an error, or else a value."""

    value: Any = None
    error: BaseException | None = None


Effect = Call | Sleep
Plan = Generator[Effect, Outcome, Outcome]
"""Yields effects, is sent outcomes, returns the outcome of the whole."""
