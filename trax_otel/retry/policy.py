"""The engine: after each attempt it decides whether another follows and when, as a plan."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import clock, lifecycle
from ..errors import TraxError
from ..errors.classification import _retryable, judge
from ..errors.control_flow import steers
from ..signals import observed
from .after import wait_asked_by_error, wait_asked_by_result
from .breaker.errors import CircuitOpenError
from .budget import UNBOUNDED, Bounds, in_force
from .callbacks import asks, tell
from .conditions import test_of
from .decision import (
    AT_ONCE,
    BACKOFF,
    CANCELLED,
    NONE_LEFT,
    NOT_RETRYABLE,
    REJECTED,
    RETRY_AFTER,
    STOPPED,
    Decision,
)
from .details import History, RetryDetails, StopReason, attach_history, next_order
from .plan import Call, Effect, Outcome, Plan, Sleep
from .telemetry import End, Trace, begin_operation, tally
from .waits import Waits, never_waits

if TYPE_CHECKING:
    from ..metrics.operation import Operation
    from .base import RetryConfig, RetryLimits

_disabled = 0


@contextmanager
def disabled() -> Iterator[None]:
    """Inside the block nothing is retried, in no thread: every call is made once. For users' tests."""
    global _disabled
    _disabled += 1
    try:
        yield
    finally:
        _disabled -= 1


class Policy:
    """A configuration made ready for one operation. It keeps nothing of a call: threads, tasks and recursion may share it."""

    __slots__ = ("_limits", "config", "name", "never_waits", "plain", "tally", "test")

    def __init__(self, config: RetryConfig, name: str) -> None:
        self.config = config
        self.name = config.name or name
        self.plain = config.plain
        self.tally = tally(self.name)
        self.test = None if config.retry_on is None else test_of(config.retry_on)
        self._limits: RetryLimits | None = None
        self.never_waits = False

    def limits(self) -> RetryLimits:
        """The numbers, resolved when they are first needed: settings may come after decoration."""
        if self._limits is None:
            self._limits = self.config.limits()
            self.never_waits = never_waits(self.config.wait, self._limits)
        return self._limits

    def operation(self) -> Operation | None:
        """The operation of one call, begun; None where nobody would see it."""
        return begin_operation(self.name) if observed() else None

    def plan(self, function: Callable[[], Any], operation: Operation | None, first: Outcome | None = None) -> Plan:
        """The plan of one call; `first` is the outcome of an attempt that was made already."""
        return Run(self, operation).plan(function, first)

    def __reduce__(self) -> tuple[Any, ...]:
        return Policy, (self.config, self.name)  # sent to another process it counts there


