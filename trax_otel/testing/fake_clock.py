"""Time that moves only when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .. import clock

START_NS: Final = 1_767_225_600 * 10**9
"""2026-01-01T00:00:00Z, where every fake clock begins."""
_POLL: Final = 0.005


class FakeClock:
    """A `trax_otel.clock.Clock` for tests.

    `sleep` and `sleep_async` advance the time and return at once; `sleeps` lists how long each was. `tick`, the pause of
    background loops, blocks its thread until `advance` has moved the time far enough.
    """

    def __init__(self, start_ns: int = START_NS) -> None:
        self.sleeps: list[float] = []
        self._now_ns = start_ns
        self._start_ns = start_ns
        self._moved = threading.Condition()
        self._woken = False
        self._ticking = 0

    def time_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._now_ns

    def monotonic(self) -> float:
        """Seconds since the clock was made, and a thousand."""
        return 1_000.0 + (self._now_ns - self._start_ns) / 1e9

    def advance(self, seconds: float) -> None:
        """Move the time on. Raises ValueError for a negative step."""
        if seconds < 0:
            raise ValueError(f"time cannot go back by {-seconds} s")
        with self._moved:
            self._now_ns += round(seconds * 1e9)
            self._moved.notify_all()

    def sleep(self, seconds: float) -> bool:
        """Note the pause and move the time on; False, without moving it, once `wake` was called."""
        if self._woken:
            return False
        self.sleeps.append(seconds)
        self.advance(max(0.0, seconds))
        return True

    async def sleep_async(self, seconds: float) -> bool:
        """`sleep`, giving other tasks a turn."""
        import asyncio

        slept = self.sleep(seconds)
        await asyncio.sleep(0)
        return slept

    def tick(self, seconds: float, stop: threading.Event) -> bool:
        """Block until the time was moved on by `seconds`, or `stop` is set."""
        until = self.monotonic() + seconds
        with self._moved:
            self._ticking += 1
            try:
                while self.monotonic() < until and not stop.is_set():
                    self._moved.wait(_POLL)
            finally:
                self._ticking -= 1
        return not stop.is_set()

    @property
    def ticking(self) -> int:
        """How many background loops wait for the time to move."""
        return self._ticking

    def wake(self) -> None:
        """End sleeps, as `lifecycle.stop()` does."""
        self._woken = True

    def rest(self) -> None:
        """Undo `wake`."""
        self._woken = False


@contextmanager
def fake_clock(start_ns: int = START_NS) -> Iterator[FakeClock]:
    """A fake clock in force inside the block, for every thread."""
    fake = FakeClock(start_ns)
    with clock.use(fake):
        yield fake
