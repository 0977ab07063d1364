"""The states of a breaker and what moves between them: no telemetry, no clock of its own, no call inside its lock.

Every change of state begins a new epoch. A permit bears the epoch in which it was given; what comes back from another epoch
is stale and moves nothing: a late success never closes, a late failure never opens.
"""

from __future__ import annotations

import operator
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

    from .rules import Reason, Rules
    from .windows import Window

State = Literal["closed", "open", "half_open", "isolated"]
STATES: Final[tuple[State, ...]] = ("closed", "open", "half_open", "isolated")
CallOutcome = Literal["success", "failure", "ignored", "cancelled"]
PROBE_PAUSE: Final = 1.0
"""Seconds after which a call that a probe kept out may ask again."""


class Transition:
    """One change of state. `open_for` is in seconds, where it opened."""

    __slots__ = ("open_for", "previous", "reason", "state")

    previous: State
    state: State
    reason: Reason
    open_for: float | None

    def __init__(self, previous: State, state: State, reason: Reason, open_for: float | None) -> None:
        self.previous = previous
        self.state = state
        self.reason = reason
        self.open_for = open_for


class Machine:
    """One breaker's state. `closed_epoch` is the epoch while it is closed, else 0: the one thing a call reads, without a
    lock. `failures` are consecutive, `tripped_by` what `cause` said when it stopped calls. Times are seconds of a monotonic
    clock that the caller reads.

    `owner` gives the breaker that it is part of.

    The lock is re-entrant: a finaliser or a signal handler may interrupt its owner and call through the same breaker.
    """

    __slots__ = (
        "_cause", "_forgotten", "_lock", "_number", "_open_until", "_probes", "_rules", "_succeeded", "_trips", "_window",
        "closed_epoch", "epoch", "failures", "owner", "state", "tripped_by",
    )  # fmt: skip

    def __init__(self, rules: Rules, cause: Callable[[], SpanContext | None]) -> None:
        self._rules = rules
        self._cause = cause
        self.owner: Callable[[], Any] = _nobody
        self._lock = threading.RLock()
        self.tripped_by: SpanContext | None = None
        self.state: State = "closed"
        self.epoch = self.closed_epoch = 1
        self.failures = 0
        self._window: Window | None = rules.window()
        self._open_until = 0.0
        self._trips = 0
        self._number = 0
        self._probes: dict[int, float] = {}
        self._succeeded = 0
        self._forgotten: deque[int] = deque()

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, as part of a function behind its breaker, it is that of the breaker there."""
        return operator.attrgetter("machine"), (self.owner(),)

    # --- Calls ---------------------------------------------------------------------------------------------------------

    def acquire(self, now: float) -> tuple[int, int, Transition | None]:
        """Ask for a call: its epoch (0: rejected), the number of its probe (0: none), and the change that came with it."""
        with self._lock:
            if self.state == "closed":
                return self.epoch, 0, None
            change = None
            if self.state == "open" and now >= self._open_until:
                change = self._change("half_open", "timeout", now)
            if self.state != "half_open" or not self._has_place(now):
                return 0, 0, change
            self._number += 1
            self._probes[self._number] = now + self._rules.probe_timeout
            return self.epoch, self._number, change

    def record(self, epoch: int, probe: int, outcome: CallOutcome, slow: bool, now: float) -> Transition | None:
        """Take the outcome of an admitted call in; the change that it makes."""
        with self._lock:
            if epoch != self.epoch:
                return None
            if self.state == "closed":
                return self._record_closed(outcome, slow, now)
            if self.state != "half_open" or self._probes.pop(probe, None) is None:
                return None
            if outcome == "failure" or (outcome == "success" and slow and self._rules.slow_call_rate is not None):
                return self._change("open", "probe_failed", now)
            if outcome == "success":
                self._succeeded += 1
                if self._succeeded >= self._rules.half_open_calls:
                    return self._change("closed", "probes_succeeded", now)
            return None

    def forget(self, probe: int) -> None:
        """Free the place of a probe that was dropped. Callable from a finaliser: it takes no lock."""
        self._forgotten.append(probe)

    def retry_after(self, now: float) -> float | None:
        """Seconds until a rejected call is worth repeating; None while it is isolated."""
        if self.state == "isolated":
            return None
        return PROBE_PAUSE if self.state == "half_open" else max(0.0, self._open_until - now)

    # --- By hand -------------------------------------------------------------------------------------------------------

    def force(self, state: State, now: float, *, anew: bool = False) -> Transition | None:
        """Go to a state; `anew` makes calls under way stale too where it is closed. None where nothing changed."""
        with self._lock:
            if state == self.state == "closed":
                self.epoch += anew
                self._begin_closed(self._rules.window())
                return None
            if state == self.state == "isolated":
                return None
            return self._change(state, "manual", now)

    def renew(self) -> None:
        """Go on in a forked child: the parent's calls are not its own."""
        self._lock = threading.RLock()
        self._forgotten.clear()
        self._probes.clear()

    # --- Under the lock ------------------------------------------------------------------------------------------------

    def _record_closed(self, outcome: CallOutcome, slow: bool, now: float) -> Transition | None:
        if outcome not in {"success", "failure"}:
            return None
        failed = outcome == "failure"
        self.failures = self.failures + 1 if failed else 0
        if self._window is not None:
            self._window.add(failed, slow, now)
        reason = self._rules.tripped(self.failures, self._window)
        return None if reason is None else self._change("open", reason, now)

    def _change(self, state: State, reason: Reason, now: float) -> Transition:
        trips, open_for, until = self._trips, None, self._open_until
        if state == "open":
            trips = max(trips, 1) if reason == "manual" else trips + 1
            open_for = self._rules.open_for(trips)
            until = now + open_for
        window = self._rules.window() if state == "closed" else self._window
        cause = self._cause() if state in {"open", "isolated"} else self.tripped_by
        change = Transition(self.state, state, reason, open_for)
        # all is made; from here on nothing that is called could interrupt
        self.closed_epoch = 0
        self.state = state
        self.epoch += 1
        self.tripped_by = cause
        self._probes.clear()
        self._succeeded = self.failures = 0
        self._trips, self._open_until = trips, until
        if state == "closed":
            self._trips = 0
            self._begin_closed(window)
        return change

    def _begin_closed(self, window: Window | None) -> None:
        self.failures = 0
        self._window = window
        self.closed_epoch = self.epoch

    def _has_place(self, now: float) -> bool:
        """Whether another probe may go: those that were dropped or hang for too long hold no place."""
        while self._forgotten:
            self._probes.pop(self._forgotten.popleft(), None)  # no number is given twice
        if len(self._probes) + self._succeeded >= self._rules.half_open_calls:
            self._probes = {number: end for number, end in self._probes.items() if now < end}
        return len(self._probes) + self._succeeded < self._rules.half_open_calls


def _nobody() -> None:
    return None
