"""The calls that a rate is taken over: the last so many, or those of the last so many seconds.

A window has the counts `calls`, `failures` among them, and `slow` ones; `add` takes a call in.
"""

from __future__ import annotations

from collections import deque
from typing import Final

BUCKETS: Final = 10


class CountWindow:
    """The last `size` calls."""

    __slots__ = ("_last", "_size", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._size = size
        self._last: deque[tuple[bool, bool]] = deque()
        self.calls = self.failures = self.slow = 0

    def add(self, failed: bool, slow: bool, now: float) -> None:
        self._last.append((failed, slow))
        self.failures += failed
        self.slow += slow
        if self.calls < self._size:
            self.calls += 1
            return
        old_failed, old_slow = self._last.popleft()
        self.failures -= old_failed
        self.slow -= old_slow


class TimeWindow:
    """The calls of the last `seconds`, counted in tenths of them: a tenth is forgotten as a whole."""

    __slots__ = ("_buckets", "_width", "calls", "failures", "slow")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._buckets: deque[list[int]] = deque()
        self.calls = self.failures = self.slow = 0

    def add(self, failed: bool, slow: bool, now: float) -> None:
        tenth = int(now // self._width)
        while self._buckets and self._buckets[0][0] <= tenth - BUCKETS:
            _, calls, failures, slow_calls = self._buckets.popleft()
            self.calls -= calls
            self.failures -= failures
            self.slow -= slow_calls
        if not self._buckets or self._buckets[-1][0] != tenth:
            self._buckets.append([tenth, 0, 0, 0])
        bucket = self._buckets[-1]
        bucket[1] += 1
        bucket[2] += failed
        bucket[3] += slow
        self.calls += 1
        self.failures += failed
        self.slow += slow


Window = CountWindow | TimeWindow
