"""When a thing that is checked again and again counts as broken, and when as well again: no clock, no threads."""

from __future__ import annotations

from typing import Literal

Change = Literal["unhealthy", "healthy", "still_unhealthy"]


class Streak:
    """Unhealthy after `failures` failed checks in a row, healthy again after `successes` passed ones; healthy at first."""

    __slots__ = ("failed", "failures", "healthy", "passed", "successes")

    def __init__(self, failures: int, successes: int) -> None:
        self.failures = failures
        self.successes = successes
        self.healthy = True
        self.failed = 0
        """Failed checks in a row, up to now."""
        self.passed = 0
        """Passed checks in a row, up to now."""

    def take(self, passed: bool) -> Change | None:
        """Take a check's result in; the change it brings. `still_unhealthy` after each further `failures` in a row: what was
        tried the last time did not help."""
        if passed:
            self.passed, self.failed = self.passed + 1, 0
            if self.healthy or self.passed < self.successes:
                return None
            self.healthy = True
            return "healthy"
        self.failed, self.passed = self.failed + 1, 0
        if self.failed % self.failures:
            return None
        if self.healthy:
            self.healthy = False
            return "unhealthy"
        return "still_unhealthy"
