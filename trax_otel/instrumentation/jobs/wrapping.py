"""A library's own functions with an observer around them: what they return and raise stays theirs, without a frame of ours."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, Protocol

from ..adoption import hide_frame
from .messages import contained

_MARK: Final = "__trax_observed__"


class Observed(Protocol):
    """What is told of the end."""

    def end(self, error: BaseException | None = None) -> None:
        """The call ended, by this exception or by itself."""


Begin = Callable[..., "Observed | None"]


def observe_method(system: str, owner: Any, name: str, begin: Begin) -> None:
    """Wrap a function of a class or module; doing it twice changes nothing.

    `begin` gets the call's arguments and returns what is told of its end; None: this call is not observed.
    """
    original = getattr(owner, name)
    if not hasattr(original, _MARK):
        setattr(owner, name, observed(system, original, begin))


def observed(system: str, original: Any, begin: Begin) -> Any:
    """The function with an observer around it."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        seen = contained(system, lambda: begin(*args, **kwargs))
        try:
            result = original(*args, **kwargs)
        except BaseException as failure:
            error = failure
            if seen is not None:
                contained(system, lambda: seen.end(error))
            del error
            hide_frame(failure)
            raise
        if seen is not None:
            contained(system, seen.end)
        return result

    @functools.wraps(original)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        seen = contained(system, lambda: begin(*args, **kwargs))
        try:
            result = await original(*args, **kwargs)
        except BaseException as failure:
            error = failure
            if seen is not None:
                contained(system, lambda: seen.end(error))
            del error
            hide_frame(failure)
            raise
        if seen is not None:
            contained(system, seen.end)
        return result

    chosen = call_async if inspect.iscoroutinefunction(original) else call
    setattr(chosen, _MARK, True)
    return chosen
