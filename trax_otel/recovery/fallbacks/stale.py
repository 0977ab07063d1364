"""`stale_while_error`: a cache in front of a function, whose old answers stand in when it fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ... import semconv
from ...errors import InvalidConfigError
from ...signals import observed
from .. import driving
from .alternatives import condition, short_name
from .cache import DEFAULT_ENTRIES, DEFAULT_STALE_FOR, KeyFunction, ResponseCache, key_of

if TYPE_CHECKING:
    from ...metrics.operation import Operation
    from ...retry.conditions import Condition, Test
    from ...retry.plan import Plan
    from .cache import CachedAnswer

F = TypeVar("F", bound=Callable[..., Any])
CACHE: Final = "cache"
"""The name of a kept answer in telemetry."""


def stale_while_error(
    *,
    fresh_for: float = 0.0,
    stale_for: float = DEFAULT_STALE_FOR,
    max_entries: int = DEFAULT_ENTRIES,
    key: KeyFunction | None = None,
    on: Condition | None = None,
    name: str | None = None,
    cache: ResponseCache | None = None,
) -> Callable[[F], F]:
    """Decorate a function or coroutine function: an answer younger than `fresh_for` seconds is given without a call (0: it is
    always called); when the call fails, an answer up to `stale_for` seconds older than that is given instead of the error.

    An error for which nothing is kept goes on as it is. `on` says which errors count (None: any `Exception`, but
    MemoryError, RecursionError and cancellation never). `key` makes the key of the arguments (None: all of them; those of
    a method include `self`). `cache` is one that several functions share, which then have the same answers by the same
    keys; its own times and size hold. `name` is the
    operation's in telemetry. The decorated function has the cache as its attribute `cache`.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
        TypeError: what is decorated is a class or a generator function; at a call, the key cannot be hashed.
    """
    if cache is None:
        cache = ResponseCache(fresh_for=fresh_for, stale_for=stale_for, max_entries=max_entries)
    elif not isinstance(cache, ResponseCache):
        raise InvalidConfigError(f"cache={cache!r}: a ResponseCache is needed")
    test, kept = condition("on", on), cache

    def decorate(function: Any) -> Any:
        from ...errors.awaiting import is_coroutine_function
        from ...retry.functions import refuse_what_cannot_be_retried

        refuse_what_cannot_be_retried(function)
        stale = _Stale(function, name or short_name(function), kept, key, test)
        wrapper = stale.asynchronous() if is_coroutine_function(function) else stale.synchronous()
        wrapper.cache = kept
        return wrapper

    return decorate


class _Stale:
    """One decorated function."""

    def __init__(
        self, function: Callable[..., Any], name: str, cache: ResponseCache, key: KeyFunction | None, test: Test | None
    ) -> None:
        from .telemetry import declare_fallbacks

        self._function = function
        self._name = name
        self._cache = cache
        self._key = key
        self._test = test
        declare_fallbacks(name, None, [CACHE])

    def synchronous(self) -> Any:
        """The function behind its cache."""

        @functools.wraps(self._function)
        def cached(*args: Any, **kwargs: Any) -> Any:
            key = key_of(self._name, self._key, args, kwargs)
            kept = self._cache.get(key)
            if kept is not None and not kept.stale:
                return self._fresh(kept)
            return driving.run(self._plan(key, functools.partial(self._function, *args, **kwargs)))

        return cached

    def asynchronous(self) -> Any:
        """The same for a coroutine function."""

        @functools.wraps(self._function)
        async def cached(*args: Any, **kwargs: Any) -> Any:
            key = key_of(self._name, self._key, args, kwargs)
            kept = self._cache.get(key)
            if kept is not None and not kept.stale:
                return self._fresh(kept)
            return await driving.run_async(self._plan(key, functools.partial(self._function, *args, **kwargs)))

        return cached

    def _fresh(self, kept: CachedAnswer) -> Any:
        """An answer that needs no call; it is an operation too."""
        if observed():
            from ...metrics.operation import Operation

            with Operation(self._name) as operation:
                _tell(operation, kept)
        return kept.value

    def _plan(self, key: Hashable, call: Callable[[], Any]) -> Plan:
        from ...metrics.operation import Operation
        from ...retry.plan import Call, Outcome

        operation = Operation(self._name).begin() if observed() else None
        ended = Outcome(None, GeneratorExit())
        try:
            ended = yield Call(call)
            if ended.error is None:
                self._cache.put(key, ended.value)
                return ended
            kept = self._cache.get(key) if self._falls_back(ended.error) else None
            if kept is not None:
                self._stand_in(kept, ended.error, operation)
                ended = Outcome(kept.value)
            return ended
        finally:
            if operation is not None:
                operation.end(ended.error)
            del ended

    def _falls_back(self, error: BaseException) -> bool:
        from .chain import falls_back

        return falls_back(error, self._test, self._name)

    def _stand_in(self, kept: CachedAnswer, error: BaseException, operation: Operation | None) -> None:
        from .telemetry import FallbackTrace

        trace = FallbackTrace(self._name, error, CACHE)
        trace.begins(CACHE)
        trace.cached(kept)
        trace.ends("recovered")
        trace.finished("recovered")
        if operation is not None:
            operation.set(semconv.RECOVERY_FALLBACK, CACHE)
            _tell(operation, kept)


def _tell(operation: Operation, kept: CachedAnswer) -> None:
    operation.set(semconv.RECOVERY_CACHE_AGE, kept.age)
    operation.set(semconv.RECOVERY_CACHE_STALE, kept.stale)
