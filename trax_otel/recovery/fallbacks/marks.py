"""What objects that stand for functions are told to be."""

from __future__ import annotations

from typing import Any


def mark_as_coroutine_function(marked: Any) -> None:
    """Let asyncio, and from Python 3.12 on `inspect`, take the object for a coroutine function: frameworks ask one of them
    whether to await what they were given."""
    import inspect

    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(marked)
        return
    import asyncio

    marked._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
