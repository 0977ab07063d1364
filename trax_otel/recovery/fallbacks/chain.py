"""A chain as a plan: the operation itself, and where it fails its alternatives in order, under one deadline."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ... import semconv
from ...errors.awaiting import NotAwaitedError
from ...errors.control_flow import never_retried, steers
from ...metrics.operation import Operation
from ...retry.budget import Bounds, in_force
from ...retry.drivers import perform_call
from ...retry.plan import Call, Outcome, Plan
from ...signals import observed
from ...signals.stacktrace import describe
from ..base import RecoveryContext
from ..failure import recovery_failed
from . import ambient
from .alternatives import NO_ANSWER
from .cache import CachedAnswer
from .telemetry import FallbackTrace, now, skipped

if TYPE_CHECKING:
    from ...retry.conditions import Test
    from ..limits import Limits
    from ..telemetry import Ending
    from .alternatives import Alternative

KEEPING_SECONDS: Final = 2.0
"""How long a store that is awaited may take to keep an answer: the caller is waiting for it."""
NO_TIME: Final = 0.001
"""Seconds that are not worth beginning anything."""
EXHAUSTED: Final = "__trax_fallbacks_exhausted__"
"""On an error: the owner whose alternatives have all been tried already."""

_logger = logging.getLogger(__name__)


class Chain:
    """What one call may fall back on. `name` is the strategy's in telemetry, `owner` whose alternatives they are; answers
    are kept under `operation`."""

    __slots__ = ("alternatives", "limits", "name", "operation", "owner", "test")

    def __init__(
        self,
        name: str,
        operation: str,
        owner: object,
        alternatives: Sequence[Alternative],
        test: Test | None,
        limits: Limits,
    ) -> None:
        self.name = name
        self.operation = operation
        self.owner = owner
        self.alternatives = alternatives
        self.test = test
        self.limits = limits

    def falls_back(self, error: BaseException) -> bool:
        """Whether alternatives are asked after this error."""
        if not self.limits.enabled:
            return False
        if getattr(error, "__dict__", {}).get(EXHAUSTED) is self.owner:  # a call inside this one has asked them
            return False
        return falls_back(error, self.test, self.name)

    def serving(self, operation: str, error: BaseException) -> list[Alternative]:
        """The alternatives that may answer for this error of this operation."""
        found: list[Alternative] = []
        for alternative in self.alternatives:
            if holds(partial(alternative.serves, operation, error), f"{alternative.name}: the condition `on`"):
                found.append(alternative)
            else:
                skipped(operation, alternative.name, "it does not serve this operation or this error")
        return found


def execution(chain: Chain, args: tuple[Any, ...], kwargs: Mapping[str, Any], primary: Callable[[], Any]) -> Plan:
    """Call `primary`; where it fails, ask the alternatives. The outcome's error is its own where none of them serves, else
    TRAX-007 with every cause."""
    operation = Operation(chain.operation).begin() if observed() else None
    ended = Outcome(None, GeneratorExit())
    try:
        ended = yield Call(primary)
        if ended.error is None:
            ended = yield from _remember(chain, args, kwargs, ended)
        elif chain.falls_back(ended.error):
            serving = chain.serving(chain.operation, ended.error)
            if serving:
                context = RecoveryContext(chain.operation, ended.error, (args, kwargs))
                ended = yield from _asked(_Answers(chain, context, serving, chain.name, operation))
        return ended
    finally:
        if operation is not None:
            operation.end(ended.error)
        del ended


def answers(chain: Chain, context: RecoveryContext) -> Plan:
    """Ask the alternatives alone, inside a recovery whose manager tells of it and sets the deadline."""
    serving = chain.serving(context.operation, context.error)
    outcome = yield from _asked(_Answers(chain, context, serving, None, None))
    return outcome


def _asked(run: _Answers) -> Plan:
    try:
        outcome = yield from run.plan()
        return outcome
    finally:
        run.close()
        del run  # the errors it gathered have frames that lead here


class _Answers:
    """The alternatives of one call: what was tried so far, and what came of it. `strategy` is None inside a manager's
    recovery; `operation` is the one that learns who answered."""

    def __init__(
        self,
        chain: Chain,
        context: RecoveryContext,
        serving: Sequence[Alternative],
        strategy: str | None,
        operation: Operation | None,
    ) -> None:
        self._chain = chain
        self._context = context
        self._serving = serving
        self._operation = operation
        began = now()
        self._end = began + chain.limits.timeout
        self._bounds = Bounds(self._end, None, in_force()).begin()  # retries in alternatives keep to it
        if strategy is None and self._bounds.deadline is not None:
            self._end = self._bounds.deadline  # else a retry around the call does not cut its alternatives off
        self._limit = max(0.0, self._end - began)
        self._trace = FallbackTrace(context.operation, context.error, strategy)
        self._failures: list[tuple[str, BaseException]] = []
        self._silent: list[str] = []
        self._untried: list[str] = []

    def plan(self) -> Plan:
        """Alternative by alternative; the outcome of the whole."""
        context, trace = self._context, self._trace
        for alternative in self._serving:
            name = alternative.name
            if self._left() <= 0 or len(self._failures) >= self._chain.limits.max_fallbacks:
                self._untried.append(name)
                skipped(context.operation, name, "no time is left" if self._left() <= 0 else "max_fallbacks")
                continue
            trace.begins(name)
            outside = ambient.leave(self._chain.owner)  # one that is a fallback point itself must not ask us again
            try:
                answer = partial(alternative.answer, self._chain.operation, context.args, context.kwargs)
                outcome = yield Call(answer, self._left())
            finally:
                ambient.back(outside)
            if self._is_end(name, outcome):
                return outcome
        return self._unanswered()

    def close(self) -> None:
        """End what is still open, and let go of the errors."""
        self._trace.finished("cancelled")
        self._bounds.end()
        self._failures.clear()

    def _is_end(self, name: str, outcome: Outcome) -> bool:
        """Take an alternative's outcome in; whether it is that of the whole."""
        error, trace = outcome.error, self._trace
        if error is None:
            if outcome.value is NO_ANSWER:
                self._silent.append(name)
                trace.ends("skipped")
                return False
            if isinstance(outcome.value, CachedAnswer):
                trace.cached(outcome.value)
                outcome.value = outcome.value.value
            trace.ends("recovered")
            trace.finished("recovered")
            if self._operation is not None:
                self._operation.set(semconv.RECOVERY_FALLBACK, name)
            return True
        if never_retried(error) and not isinstance(error, NotAwaitedError):
            ends_early = not isinstance(error, Exception) or steers(type(error))
            ending: Ending = "cancelled" if ends_early else "failed"
            trace.ends(ending, error)
            trace.finished(ending, error)
            return True
        self._failures.append((name, error))
        trace.ends("timeout" if self._left() <= 0 else "failed", error)
        return False

    def _unanswered(self) -> Outcome:
        late = self._left() <= 0
        error = recovery_failed(self._context, self._reason(late), [error for _, error in self._failures])
        error.__dict__[EXHAUSTED] = self._chain.owner
        self._trace.finished("timeout" if late else "failed", error)
        return Outcome(None, error)

    def _reason(self, late: bool) -> str:
        limits = self._chain.limits
        parts = [f"{name}: {describe(error)}" for name, error in self._failures]
        parts += [f"{name} had no answer" for name in self._silent]
        if late:
            parts.append(f"the time limit of {self._limit:g} s passed")
        elif self._untried:
            parts.append(f"max_fallbacks={limits.max_fallbacks} were tried")
        if self._untried:
            parts.append(f"not tried: {', '.join(self._untried)}")
        return "; ".join(parts or [f"no fallback serves {describe(self._context.error)}"])

    def _left(self) -> float:
        left = self._end - now()
        return 0.0 if left < NO_TIME else left


