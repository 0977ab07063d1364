"""Which manager answers for fallback points, here and now: one ContextVar, so each task and thread has its own."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .manager import FallbackManager


class Ambient:
    """A manager and what was ambient around its block."""

    __slots__ = ("manager", "outer")

    def __init__(self, manager: FallbackManager, outer: Ambient | None) -> None:
        self.manager = manager
        self.outer = outer


_ambient: ContextVar[Ambient | None] = ContextVar("trax_fallbacks", default=None)

current = _ambient.get
"""What is ambient; None outside of any `fallback_context`."""


def enter(manager: FallbackManager) -> Token[Ambient | None]:
    """Make the manager ambient until `back`."""
    return _ambient.set(Ambient(manager, _ambient.get()))


def leave(owner: Any) -> Token[Ambient | None] | None:
    """Make ambient what is so around the owner's block, while its alternatives run; None where it is not ambient."""
    found = _ambient.get()
    while found is not None and found.manager is not owner:
        found = found.outer
    if found is None:
        return None
    while found is not None and found.manager is owner:
        found = found.outer
    return _ambient.set(found)


def back(token: Token[Ambient | None] | None) -> None:
    """Undo `enter` or `leave`. Nothing is undone in another context than theirs: it never felt them."""
    if token is not None:
        with contextlib.suppress(ValueError):  # a block around a `yield`, or a task that was thrown away
            _ambient.reset(token)
