"""What fallbacks tell: a span for each alternative, a count and an event for the one that answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import get_current_span

from ... import clock, config, semconv
from ...errors import error_facts
from ...signals import counter, emit_event
from ...signals.stacktrace import describe
from ..telemetry import Step, Trace, declare

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Span

    from ..telemetry import Ending
    from .cache import CachedAnswer

_logger = logging.getLogger(__name__)
_fallbacks = counter(semconv.RECOVERY_FALLBACKS)
_attempts = counter(semconv.RECOVERY_ATTEMPTS)


def declare_fallbacks(operation: str, strategy: str | None, alternatives: Iterable[str]) -> None:
    """Let the counters of these alternatives exist at 0; `strategy` where the chain is a recovery by itself."""
    labels = {semconv.OPERATION_NAME: operation}
    _fallbacks.declare(*({**labels, semconv.RECOVERY_FALLBACK: name} for name in alternatives))
    if strategy is not None:
        declare(operation, [strategy])


class FallbackTrace:
    """One call's alternatives. `strategy` is given where the chain is a recovery by itself, with a `recover` span of its
    own; inside a manager's strategy the spans nest under that one's."""

    __slots__ = ("_around", "_error", "_recover", "_span", "_strategy", "operation")

    def __init__(self, operation: str, error: BaseException, strategy: str | None) -> None:
        self.operation = operation
        self._error = error
        self._strategy = strategy
        self._around = get_current_span()
        self._recover = None if strategy is None else Trace(operation, error)
        self._span: tuple[str, Step] | None = None

    def begins(self, name: str) -> None:
        """Open an alternative's span: what it does nests inside."""
        self._span = name, Step(semconv.RECOVERY_FALLBACK_SPAN, {semconv.RECOVERY_FALLBACK: name})

    def cached(self, answer: CachedAnswer) -> None:
        """The alternative is an answer from a cache."""
        if self._span is not None:
            self._span[1].set(semconv.RECOVERY_CACHE_AGE, answer.age)
            self._span[1].set(semconv.RECOVERY_CACHE_STALE, answer.stale)

    def ends(self, ending: Ending, error: BaseException | None = None) -> None:
        """Close it. The one that answered is counted, and told on the operation around."""
        if self._span is None:
            return
        (name, step), self._span = self._span, None
        if ending == "recovered":
            labels = {semconv.OPERATION_NAME: self.operation, semconv.RECOVERY_FALLBACK: name}
            _fallbacks.add(1, labels)
            tell_use(self._around, labels, self._error)
        step.end(ending, error)
        if config.debug():
            reason = "" if error is None else f": {describe(error)}"
            _logger.debug("fallback of %s: %s %s%s", self.operation, name, ending, reason)

    def finished(self, ending: Ending, error: BaseException | None = None) -> None:
        """No further alternative follows."""
        self.ends("cancelled")
        recover, self._recover = self._recover, None
        if recover is not None and self._strategy is not None:
            recover.ends(ending, self._strategy, error)
            labels = {semconv.OPERATION_NAME: self.operation, semconv.RECOVERY_STRATEGY: self._strategy}
            _attempts.add(1, {**labels, semconv.RECOVERY_OUTCOME: ending})


def skipped(operation: str, name: str, why: str) -> None:
    """An alternative was not tried."""
    if config.debug():
        _logger.debug("fallback of %s: %s skipped: %s", operation, name, why)


def tell_use(span: Span, labels: dict[str, Any], error: BaseException) -> None:
    """The event on the operation: an alternative answered, and why it had to."""
    attributes = dict(labels)
    if isinstance(error, Exception):
        attributes[semconv.ERROR_CODE] = error_facts(error).code
    emit_event(semconv.FALLBACK_EVENT, attributes, severity="WARN", span=span)


def now() -> float:
    """Seconds of the clock in force, for ages and deadlines."""
    return clock.current().monotonic()
