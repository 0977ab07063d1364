"""When a breaker trips, for how long, and how it probes: checked once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

from ...config import UNSET
from ...errors import InvalidConfigError
from .windows import CountWindow, TimeWindow

if TYPE_CHECKING:
    from .windows import Window

Reason = Literal[
    "failures", "failure_rate", "slow_call_rate", "timeout", "probes_succeeded", "probe_failed", "manual"
]  # fmt: skip
CONSECUTIVE: Final = 5


class Rules:
    """The numbers of one breaker; see `CircuitBreaker` for their meaning. Times are seconds."""

    __slots__ = (
        "failure_rate", "failure_threshold", "half_open_calls", "max_timeout", "minimum_calls", "probe_timeout",
        "slow_call_rate", "slow_call_seconds", "timeout", "timeout_growth", "window_calls", "window_seconds",
    )  # fmt: skip

    failure_threshold: int | None
    timeout: float
    failure_rate: float | None
    slow_call_rate: float | None
    slow_call_seconds: float | None
    window_calls: int
    window_seconds: float | None
    minimum_calls: int
    half_open_calls: int
    probe_timeout: float
    timeout_growth: float
    max_timeout: float | None

    def __init__(self, **given: Any) -> None:
        if given["failure_threshold"] is UNSET:
            rates = (given["failure_rate"], given["slow_call_rate"])
            given["failure_threshold"] = CONSECUTIVE if rates == (None, None) else None
        problems = _problems(given)
        if problems:
            raise InvalidConfigError("CircuitBreaker: " + "; ".join(problems))
        if given["probe_timeout"] is None:
            given["probe_timeout"] = given["timeout"]
        for name, value in given.items():
            setattr(self, name, value)

    @property
    def given(self) -> dict[str, Any]:
        """The options that make the same rules."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def rated(self) -> bool:
        """Whether calls must be remembered, because a rate is taken over them."""
        return self.failure_rate is not None or self.slow_call_rate is not None

    def window(self) -> Window | None:
        """A fresh window where a rate is asked for."""
        if not self.rated:
            return None
        return CountWindow(self.window_calls) if self.window_seconds is None else TimeWindow(self.window_seconds)

    def tripped(self, failures: int, window: Window | None) -> Reason | None:
        """Why the breaker should open now, if it should."""
        if self.failure_threshold is not None and failures >= self.failure_threshold:
            return "failures"
        if window is None or window.calls < self.minimum_calls:
            return None
        # divided, not multiplied: 55 / 100 is 0.55, while 0.55 * 100 is a little more than 55
        if self.failure_rate is not None and window.failures / window.calls >= self.failure_rate:
            return "failure_rate"
        if self.slow_call_rate is not None and window.slow / window.calls >= self.slow_call_rate:
            return "slow_call_rate"
        return None

    def open_for(self, trips: int) -> float:
        """How long it stays open the `trips`th time in a row."""
        longest = math.inf if self.max_timeout is None else self.max_timeout
        try:
            return min(self.timeout * float(self.timeout_growth) ** (trips - 1), longest)
        except OverflowError:
            return longest


def _problems(given: dict[str, Any]) -> list[str]:
    found = []
    for name, optional in (("failure_threshold", True), ("window_calls", False), ("minimum_calls", False),
                           ("half_open_calls", False)):  # fmt: skip
        value = given[name]
        if not (optional and value is None) and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            found.append(f"{name}={value!r} is not a whole number from 1{' or None' if optional else ''}")
    for name, optional in (("timeout", False), ("probe_timeout", True), ("window_seconds", True), ("max_timeout", True),
                           ("slow_call_seconds", True)):  # fmt: skip
        value = given[name]
        if not (optional and value is None) and not (_is_number(value) and 0 < value < math.inf):
            found.append(f"{name}={value!r} is not a number of seconds above 0{', or None' if optional else ''}")
    for name in ("failure_rate", "slow_call_rate"):
        value = given[name]
        if value is not None and not (_is_number(value) and 0 < value <= 1):
            found.append(f"{name}={value!r} is not a share above 0 and up to 1, or None")
    growth = given["timeout_growth"]
    if not (_is_number(growth) and 1 <= growth < math.inf):
        found.append(f"timeout_growth={growth!r} is not a factor from 1")
    return found or _contradictions(given)


def _contradictions(given: dict[str, Any]) -> list[str]:
    found = []
    if (given["slow_call_rate"] is None) != (given["slow_call_seconds"] is None):
        found.append("slow_call_rate and slow_call_seconds are needed together")
    if given["failure_threshold"] is None and given["failure_rate"] is None and given["slow_call_rate"] is None:
        found.append("failure_threshold=None needs a failure_rate or a slow_call_rate: nothing would trip it")
    if given["window_seconds"] is None and given["minimum_calls"] > given["window_calls"]:
        found.append(
            f"minimum_calls={given['minimum_calls']} is more than window_calls={given['window_calls']} can hold"
        )
    if given["max_timeout"] is not None and given["max_timeout"] < given["timeout"]:
        found.append(f"max_timeout={given['max_timeout']!r} is less than timeout={given['timeout']!r}")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
