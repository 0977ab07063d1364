"""When a value has crossed a limit, and when it has come back: a state machine without clock, threads or telemetry."""

from __future__ import annotations

import math
from typing import Literal

Change = Literal["crossed", "cleared"]


class Limits:
    """A limit and the way back. At least one of `above` and `below` must be given; ValueError says what is wrong.

    Crossed when the value is greater than `above` or less than `below`, without a break for `for_seconds`; cleared
    when it is neither, and also less than `clear_below` (greater than `clear_above`) where given: between the two it
    keeps its state.
    """

    __slots__ = ("above", "below", "clear_above", "clear_below", "for_seconds")

    def __init__(
        self,
        above: float | None = None,
        below: float | None = None,
        clear_below: float | None = None,
        clear_above: float | None = None,
        for_seconds: float = 0.0,
    ) -> None:
        self.above = above
        self.below = below
        self.clear_below = clear_below
        self.clear_above = clear_above
        self.for_seconds = for_seconds
        self._check()

    def _check(self) -> None:
        for name in ("above", "below", "clear_below", "clear_above", "for_seconds"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise ValueError(f"{name} must be a number, not {value!r}")
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be finite, not {value!r}")
        if self.above is None and self.below is None:
            raise ValueError("a threshold needs above=… or below=…")
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ValueError(f"below={self.below} must be less than above={self.above}: else every value is beyond")
        if self.clear_below is not None and (self.above is None or self.clear_below > self.above):
            raise ValueError(f"clear_below={self.clear_below} needs above=… and must not exceed it")
        if self.clear_above is not None and (self.below is None or self.clear_above < self.below):
            raise ValueError(f"clear_above={self.clear_above} needs below=… and must not be less than it")
        if self.for_seconds < 0:
            raise ValueError(f"for_seconds={self.for_seconds} must not be negative")

    def crossed_by(self, value: float) -> float | None:
        """The limit that the value is beyond, or None."""
        if self.above is not None and value > self.above:
            return self.above
        if self.below is not None and value < self.below:
            return self.below
        return None

    def cleared_by(self, value: float) -> bool:
        """Whether the value is back on the good side of everything."""
        if self.crossed_by(value) is not None:
            return False
        if self.clear_below is not None and value >= self.clear_below:
            return False
        return self.clear_above is None or value > self.clear_above


class Hysteresis:
    """The state of one watched series."""

    __slots__ = ("_beyond_since", "crossed", "limit", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.crossed = False
        self.limit: float | None = None
        """The limit that was crossed last."""
        self._beyond_since: float | None = None

    def observe(self, value: float, now: float) -> Change | None:
        """Take a value in at `now` (seconds that never go back); the change it brings, if any. NaN says nothing."""
        if math.isnan(value):
            return None
        if self.crossed:
            if self.limits.cleared_by(value):
                self.crossed = False
                self._beyond_since = None
                return "cleared"
            return None
        limit = self.limits.crossed_by(value)
        if limit is None:
            self._beyond_since = None
            return None
        if self._beyond_since is None:
            self._beyond_since = now
        if now - self._beyond_since < self.limits.for_seconds:
            return None
        self.crossed, self.limit = True, limit
        return "crossed"
