"""A time limit for one await, on every Python from 3.10.

`asyncio.wait_for` of 3.10 and 3.11 runs the awaitable in a task of its own and may swallow a cancellation that comes
together with the limit; `asyncio.timeout` begins with 3.11.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .. import errors
from ..clock import NoEventLoopError, async_library

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable


async def limited(awaitable: Awaitable[Any], seconds: float) -> Any:
    """Await within `seconds`, in this very task.

    Raises:
        errors.TimeoutError: the limit passed; the awaitable was cancelled.
    """
    library = async_library()
    if library == "trio":
        return await _limited_in_trio(awaitable, seconds)
    import asyncio

    task: Any = asyncio.current_task()  # `cancelling` and `uncancel` came with Python 3.11
    if task is None:
        raise NoEventLoopError(f"attempt_timeout needs asyncio or trio, and this runs on {library!r}")
    limit = _Limit(task)
    pending_before = task.cancelling() if hasattr(task, "cancelling") else 0
    handle = asyncio.get_running_loop().call_later(seconds, limit.pass_)
    try:
        value = await awaitable
    except asyncio.CancelledError as cancelled:
        if not limit.passed or not _ours(task, pending_before):
            raise
        raise _too_long(seconds) from cancelled
    finally:
        handle.cancel()
    if limit.passed:  # it ended in that moment, or took the cancellation for itself: the task must not feel it later
        _ours(task, pending_before)
    return value


async def _limited_in_trio(awaitable: Awaitable[Any], seconds: float) -> Any:
    trio: Any = sys.modules["trio"]
    with trio.move_on_after(seconds):
        return await awaitable
    raise _too_long(seconds)


def _too_long(seconds: float) -> errors.TimeoutError:
    return errors.TimeoutError(f"the attempt took longer than its limit of {seconds:g} s")


class _Limit:
    """Cancels its task once."""

    __slots__ = ("passed", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.passed = False

    def pass_(self) -> None:
        self.passed = True
        self.task.cancel()


def _ours(task: Any, pending_before: int) -> bool:
    """Take our cancellation back; False where somebody else cancelled the task as well."""
    if not hasattr(task, "uncancel"):  # Python 3.10 keeps no count
        return True
    return bool(task.uncancel() <= pending_before)
