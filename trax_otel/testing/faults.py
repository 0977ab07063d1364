"""Callables and files that fail as told."""

from __future__ import annotations

import errno
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import clock


@dataclass(frozen=True)
class Call:
    """What a scripted callable was called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Delayed:
    """An outcome that comes after `seconds` of the clock in force: a fake clock makes it come at once."""

    seconds: float
    outcome: Any


class Scripted:
    """A callable that plays outcomes in order and remembers its calls; the last outcome repeats.

    An exception (instance or class) is raised, a function is called with the call's arguments, `Delayed` waits first,
    anything else is returned. With `asynchronous`, each call gives a coroutine.
    """

    def __init__(self, outcomes: Sequence[Any], *, asynchronous: bool = False) -> None:
        if not outcomes:
            raise ValueError("at least one outcome is needed")
        self.calls: list[Call] = []
        self._outcomes = tuple(outcomes)
        self._asynchronous = asynchronous
        self.__name__ = self.__qualname__ = "scripted"
        if asynchronous:
            _mark_as_coroutine_function(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        outcome = self._outcomes[min(len(self.calls), len(self._outcomes) - 1)]
        self.calls.append(Call(args, kwargs))
        return self._play_async(outcome, args, kwargs) if self._asynchronous else self._play(outcome, args, kwargs)

    def _play(self, outcome: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(outcome, Delayed):
            clock.current().sleep(outcome.seconds)
            return self._play(outcome.outcome, args, kwargs)
        return _result(outcome, args, kwargs)

    async def _play_async(self, outcome: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(outcome, Delayed):
            await clock.current().sleep_async(outcome.seconds)
            return await self._play_async(outcome.outcome, args, kwargs)
        result = _result(outcome, args, kwargs)
        return await result if inspect.isawaitable(result) else result


def scripted(*outcomes: Any, asynchronous: bool = False) -> Scripted:
    """A callable with these outcomes: `scripted(ConnectionError("refused"), Delayed(3.0, "late"), "ok")`."""
    return Scripted(outcomes, asynchronous=asynchronous)


def failing(times: int, error: BaseException | type[BaseException], *, then: Any = None) -> Scripted:
    """A callable that raises `error` `times` times and is `then` afterwards: a function to call or a value to return.

    Where `then` is a coroutine function, so is the result.
    """
    return Scripted([error] * times + [then], asynchronous=inspect.iscoroutinefunction(then))


def _result(outcome: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(outcome, BaseException) or (isinstance(outcome, type) and issubclass(outcome, BaseException)):
        raise outcome
    return outcome(*args, **kwargs) if callable(outcome) else outcome


def _mark_as_coroutine_function(function: Any) -> None:
    """Let `inspect` and `asyncio` take an object with an async `__call__` for a coroutine function."""
    mark: Callable[[Any], Any] | None = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:  # Python 3.12
        mark(function)
    import asyncio

    function._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)  # what Python before 3.12 looks at


class FaultySink:
    """A text file whose first `fails` writes raise `error` (default: disk full); later ones are kept in `text`."""

    def __init__(self, fails: int = 1, error: OSError | None = None) -> None:
        self.text = ""
        self.attempts = 0
        self.fails = fails
        self.error = OSError(errno.ENOSPC, "No space left on device") if error is None else error

    def write(self, text: str) -> int:
        """Keep the text, or fail."""
        self.attempts += 1
        if self.attempts <= self.fails:
            raise self.error
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    @property
    def lines(self) -> list[str]:
        """The lines that were kept."""
        return self.text.splitlines()
