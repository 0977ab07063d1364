"""A function for each level of a feature."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import InvalidConfigError, ServiceUnavailableError
from ...errors.awaiting import SETTLED, has_to_be_awaited, watched_from_aside
from .alternatives import condition

if TYPE_CHECKING:
    from ...retry.conditions import Condition, Test
    from .levels import Feature

F = TypeVar("F", bound=Callable[..., Any])


def degradable(feature: Feature, *, on: Condition | None = None) -> Callable[[Callable[..., Any]], Degradable]:
    """Mark the full implementation of a feature; `.at(level)` adds lesser ones, and a call runs the one of the level:

        @degradable(search)
        async def find(text): ...

        @find.at("reduced")
        async def find_by_title(text): ...

    An implementation also serves the levels below it that have none, but not the last one: there, without one of its own,
    a call raises ServiceUnavailableError with `retry_after`. What an implementation raises counts as a failure of the
    feature and goes on; `on` says which errors count (None: any `Exception`).

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
        TypeError: what is decorated is a class or a generator function.
    """
    test = condition("on", on)

    def mark(function: Callable[..., Any]) -> Degradable:
        from ...errors.awaiting import is_coroutine_function
        from ...retry.functions import refuse_what_cannot_be_retried

        refuse_what_cannot_be_retried(function)
        return (AsyncDegradable if is_coroutine_function(function) else Degradable)(feature, function, test)

    return mark


class Degradable:
    """What `degradable` gives: called like the full implementation, also as a method."""

    def __init__(self, feature: Feature, function: Callable[..., Any], test: Test | None) -> None:
        functools.update_wrapper(self, function)
        self.feature = feature
        self._test = test
        self._by_level: dict[str, Callable[..., Any]] = {feature.levels[0]: function}

    def at(self, level: str) -> Callable[[F], F]:
        """A decorator: the implementation of this level, of the same kind (plain or coroutine function) as the full one.

        Raises:
            InvalidConfigError: there is no such level, it has an implementation already, or the kinds differ.
        """
        from ...errors.awaiting import is_coroutine_function

        self.feature.at_least(level)

        def add(function: F) -> F:
            if level in self._by_level:
                raise InvalidConfigError(f"{self.feature.name}: level={level!r} has an implementation already")
            asynchronous = isinstance(self, AsyncDegradable)
            if is_coroutine_function(function) is not asynchronous:
                kind = "a coroutine function" if asynchronous else "a plain function"
                raise InvalidConfigError(
                    f"{self.feature.name}: the implementation of {level!r} must be {kind} as the full one"
                )
            self._by_level[level] = function
            return function

        return add

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self._chosen()
        try:
            value = function(*args, **kwargs)
        except Exception as error:
            self._count(error)
            raise
        if type(value) in SETTLED or not has_to_be_awaited(value):
            return value
        return watched_from_aside(value, self._ended, self._awaited)

    def _ended(self, error: BaseException | None) -> None:
        """What a Task or Future came to that a plain function handed back."""
        if isinstance(error, Exception):
            self._count(error)

    async def _awaited(self, value: Any) -> Any:
        try:
            return await value
        except Exception as error:
            self._count(error)
            raise

    def __reduce__(self) -> str:  # by its name, as functions are: other processes may be sent one
        return str(getattr(self, "__qualname__", ""))

    def _chosen(self) -> Callable[..., Any]:
        feature = self.feature
        index = feature.degradation
        last = len(feature.levels) - 1
        candidates = [last] if index == last else range(index, -1, -1)
        for position in candidates:
            function = self._by_level.get(feature.levels[position])
            if function is not None:
                return function
        raise ServiceUnavailableError(
            f"{feature.name} is {feature.levels[index]} for now",
            retry_after=None if feature.held else feature.retry_after,
            context={"feature": feature.name},
        )

    def _count(self, error: Exception) -> None:
        from .chain import falls_back

        if falls_back(error, self._test, self.feature.name):
            self.feature.failed()


class AsyncDegradable(Degradable):
    """The same for coroutine functions."""

    def __init__(self, feature: Feature, function: Callable[..., Any], test: Test | None) -> None:
        from .marks import mark_as_coroutine_function

        super().__init__(feature, function, test)
        mark_as_coroutine_function(self)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self._chosen()
        try:
            return await function(*args, **kwargs)
        except Exception as error:
            self._count(error)
            raise