class Run:
    """One retried call."""

    __slots__ = (
        "_bounds", "_finished", "_history", "_imposes", "_limits", "_order", "_policy", "_started", "_trace", "_waits",
        "number",
    )  # fmt: skip

    def __init__(self, policy: Policy, operation: Operation | None) -> None:
        self._policy = policy
        self._limits = policy.limits()
        self._trace = None if operation is None else Trace(operation, policy.tally.labels)
        self._waits: Waits | None = None
        self._history = History()
        self._finished = False
        self._bounds = in_force()
        self._imposes = False
        self._order = next_order()
        self.number = 1
        self._started = clock.current().monotonic()

    # --- The plan ------------------------------------------------------------------------------------------------------

    def plan(self, function: Callable[[], Any], first: Outcome | None = None) -> Plan:
        """Attempts and waits, until it ends; closing it early counts as cancelled."""
        config, trace = self._policy.config, self._trace
        announced = not (trace is None and config.before_attempt is None and config.attempt_timeout is None)
        told = trace is not None or config.before_sleep is not None
        refuses, stop = config.retry_on_result, config.stop
        effect = Call(function)
        error: BaseException | None = None
        outcome, first = first, None
        if config.deadline is not None or config.budget is not None:
            self._bind(config)
        try:
            while True:
                if outcome is None:
                    if announced:
                        self._attempt_begins(effect)
                    outcome = yield effect
                error = outcome.error
                if error is None and (refuses is None or not asks(refuses, outcome.value)):
                    self._succeeded(outcome.value)
                    return outcome
                decision = self._decide(error, outcome.value)
                if decision.reason is not None:
                    self._gave_up(outcome, decision)
                    return outcome
                self._history.add(error, outcome.value, decision.delay)
                if told:
                    self._sleep_begins(error, outcome.value, decision)
                if decision.delay > 0 or stop is not None:
                    ended = yield from self._wait(decision.delay, outcome)
                    if ended is not None:
                        return ended
                outcome = error = None  # nothing of it is kept while the next attempt runs
                self.number += 1
        finally:
            if not self._finished:
                self.resume()  # where it was left while it paused: what is open inside is undone in order
                self._cancelled(None)
            if self._imposes:
                self._bounds.end()
            del outcome, error  # an error's traceback leads here: no cycle may keep it alive

    def _wait(self, delay: float, outcome: Outcome) -> Generator[Effect, Outcome, Outcome | None]:
        """Pause; the outcome of the whole where the pause was its end."""
        stop = self._policy.config.stop
        slept = yield Sleep(delay, None if stop is None else stop.is_set)
        if isinstance(
            slept.error, clock.NoEventLoopError
        ):  # nothing was sent to us: the user's own error is what matters
            self._history.interrupted()
            self._gave_up(outcome, Decision(0.0, reason="stopped", detail=f" ({slept.error})"))
            return outcome
        if slept.error is not None:
            self._cancelled(slept.error)
            return slept
        if not slept.value:
            self._history.interrupted()
            self._gave_up(outcome, STOPPED)
            return outcome
        return None

    def _bind(self, config: RetryConfig) -> None:
        """Let the retries inside the calls keep to this one's deadline and budget."""
        deadline = None if config.deadline is None else self._started + config.deadline
        self._bounds = Bounds(deadline, config.shared_budget(), self._bounds).begin()
        self._imposes = True

    def suspend(self) -> None:
        """Lift what is current and imposed by this call, while it pauses."""
        if self._trace is not None:
            self._trace.operation.suspend()
        if self._imposes:
            self._bounds.suspend()

    def resume(self) -> None:
        """Undo `suspend`."""
        if self._imposes:
            self._bounds.resume()
        if self._trace is not None:
            self._trace.operation.resume()

    def _time_for_attempt(self, limit: float) -> float:
        """Seconds that an attempt may take: its own limit, or what is left of the deadline."""
        deadline = self._bounds.deadline
        return limit if deadline is None else max(0.0, min(limit, deadline - clock.current().monotonic()))

    def _attempt_begins(self, effect: Call) -> None:
        config = self._policy.config
        if config.before_attempt is not None:
            tell(config.before_attempt, self.details())
        if self._trace is not None and (self.number > 1 or config.attempt_spans == "always"):
            self._trace.attempt_begins(self.number)
        if config.attempt_timeout is not None:
            effect.timeout = self._time_for_attempt(config.attempt_timeout)

    def _sleep_begins(self, error: BaseException | None, result: Any, decision: Decision) -> None:
        if self._trace is not None:
            facts = self._trace.attempt_failed(self.number, error)
            self._trace.scheduled(self.number, decision.delay, decision.source, facts)
        callback = self._policy.config.before_sleep
        if callback is not None:
            tell(callback, self.details(error, result, decision.delay))

    # --- The decision --------------------------------------------------------------------------------------------------

    def _decide(self, error: BaseException | None, result: Any) -> Decision:
        policy, limits = self._policy, self._limits
        if error is None:
            asked = wait_asked_by_result(result)
        elif not isinstance(error, Exception):
            return CANCELLED
        else:
            verdict = judge(error)
            asked = verdict.retry_after
            if isinstance(error, TraxError):
                if asked is None and error.original_error is not None:
                    asked = wait_asked_by_error(error.original_error)
                if isinstance(error, CircuitOpenError):
                    return self._rejected(asked)
            if not (_retryable(verdict) if policy.test is None else asks(policy.test, error)):
                return CANCELLED if steers(type(error)) else NOT_RETRYABLE
        if self.number > limits.max_retries or _disabled:
            return NONE_LEFT
        if lifecycle.stopping():
            return STOPPED
        if asked is not None:
            if asked > limits.max_delay:
                allowed = f" ({asked:.3g} s asked, {limits.max_delay:g} s allowed)"
                return Decision(asked, RETRY_AFTER, "retry_after", allowed)
            return self._allowed(asked, RETRY_AFTER)
        if policy.never_waits:
            return AT_ONCE if self._bounds is UNBOUNDED else self._allowed(0.0, BACKOFF)
        return self._allowed(self._next_wait(error if error is not None else result), BACKOFF)

    def _next_wait(self, cause: Any) -> float:
        if self._waits is None:
            self._waits = Waits(self._policy.config.wait, self._limits)
        return self._waits.after(cause)

    def _allowed(self, delay: float, source: str) -> Decision:
        """The wait, where deadline and budget allow it."""
        deadline, budget = self._bounds.deadline, self._bounds.budget
        if deadline is not None:
            left = deadline - clock.current().monotonic()
            if delay > left or left <= 0:
                return Decision(delay, source, "deadline", f" ({delay:.3g} s to wait, {max(0.0, left):.3g} s left)")
        if budget is not None and not budget.take():
            return Decision(delay, source, "budget", f" ({budget.name!r})")
        return Decision(delay, source)

    def _rejected(self, asked: float | None) -> Decision:
        """A breaker's rejection is waited for only under a deadline, and only for as long as it says."""
        limits = self._limits
        if self._bounds.deadline is None or asked is None or asked > limits.max_delay:
            return REJECTED
        if self.number > limits.max_retries or _disabled or lifecycle.stopping():
            return REJECTED
        decision = self._allowed(asked, RETRY_AFTER)
        if decision.reason is not None:
            decision.reason = "rejected"
        return decision

    # --- The end -------------------------------------------------------------------------------------------------------

    def _succeeded(self, value: Any) -> None:
        self._finished = True
        policy = self._policy
        if self.number == 1:
            next(policy.tally.straight)
        else:
            policy.tally.ended("succeeded_with_retry", self.number)
        if self._bounds.budget is not None:
            self._bounds.budget.give()
        if self._trace is not None:
            self._trace.succeeded(self.number)
        if policy.config.on_success is not None:
            tell(policy.config.on_success, self.details(result=value))

    def _gave_up(self, outcome: Outcome, decision: Decision) -> None:
        value, error, reason = outcome.value, outcome.error, decision.reason
        assert reason is not None
        if reason == "cancelled":
            self._cancelled(error)
            return
        self._finished = True
        if self._history.count < self.number:
            self._history.add(error, value, None)
        self._policy.tally.ended(_end(reason, self.number), self.number)
        if self._trace is not None:
            self._trace.gave_up(self.number, reason, error)
        if error is not None:
            attach_history(error, self._policy.name, self._history, self._order, reason, decision.detail)
        if self._policy.config.on_give_up is not None:
            tell(self._policy.config.on_give_up, self.details(error, value, reason=reason))

    def _cancelled(self, error: BaseException | None) -> None:
        self._finished = True
        self._policy.tally.ended("cancelled", self.number)
        if self._trace is not None:
            self._trace.cancelled(self.number, error)

    # --- What others are told ------------------------------------------------------------------------------------------

    def details(
        self,
        error: BaseException | None = None,
        result: Any = None,
        delay: float | None = None,
        reason: StopReason | None = None,
    ) -> RetryDetails:
        """Where the call stands."""
        elapsed = clock.current().monotonic() - self._started
        return RetryDetails(
            name=self._policy.name, attempt=self.number, elapsed=elapsed, error=error, result=result, delay=delay,
            reason=reason, delays=self._history.delays(), slept=self._history.slept,
        )  # fmt: skip


def _end(reason: StopReason, number: int) -> End:
    if reason in ("rejected", "deadline", "budget"):
        return reason
    return "failed_without_retry" if number == 1 else "failed_with_retry"
