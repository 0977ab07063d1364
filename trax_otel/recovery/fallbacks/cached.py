"""Cached answers as an alternative: what the operation gave before stands in for what it cannot give now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import InvalidConfigError
from .alternatives import NO_ANSWER, Alternative
from .cache import KeyFunction, ResponseCache, key_of

if TYPE_CHECKING:
    from ...retry.conditions import Condition


class CachedFallback(Alternative):
    """Keeps the operation's good answers by its arguments, and gives the one it has when the operation fails.

    Answers are kept in `cache` (None: one of its own, see `ResponseCache` for ages and size), or by `cache_store(key, value)`
    and `cache_retrieve(key)`, plain or coroutine functions: how long an answer stays there is their business, and None
    or a KeyError says that there is none. One that raises changes nothing for the caller, nor does one that is awaited and
    takes more than 2 seconds to keep an answer. `key` makes the key of the operation's arguments (None: a single argument
    itself, else all of them). Only the operation's own answers are kept, never those of other alternatives.

    Answers of different operations are kept apart in `cache`, under `(operation, key)`. A store of your own gets the key
    alone: in a manager that serves several operations, `points` says whose answers are in it. The object of a method is not
    among its arguments: where objects answer differently (by account, by server), each needs a manager of its own.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    remembers = True

    def __init__(
        self,
        cache: ResponseCache | None = None,
        *,
        cache_store: Callable[[Any, Any], Any] | None = None,
        cache_retrieve: Callable[[Any], Any] | None = None,
        key: KeyFunction | None = None,
        name: str = "cache",
        points: Iterable[str] | None = None,
        on: Condition | None = None,
    ) -> None:
        super().__init__(name, points, on)
        if (cache_store is None) != (cache_retrieve is None) or (cache is not None and cache_store is not None):
            raise InvalidConfigError(f"{name}: either a cache, or both cache_store and cache_retrieve")
        for argument, function in (("cache_store", cache_store), ("cache_retrieve", cache_retrieve), ("key", key)):
            if function is not None and not callable(function):
                raise InvalidConfigError(f"{argument}={function!r}: a function is needed")
        self.cache = ResponseCache() if cache is None and cache_store is None else cache
        self._store = cache_store
        self._retrieve = cache_retrieve
        self._key = key

    def remember(
        self, point: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], value: Any
    ) -> Any | Awaitable[Any]:
        key = key_of(self.name, self._key, args, kwargs)
        if self._store is not None:
            return self._store(key, value)
        if self.cache is not None:
            self.cache.put((point, key), value)
        return None

    def answer(self, point: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any | Awaitable[Any]:
        key = key_of(self.name, self._key, args, kwargs)
        if self._retrieve is None:
            kept = None if self.cache is None else self.cache.get((point, key))
            return NO_ANSWER if kept is None else kept
        try:
            found = self._retrieve(key)
        except KeyError:
            return NO_ANSWER
        if hasattr(found, "__await__"):
            return _awaited(found)
        return NO_ANSWER if found is None else found


async def _awaited(found: Awaitable[Any]) -> Any:
    try:
        value = await found
    except KeyError:
        return NO_ANSWER
    return NO_ANSWER if value is None else value
