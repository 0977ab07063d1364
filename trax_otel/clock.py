"""The one way to tell time and to wait.

Everything that sleeps, times out or stamps asks `current()`, so a test (or a user's test) replaces time in one place.
There are two ways to wait, because a fake must treat them differently:

* `sleep` / `sleep_async`: a pause of the caller's own work (a retry's back-off). The fake advances and returns.
* `tick`: a background loop's pause (health monitor, exporter). The fake blocks until somebody advances it.

A `sleep` in a program of gevent's or eventlet's lets its other greenlets run; a `tick` waits as its `stop` waits.

This module also owns the wake-up: `wake()` ends every `sleep` in progress, and later ones return at once, until
`rest()`. `lifecycle` calls it when the process is told to stop.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from . import native, originals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class NoEventLoopError(RuntimeError):
    """A coroutine is run by something that we cannot wait on."""


def async_library() -> str:
    """What runs this coroutine: `asyncio`, `trio`, or another library's name."""
    sniffio = sys.modules.get("sniffio")  # trio has loaded it, and so has anyio
    if sniffio is not None:
        try:
            return str(sniffio.current_async_library())
        except sniffio.AsyncLibraryNotFoundError:
            pass
    return "asyncio"


class Clock(Protocol):
    """What a clock can do. All durations are seconds."""

    def time_ns(self) -> int:
        """Wall-clock time: nanoseconds since the epoch, for timestamps."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations and deadlines."""
        ...

    def sleep(self, seconds: float) -> bool:
        """Pause the calling thread; True when the whole time passed, False when `wake()` ended it early."""
        ...

    async def sleep_async(self, seconds: float) -> bool:
        """`sleep` for a coroutine."""
        ...

    def tick(self, seconds: float, stop: native.Waitable) -> bool:
        """Pause a background loop; False as soon as `stop` is set, True when the time has passed."""
        ...


class SystemClock:
    """The real clock."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with nobody asleep and fresh locks (a forked child cannot trust those it inherited)."""
        self._woken = native.Event()
        self._lock = originals.allocate_lock()
        self._sleepers: set[Callable[[], object]] = set()

    time_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> bool:
        if seconds <= 0:
            return not self._woken.is_set()
        return not native.wait(self._woken, seconds)

    async def sleep_async(self, seconds: float) -> bool:
        library = async_library()
        if library == "trio":
            return await self._sleep_in_trio(seconds)
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise NoEventLoopError(f"waits need asyncio or trio, and this runs on {library!r}") from None
        if seconds <= 0:
            await asyncio.sleep(0)
            return not self._woken.is_set()
        over: asyncio.Future[bool] = loop.create_future()

        def end(whole: bool) -> None:
            if not over.done():
                over.set_result(whole)

        timer = loop.call_later(seconds, end, True)
        try:
            with self._sleeper(lambda: loop.call_soon_threadsafe(end, False)):
                return not self._woken.is_set() and await over
        finally:
            timer.cancel()

    async def _sleep_in_trio(self, seconds: float) -> bool:
        trio: Any = sys.modules["trio"]
        if seconds <= 0:
            await trio.lowlevel.checkpoint()
            return not self._woken.is_set()
        woken, token = trio.Event(), trio.lowlevel.current_trio_token()
        with self._sleeper(lambda: token.run_sync_soon(woken.set)):
            if self._woken.is_set():
                return False
            with trio.move_on_after(seconds):
                await woken.wait()
            return not woken.is_set()

    @contextmanager
    def _sleeper(self, wake: Callable[[], object]) -> Iterator[None]:
        with self._lock:
            self._sleepers.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._sleepers.discard(wake)

    def tick(self, seconds: float, stop: native.Waitable) -> bool:
        return not stop.wait(seconds)

    def wake(self) -> None:
        """End every sleep in progress and let later ones return at once."""
        self._woken.set()
        with self._lock:
            sleepers = list(self._sleepers)
        for wake in sleepers:
            try:
                wake()
            except RuntimeError:  # its loop is closed: nobody waits there any more
                continue

    def rest(self) -> None:
        """Undo `wake()`: sleeps are whole again."""
        self._woken.clear()


_system = SystemClock()
_current: Clock = _system


def current() -> Clock:
    """The clock in force."""
    return _current


@contextmanager
def use(clock: Clock) -> Iterator[Clock]:
    """Put another clock in force inside the block, for every thread."""
    global _current
    before, _current = _current, clock
    try:
        yield clock
    finally:
        _current = before


def wake() -> None:
    """End all sleeps of the system clock and of the clock in force (where it can be woken)."""
    for clock in {id(c): c for c in (_system, _current)}.values():
        waker = getattr(clock, "wake", None)
        if waker is not None:
            waker()


def rest() -> None:
    """Undo `wake()`."""
    for clock in {id(c): c for c in (_system, _current)}.values():
        rester = getattr(clock, "rest", None)
        if rester is not None:
            rester()


def reset_after_fork() -> None:
    """Give a forked child clocks with locks that nobody holds."""
    native.reset_after_fork()
    _system.reset()
