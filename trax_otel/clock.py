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

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from . import native, originals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


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
        self._futures: set[asyncio.Future[None]] = set()

    time_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> bool:
        if seconds <= 0:
            return not self._woken.is_set()
        return not native.wait(self._woken, seconds)

    async def sleep_async(self, seconds: float) -> bool:
        import asyncio

        if seconds <= 0:
            await asyncio.sleep(0)
            return not self._woken.is_set()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._futures.add(future)
        try:
            if self._woken.is_set():
                return False
            await asyncio.wait_for(future, seconds)
        except asyncio.TimeoutError:
            return True
        finally:
            with self._lock:
                self._futures.discard(future)
        return False

    def tick(self, seconds: float, stop: native.Waitable) -> bool:
        return not stop.wait(seconds)

    def wake(self) -> None:
        """End every sleep in progress and let later ones return at once."""
        self._woken.set()
        with self._lock:
            futures = list(self._futures)
        for future in futures:
            try:
                future.get_loop().call_soon_threadsafe(_finish, future)
            except RuntimeError:  # its loop is closed: nobody waits there any more
                continue

    def rest(self) -> None:
        """Undo `wake()`: sleeps are whole again."""
        self._woken.clear()


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


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
