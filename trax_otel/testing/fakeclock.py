"""A clock that only the test moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from .. import clock, native

START_NS: Final = 1_767_225_600_000_000_000
"""The wall-clock time at which fake clocks begin unless told: 2026-01-01T00:00:00Z."""
_POLL_SECONDS: Final = 0.005
_SETTLE_SECONDS: Final = 5.0


@dataclass(eq=False)
class _Ticker:
    """One background loop's thread, and until when it waits (None: it is at work)."""

    thread: threading.Thread
    due: float | None = field(default=None)
    rounds: int = 0


class FakeClock:
    """Time that moves by `advance` and by sleeps alone; safe to use from several threads.

    A `sleep` (a retry's back-off) advances the clock and returns at once. A `tick` (a background loop's pause: health
    monitor, exporter) blocks in real time until the clock has been moved that far.
    """

    def __init__(self, start_ns: int = START_NS) -> None:
        self.sleeps: list[float] = []
        """Every sleep so far, in seconds, in order."""
        self._start_ns = start_ns
        self._elapsed = 0.0
        self._woken = False
        self._moved = threading.Condition()
        self._tickers: dict[int, _Ticker] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed

    @property
    def slept(self) -> float:
        """Seconds of all sleeps together."""
        return sum(self.sleeps)

    @property
    def waiting(self) -> int:
        """How many background loops wait for the clock to move."""
        return sum(ticker.due is not None for ticker in self._tickers.values())

    # --- What the package asks of a clock --------------------------------------------------------------------------------

    def time_ns(self) -> int:
        return self._start_ns + round(self._elapsed * 1e9)

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> bool:
        with self._moved:
            self.sleeps.append(seconds)
            if not self._woken:
                self._move(max(0.0, seconds))
            return not self._woken

    async def sleep_async(self, seconds: float) -> bool:
        import asyncio

        whole = self.sleep(seconds)
        await asyncio.sleep(0)
        return whole

    def tick(self, seconds: float, stop: native.Waitable) -> bool:
        thread = threading.current_thread()
        with self._moved:
            ticker = self._tickers.setdefault(id(thread), _Ticker(thread))
            ticker.due = due = self._elapsed + max(0.0, seconds)
            ticker.rounds += 1
            self._moved.notify_all()
            while self._elapsed < due and not stop.is_set():
                self._moved.wait(_POLL_SECONDS)  # nobody tells this clock of the event
            ticker.due = None
            if stop.is_set():
                del self._tickers[id(thread)]
            return not stop.is_set()

    def wake(self) -> None:
        """As the real clock: sleeps return False, without moving time, until `rest`."""
        self._woken = True

    def rest(self) -> None:
        """Undo `wake`."""
        self._woken = False

    # --- What a test does with it ----------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Move the clock. Background loops run as often as the time holds their pauses, each to its next pause.

        A loop with a 60 s pause runs three times on `advance(180)`. Raises TimeoutError where a loop does not come back
        within 5 s of real time.
        """
        with self._moved:
            end = self._elapsed + seconds
            while True:
                due = [ticker for ticker in self._tickers.values() if ticker.due is not None and ticker.due <= end]
                if not due:
                    break
                first = min(due, key=lambda ticker: ticker.due or 0.0)
                rounds = first.rounds
                self._move((first.due or 0.0) - self._elapsed)
                self._settle(first, rounds)
            self._move(end - self._elapsed)

    def wait_for_tick(self, loops: int = 1) -> None:
        """Return when `loops` background loops wait for the clock. Raises TimeoutError after 5 s of real time."""
        with self._moved:
            if not self._moved.wait_for(lambda: self.waiting >= loops, _SETTLE_SECONDS):
                raise TimeoutError(f"{self.waiting} background loops wait for the clock, not {loops}")

    def _move(self, seconds: float) -> None:
        self._elapsed += max(0.0, seconds)
        self._moved.notify_all()

    def _settle(self, ticker: _Ticker, rounds: int) -> None:
        """Until the loop that was let go pauses again, or its thread has ended."""
        if ticker.thread is threading.current_thread():
            return
        end = time.monotonic() + _SETTLE_SECONDS
        while ticker.rounds == rounds or ticker.due is None:
            if not ticker.thread.is_alive() or id(ticker.thread) not in self._tickers:
                self._tickers.pop(id(ticker.thread), None)
                return
            if time.monotonic() > end:
                raise TimeoutError(f"the background loop in {ticker.thread.name!r} did not come back to its pause")
            self._moved.wait(_POLL_SECONDS)


@contextmanager
def fake_clock(start_ns: int = START_NS) -> Iterator[FakeClock]:
    """Put a fake clock in force for every thread inside the block; `start_ns` is its wall-clock time (UTC, ns)."""
    fake = FakeClock(start_ns)
    with clock.use(fake):
        yield fake