def _remember(chain: Chain, args: tuple[Any, ...], kwargs: Mapping[str, Any], good: Outcome) -> Plan:
    """Let those that keep good answers have this one. They cannot spoil it."""
    for alternative in chain.alternatives:
        if not alternative.remembers or not alternative.knows(chain.operation):
            continue
        remember = partial(alternative.remember, chain.operation, args, kwargs, good.value)
        kept = yield Call(remember, min(KEEPING_SECONDS, chain.limits.timeout))
        if kept.error is not None:
            if not isinstance(kept.error, Exception):
                return kept
            complain(f"{chain.name}: {alternative.name} could not keep an answer", kept.error)
    return good


# --- Users' own functions, contained -----------------------------------------------------------------------------------


def falls_back(error: BaseException, test: Test | None, name: str) -> bool:
    """Whether an error is one to fall back from. A condition that raises is contained: then it is not."""
    if test is None:
        return not never_retried(error)
    return holds(partial(test, error), f"{name}: the condition `on`")


def holds(function: Callable[[], Any], what: str) -> bool:
    """Whether a user's condition holds; one that raises does not, which is said once."""
    asked = perform_call(Call(function))
    if asked.error is None:
        return bool(asked.value)
    if not isinstance(asked.error, Exception):
        raise asked.error
    complain(f"{what} raised", asked.error)
    return False


_said: set[str] = set()
MAX_SAID: Final = 1_000


def complain(what: str, error: BaseException) -> None:
    """Say once in a process that something of the user's failed."""
    if what not in _said and len(_said) < MAX_SAID:
        _said.add(what)
        _logger.warning("%s: %s (said once)", what, describe(error))
