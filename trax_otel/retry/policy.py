"""The engine: after each attempt it decides whether another follows and when, as a plan."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import clock, lifecycle
from ..errors import TraxError
from ..errors.classification import judge
from ..metrics.operation import Operation
from ..signals import observed
from .after import wait_asked_by_error, wait_asked_by_result
from .breaker.errors import CircuitOpenError
from .budget import bounds, within
from .conditions import never_retried, retryable_by, test_of
from .details import Failure, RetryDetails, StopReason, attach_history
from .plan import Call, Outcome, Plan, Sleep
from .telemetry import End, Trace, tally
from .waits import Waits

if TYPE_CHECKING:
    from contextvars import Token

    from ..signals import ErrorFacts
    from .base import Callback, RetryConfig, RetryLimits
    from .budget import Bounds

_logger = logging.getLogger(__name__)
_disabled = 0
BACKOFF: Final = "backoff"
RETRY_AFTER: Final = "retry_after"


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

    __slots__ = ("_limits", "config", "name", "plain", "tally", "test")

    def __init__(self, config: RetryConfig, name: str) -> None:
        self.config = config
        self.name = config.name or name
        self.plain = config.plain
        self.tally = tally(self.name)
        self.test = None if config.retry_on is None else test_of(config.retry_on)
        self._limits: RetryLimits | None = None

    def limits(self) -> RetryLimits:
        """The numbers, resolved when they are first needed: settings may come after decoration."""
        if self._limits is None:
            self._limits = self.config.limits()
        return self._limits

    def operation(self) -> Operation | None:
        """The operation of one call, begun; None where nobody would see it."""
        return Operation(self.name).begin() if observed() else None

    def plan(self, function: Callable[[], Any], operation: Operation | None, first: Outcome | None = None) -> Plan:
        """The plan of one call; `first` is the outcome of an attempt that was made already."""
        return Run(self, operation).plan(function, first)


class Decision(NamedTuple):
    """What follows an attempt that failed: a wait, or the end with its reason."""

    delay: float
    source: str = BACKOFF
    reason: StopReason | None = None
    detail: str = ""


class Run:
    """One retried call."""

    __slots__ = (
        "_bounds", "_delays", "_failures", "_finished", "_limits", "_policy", "_started", "_token", "_trace", "_waits",
        "number",
    )  # fmt: skip

    def __init__(self, policy: Policy, operation: Operation | None) -> None:
        self._policy = policy
        self._limits = policy.limits()
        self._trace = None if operation is None else Trace(operation, policy.tally.labels)
        self._waits: Waits | None = None
        self._failures: list[Failure] = []
        self._delays: tuple[float, ...] = ()
        self._finished = False
        self._token: Token[Bounds] | None = None
        self._bounds = bounds.get()
        self.number = 1
        self._started = clock.current().monotonic()

    # --- The plan ------------------------------------------------------------------------------------------------------

    def plan(self, function: Callable[[], Any], first: Outcome | None = None) -> Plan:
        """Attempts and waits, until it ends; closing it early counts as cancelled."""
        config = self._policy.config
        effect = Call(function, config.attempt_timeout)
        outcome = first
        self._bind(config)
        try:
            while True:
                if outcome is None:
                    self._attempt_begins()
                    outcome = yield effect
                delay = self._after(outcome)
                if delay is None:
                    return outcome
                if delay > 0 or config.stop is not None:
                    slept = yield Sleep(delay, None if config.stop is None else config.stop.is_set)
                    if slept.error is not None:
                        self._cancelled(slept.error)
                        return slept
                    if not slept.value:
                        self._gave_up(outcome, Decision(0, reason="stopped"), None)
                        return outcome
                outcome = None
                self.number += 1
        finally:
            if not self._finished:
                self._cancelled(None)
            if self._token is not None:
                _reset(self._token)
            del outcome  # an error's traceback leads here: no cycle may keep it alive

    def _bind(self, config: RetryConfig) -> None:
        """Let the retries inside the calls keep to this one's deadline and budget."""
        if config.deadline is not None or config.budget is not None:
            deadline = None if config.deadline is None else self._started + config.deadline
            self._bounds = within(self._bounds, deadline, config.shared_budget())
            self._token = bounds.set(self._bounds)

    def _attempt_begins(self) -> None:
        config = self._policy.config
        if config.before_attempt is not None:
            self._tell(config.before_attempt, self.details())
        if self._trace is not None and (self.number > 1 or config.attempt_spans == "always"):
            self._trace.attempt_begins(self.number)

    def _after(self, outcome: Outcome) -> float | None:
        """The wait before the next attempt; None where the call has ended."""
        value, error = outcome
        if error is None:
            if not self._refused(value):
                self._succeeded(value)
                return None
        elif not isinstance(error, Exception):
            self._cancelled(error)
            return None
        decision = self._decide(error, value)
        facts = None if self._trace is None else self._trace.attempt_failed(self.number, error)
        if decision.reason is not None:
            self._gave_up(outcome, decision, facts)
            return None
        delay = decision.delay
        self._failures.append((error, value, delay))
        if self._trace is not None:
            self._trace.scheduled(self.number, delay, decision.source, facts)
        if self._policy.config.before_sleep is not None:
            self._tell(self._policy.config.before_sleep, self.details(error, value, delay))
        self._delays = (*self._delays, delay)
        return delay

    # --- The decision --------------------------------------------------------------------------------------------------

    def _decide(self, error: BaseException | None, result: Any) -> Decision:
        limits, number = self._limits, self.number
        if error is None:
            asked = wait_asked_by_result(result)
        elif never_retried(type(error)):
            return Decision(0, reason="not_retryable")
        else:
            verdict = judge(error)
            asked = verdict.retry_after
            if asked is None and isinstance(error, TraxError) and error.original_error is not None:
                asked = wait_asked_by_error(error.original_error)
            if isinstance(error, CircuitOpenError):
                return self._rejected(asked)
            test = self._policy.test
            if not (retryable_by(verdict) if test is None else self._asks(test, error)):
                return Decision(0, reason="not_retryable")
        if number > limits.max_retries or _disabled:
            return Decision(0, reason="attempts")
        if lifecycle.stopping():
            return Decision(0, reason="stopped")
        source = BACKOFF
        if asked is not None:
            source, delay = RETRY_AFTER, asked
            if delay > limits.max_delay:
                allowed = f" ({delay:.3g} s asked, {limits.max_delay:g} s allowed)"
                return Decision(delay, source, "retry_after", allowed)
        else:
            if self._waits is None:
                self._waits = Waits(self._policy.config.wait, limits)
            delay = self._waits.after(error if error is not None else result)
        return self._allowed(delay, source)

    def _allowed(self, delay: float, source: str) -> Decision:
        """The wait, where deadline and budget allow it."""
        deadline, budget = self._bounds
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
            return Decision(0, reason="rejected")
        if self.number > limits.max_retries or _disabled or lifecycle.stopping():
            return Decision(0, reason="rejected")
        decision = self._allowed(asked, RETRY_AFTER)
        return decision if decision.reason is None else decision._replace(reason="rejected")

    def _refused(self, value: Any) -> bool:
        test = self._policy.config.retry_on_result
        return test is not None and self._asks(test, value)

    def _asks(self, test: Callable[[Any], bool], about: Any) -> bool:
        try:
            return bool(test(about))
        except Exception as failure:  # the caller's error is the one that matters, not that of the question
            _report(test, failure)
            return False

    # --- The end -------------------------------------------------------------------------------------------------------

    def _succeeded(self, value: Any) -> None:
        self._finished = True
        policy = self._policy
        if self.number == 1:
            policy.tally.straight()
        else:
            policy.tally.ended("succeeded_with_retry", self.number)
        if self._bounds.budget is not None:
            self._bounds.budget.give()
        if self._trace is not None:
            self._trace.succeeded(self.number)
        if policy.config.on_success is not None:
            self._tell(policy.config.on_success, self.details(result=value))

    def _gave_up(self, outcome: Outcome, decision: Decision, facts: ErrorFacts | None) -> None:
        self._finished = True
        value, error = outcome
        reason = decision.reason
        assert reason is not None
        if len(self._failures) < self.number:
            self._failures.append((error, value, None))
        self._policy.tally.ended(_end(reason, self.number), self.number)
        if self._trace is not None:
            self._trace.gave_up(self.number, reason, error, facts)
        if error is not None:
            attach_history(error, self._policy.name, self._failures, reason, decision.detail)
        self._failures = []  # what it holds has tracebacks
        if self._policy.config.on_give_up is not None:
            self._tell(self._policy.config.on_give_up, self.details(error, value, reason=reason))

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
        return RetryDetails(self._policy.name, self.number, elapsed, error, result, delay, reason, self._delays)

    def _tell(self, callback: Callback, details: RetryDetails) -> None:
        try:
            callback(details)
        except Exception as failure:
            _report(callback, failure)


def _end(reason: StopReason, number: int) -> End:
    if reason in ("rejected", "deadline", "budget"):
        return reason
    return "failed_without_retry" if number == 1 else "failed_with_retry"


def _reset(token: Token[Bounds]) -> None:
    try:
        bounds.reset(token)
    except ValueError:  # a loop that was left, and collected in another context: its own context is gone
        return


_reported: set[int] = set()


def _report(callback: Callable[..., object], failure: Exception) -> None:
    """Log a user's callback that raised, once."""
    if id(callback) not in _reported:
        _reported.add(id(callback))
        name = getattr(callback, "__qualname__", repr(callback))
        _logger.error("retry: the callback %s raised, which changes nothing: %s", name, failure, exc_info=failure)
