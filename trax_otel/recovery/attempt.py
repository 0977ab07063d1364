"""One recovery as a plan: strategies in order, under one deadline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .. import clock
from ..errors.control_flow import passes
from ..retry.budget import Bounds, in_force
from ..retry.drivers import perform_call
from ..retry.plan import Call, Outcome, Plan
from ..signals.stacktrace import describe
from .base import PREPARED
from .failure import recovery_failed
from .telemetry import Trace

if TYPE_CHECKING:
    from .base import RecoveryContext, RecoveryStrategy
    from .limits import Limits
    from .telemetry import Ending

NO_TIME: Final = 0.001
"""Seconds that are not worth beginning anything."""


def recovery(strategies: Sequence[RecoveryStrategy], context: RecoveryContext, limits: Limits, awaits: bool) -> Plan:
    """Try the strategies until one answers. The outcome's error is the context's own where recovery is off or where it is
    no `Exception`, a cancellation where that came between, else TRAX-007."""
    if not limits.enabled or not isinstance(context.error, Exception) or passes(type(context.error)):
        return Outcome(None, context.error)
    run = Run(strategies, context, limits, awaits)
    try:
        outcome = yield from run.plan()
        return outcome
    finally:
        run.close()
        del run  # the errors it gathered have frames that lead here


class Run:
    """One recovery: what was tried so far, and what came of it."""

    def __init__(
        self, strategies: Sequence[RecoveryStrategy], context: RecoveryContext, limits: Limits, awaits: bool
    ) -> None:
        self._strategies = strategies
        self._context = context
        self._limits = limits
        self._awaits = awaits
        self._end = clock.current().monotonic() + limits.timeout
        self._bounds = Bounds(self._end, None, in_force()).begin()  # retries in strategies keep to the deadline
        self._trace: Trace | None = Trace(context.operation, context.error)
        self._prepared: str | None = None
        self._failures: list[tuple[str, BaseException]] = []
        self._untried: list[str] = []
        self._answers = 0

    def plan(self) -> Plan:
        """Strategy by strategy; the outcome of the whole."""
        trace = self._trace
        assert trace is not None
        for strategy in self._strategies:
            if self._left() <= 0 or self._answers >= self._limits.max_fallbacks:
                self._untried.append(strategy.name)
                trace.strategy_skipped(strategy.name, "no time is left" if self._left() <= 0 else "max_fallbacks")
                continue
            applies = perform_call(Call(partial(strategy.applies, self._context)))
            if applies.error is None and not applies.value:
                trace.strategy_skipped(strategy.name, "it does not apply")
                continue
            trace.strategy_begins(strategy.name)
            outcome = applies
            if applies.error is None:
                outcome = yield Call(partial(self._recoverer(strategy), self._context), self._left())
            if self._is_end(strategy.name, outcome):
                return outcome
        return self._unanswered()

    def close(self) -> None:
        """End what is still open, and let go of the errors."""
        self._ended("cancelled")
        self._bounds.end()
        self._failures.clear()

    def _recoverer(self, strategy: RecoveryStrategy) -> Callable[[RecoveryContext], Any]:
        blocking: Callable[[RecoveryContext], Any] | None = getattr(strategy, "recover_sync", None)
        return strategy.recover if self._awaits or blocking is None else blocking

    def _is_end(self, name: str, outcome: Outcome) -> bool:
        """Take a strategy's outcome in; whether it is that of the whole."""
        trace, error = self._trace, outcome.error
        assert trace is not None
        if error is None:
            if outcome.value is PREPARED:
                self._prepared = name
                trace.strategy_ends("prepared")
                return False
            trace.strategy_ends("recovered")
            self._ended("recovered", name)
            return True
        if not isinstance(error, Exception) or passes(type(error)):
            trace.strategy_ends("cancelled", error)
            self._ended("cancelled", None, error)
            return True
        self._answers += 1
        self._failures.append((name, error))
        trace.strategy_ends("timeout" if self._left() <= 0 else "failed", error)
        return False

    def _unanswered(self) -> Outcome:
        if self._prepared is not None and not self._failures and not self._untried:
            self._ended("prepared", self._prepared)
            return Outcome(None)
        late = self._left() <= 0
        error = recovery_failed(self._context, self._reason(late), [error for _, error in self._failures])
        self._ended("timeout" if late else "failed", None, error)
        return Outcome(None, error)

    def _reason(self, late: bool) -> str:
        tried = "; ".join(f"{name}: {describe(error)}" for name, error in self._failures)
        if not tried:
            kind = type(self._context.error).__name__
            tried = f"no strategy applies to {kind}" if self._strategies else "no strategy was added"
        if late:
            tried += f"; the time limit of {self._limits.timeout:g} s passed"
        elif self._untried:
            tried += f"; max_fallbacks={self._limits.max_fallbacks} were tried"
        return f"{tried}; not tried: {', '.join(self._untried)}" if self._untried else tried

    def _left(self) -> float:
        left = self._end - clock.current().monotonic()
        return 0.0 if left < NO_TIME else left

    def _ended(self, ending: Ending, strategy: str | None = None, error: BaseException | None = None) -> None:
        trace, self._trace = self._trace, None
        if trace is not None:
            trace.ends(ending, strategy, error)
