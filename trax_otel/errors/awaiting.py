"""What has to be awaited, where a plain value was expected.

A plain function may hand back a coroutine, a Task or a Future: a lambda, or a decorator around a coroutine function. What it
comes to is known only when it has been awaited, so whoever watches a call has to watch that too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_TYPES: Final = 1_000
SETTLED: Final[set[type]] = {type(None), bool, int, float, str, bytes, list, tuple, dict, set}
"""Types whose objects are the value itself: whoever calls often looks here before asking `has_to_be_awaited`."""


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives a coroutine: partials and objects with an async `__call__` too."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def has_to_be_awaited(value: Any) -> bool:
    """Whether it is an awaitable. Its own attributes are not asked, for they may raise."""
    kind = type(value)
    if kind in SETTLED:
        return False
    if hasattr(kind, "__await__"):
        return True
    if len(SETTLED) < MAX_TYPES:
        SETTLED.add(kind)
    return False


def is_future(value: Any) -> bool:
    """Whether it is a Task or Future of asyncio: it runs by itself, and whoever holds it may cancel it."""
    return hasattr(type(value), "_asyncio_future_blocking")  # what `asyncio.isfuture` looks at


def refuse_awaitable(function: Any, value: T) -> T:
    """The value itself; raises NotAwaitedError where it would have to be awaited and nobody here can."""
    if type(value) in SETTLED or not has_to_be_awaited(value):
        return value
    raise not_awaited(function, value)


class NotAwaitedError(TypeError):
    """A function that is only called handed back something that has to be awaited: a mistake in the code, which no
    repetition and no fallback mends."""


NotAwaitedError.__module__ = __package__ or ""


def not_awaited(function: Any, value: Any) -> NotAwaitedError:
    """The error for that; the coroutine is closed, for else it would warn."""
    if inspect.iscoroutine(value):
        value.close()
    while hasattr(function, "func"):  # a partial
        function = function.func
    name = getattr(function, "__qualname__", repr(function))
    return NotAwaitedError(f"{name} returned {type(value).__name__}, which has to be awaited: use the async form")


def error_of(future: Any) -> BaseException | None:
    """What a Task or Future that is done came to, without counting as somebody who looked at it: else asyncio would not
    tell of an error that nobody awaits."""
    import asyncio

    if future.cancelled():
        return asyncio.CancelledError()
    error: BaseException | None = future._exception
    return error


def is_more_than_awaitable(value: Any) -> bool:
    """Whether it is more than an awaitable: `async with` works on it too, and no coroutine could stand in for it."""
    return hasattr(type(value), "__aenter__")


def watched(value: Any, watching: Callable[[Any], Coroutine[Any, Any, T]]) -> Any:
    """What a plain function handed back, with `watching` around its awaiting: a coroutine, or a Task where it was a Task or
    Future (so that it can be cancelled, and runs though nobody awaits it).

    Raises:
        NotAwaitedError: it is more than an awaitable.
    """
    if is_future(value):
        return value.get_loop().create_task(watching(value))
    if is_more_than_awaitable(value):
        raise NotAwaitedError(
            f"{type(value).__name__} is awaitable and a context manager: wrap a coroutine function that uses it instead"
        )
    return watching(value)


def watched_from_aside(
    value: Any, ended: Callable[[BaseException | None], object], watching: Callable[[Any], Any]
) -> Any:
    """What a plain function handed back, for whoever only looks on: a Task or Future stays itself and `ended` is told how
    it ended, around another awaitable comes `watching`. What is more than that passes, and has ended."""
    if is_future(value):
        value.add_done_callback(lambda future: ended(error_of(future)))
        return value
    if is_more_than_awaitable(value):
        ended(None)
        return value
    return watching(value)
