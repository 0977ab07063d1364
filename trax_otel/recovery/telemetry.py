"""What a recovery tells: a span `recover` with one child a strategy, fallback or cleanup, counts, and a line in the log.

Where nobody watches, spans cost a look; figures are always kept.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry.trace import get_current_span

from .. import clock, config, semconv
from ..errors import error_facts
from ..signals import SpanScope, counter, emit_event, histogram, record_error, start_span, tracing
from ..signals.stacktrace import describe, message_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..metrics import Outcome

Ending = Literal["recovered", "prepared", "failed", "skipped", "timeout", "cancelled"]
DECLARED: Final[tuple[Ending, ...]] = ("recovered", "failed", "timeout")
"""What alerts count. The others exist when they happen: a metric has room for so many series only."""
_OUTCOMES: Final[dict[Ending, Outcome]] = {
    "recovered": "success", "prepared": "success", "failed": "failure", "timeout": "failure", "skipped": "rejected",
    "cancelled": "cancelled",
}  # fmt: skip

_logger = logging.getLogger(__name__)
_attempts = counter(semconv.RECOVERY_ATTEMPTS)
_durations = histogram(semconv.RECOVERY_DURATION)


def declare(operation: str, strategies: Iterable[str]) -> None:
    """Let these counters exist at 0, so that their first event is an increase."""
    for strategy in strategies:
        labels = {semconv.OPERATION_NAME: operation, semconv.RECOVERY_STRATEGY: strategy}
        _attempts.declare(*({**labels, semconv.RECOVERY_OUTCOME: ending} for ending in DECLARED))


class Step:
    """The span of a recovery, or of a strategy, fallback or cleanup inside one; current until `end`. None is made where
    nobody watches. Nothing here raises."""

    __slots__ = ("_scope",)

    def __init__(self, name: str, attributes: Mapping[str, Any]) -> None:
        self._scope: SpanScope | None = start_span(name, attributes) if tracing() else None

    def set(self, key: str, value: Any) -> None:
        """Set an attribute."""
        if self._scope is not None:
            self._scope.set(key, value)

    def record(self, error: BaseException) -> None:
        """Record an error that does not end the step; one that was recorded elsewhere gives its type and code alone."""
        if isinstance(error, Exception):
            record_error(error, error_facts(error), span=None if self._scope is None else self._scope.span)

    def end(self, ending: Ending, error: BaseException | None = None) -> None:
        """End it; ending twice does nothing. With an error it failed, and the error is recorded where it was not yet."""
        scope, self._scope = self._scope, None
        failed = error if isinstance(error, Exception) else None
        facts = None if failed is None else error_facts(failed)
        if scope is not None:
            scope.set(semconv.RECOVERY_OUTCOME, ending)
            scope.end(_OUTCOMES[ending], failed, facts)
        elif failed is not None and facts is not None:
            record_error(failed, facts)


class Trace:
    """One recovery: its span, its strategies' spans, what is counted and said."""

    __slots__ = ("_around", "_began", "_recover", "_strategy", "operation")

    def __init__(self, operation: str, error: BaseException) -> None:
        self.operation = operation
        self._around = get_current_span()
        self._began = clock.current().monotonic()
        self._strategy: tuple[str, Step] | None = None
        self._recover = Step(semconv.RECOVERY_SPAN, {semconv.OPERATION_NAME: operation})
        self._recover.record(error)  # what is recovered from is in the trace, whoever caught it before

    def strategy_begins(self, name: str) -> None:
        """Open the strategy's span: what it does nests inside."""
        self._strategy = name, Step(semconv.RECOVERY_STRATEGY_SPAN, {semconv.RECOVERY_STRATEGY: name})

    def strategy_ends(self, ending: Ending, error: BaseException | None = None) -> None:
        """Close it and count it."""
        if self._strategy is None:
            return
        (name, step), self._strategy = self._strategy, None
        step.end(ending, error)
        labels = {semconv.OPERATION_NAME: self.operation, semconv.RECOVERY_STRATEGY: name}
        _attempts.add(1, {**labels, semconv.RECOVERY_OUTCOME: ending})
        if config.debug():
            reason = "" if error is None else f": {describe(error)}"
            _logger.debug("recovery of %s: strategy %s %s%s", self.operation, name, ending, reason)

    def strategy_skipped(self, name: str, why: str) -> None:
        """It was not tried."""
        if config.debug():
            _logger.debug("recovery of %s: strategy %s skipped: %s", self.operation, name, why)

    def ends(self, ending: Ending, strategy: str | None = None, error: BaseException | None = None) -> None:
        """The recovery is over; `strategy` is the one that answered."""
        self.strategy_ends("cancelled")
        seconds = clock.current().monotonic() - self._began
        attributes: dict[str, Any] = {semconv.RECOVERY_OUTCOME: ending}
        if strategy is not None:
            attributes[semconv.RECOVERY_STRATEGY] = strategy
            self._recover.set(semconv.RECOVERY_STRATEGY, strategy)
        self._say(ending, strategy, seconds, error)
        self._recover.end(ending, error)
        _durations.record(seconds, {semconv.OPERATION_NAME: self.operation, **attributes})
        if self._around.is_recording():
            emit_event(semconv.RECOVERY_EVENT, attributes, span=self._around)

    def _say(self, ending: Ending, strategy: str | None, seconds: float, error: BaseException | None) -> None:
        # Said while `recover` is still current, so that the record bears its span.
        if ending in ("recovered", "prepared"):
            _logger.info("recovered %s by %s after %.3f s", self.operation, strategy, seconds)
        elif error is not None and isinstance(error, Exception):
            _logger.warning("%s (after %.3f s)", message_of(error), seconds)
