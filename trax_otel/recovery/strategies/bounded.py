"""Call a function from a background thread within a time limit, where its coroutines belong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import errors

if TYPE_CHECKING:
    import asyncio


class BoundedCall:
    """One call on a thread of its own. A coroutine that the function returns runs on `loop`, or on one of its own where
    there is none. A thread cannot be ended: what passes its limit is given up, and `running` until it comes back."""

    def __init__(self, name: str, function: Callable[[], Any], loop: asyncio.AbstractEventLoop | None) -> None:
        self._function = function
        self._loop = loop
        self._value: Any = None
        self._error: BaseException | None = None
        self._cancel: Callable[[], object] | None = None
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not come back yet."""
        return self._thread.is_alive()

    def result(self, seconds: float) -> Any:
        """Wait for what it returns.

        Raises:
            errors.TimeoutError: the limit passed; a coroutine was cancelled.
            BaseException: what the function raised.
        """
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._given_up = True
            if self._cancel is not None:
                self._cancel()
            raise errors.TimeoutError(f"no answer within {seconds:g} s")
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error

    def _run(self) -> None:
        try:
            value = self._function()
            self._value = self._awaited(value) if hasattr(value, "__await__") else value
        except BaseException as error:
            self._error = error

    def _cancelled_by(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel
        if self._given_up:  # before there was anything to cancel
            cancel()

    def _awaited(self, value: Any) -> Any:
        import asyncio

        loop = self._loop
        if loop is not None and not loop.is_closed():
            future = asyncio.run_coroutine_threadsafe(_awaiting(value), loop)
            self._cancelled_by(future.cancel)
            return future.result()
        return asyncio.run(self._cancellable(value))

    async def _cancellable(self, value: Any) -> Any:
        import asyncio

        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._cancelled_by(lambda: _threadsafe(loop, task.cancel))
        return await value


async def _awaiting(value: Any) -> Any:
    return await value


def _threadsafe(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:  # it ended in that moment
        return
