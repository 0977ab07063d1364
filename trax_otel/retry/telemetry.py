"""What a retried call tells: counts by how it ended, and while somebody watches, spans for operation and attempts."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry.trace import StatusCode

from .. import config, lifecycle, semconv
from ..errors import error_facts
from ..metrics.operation import CANCELLED, FAILURE, REJECTED, SUCCESS, Operation
from ..signals import SpanScope, emit_event, histogram, observe, record_error, start_span, tracing
from ..signals.aggregate import OVERFLOW, Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..signals import ErrorFacts
    from .details import StopReason

End = Literal[
    "succeeded_without_retry", "succeeded_with_retry", "failed_without_retry", "failed_with_retry",
    "rejected", "cancelled", "deadline", "budget",
]  # fmt: skip
STRAIGHT: Final = "succeeded_without_retry"
ENDS: Final[tuple[End, ...]] = (
    STRAIGHT, "succeeded_with_retry", "failed_without_retry", "failed_with_retry",
    "rejected", "cancelled", "deadline", "budget",
)  # fmt: skip

_logger = logging.getLogger(__name__)
_delays = histogram(semconv.RETRY_DELAYS)


# --- Counts ---------------------------------------------------------------------------------------


class Tally:
    """What the retried operations of one name came to.

    `straight` is called for each that succeeds at once: one C call, so it needs no lock and costs a call next to nothing.
    The figures are read at export.
    """

    __slots__ = ("_attempts", "_base", "_count", "_ends", "_lock", "labels", "straight")

    def __init__(self, labels: Mapping[str, Any]) -> None:
        self.labels = labels
        self._count = itertools.count()
        self.straight = self._count.__next__
        self._base = 0
        self.zero()

    def zero(self) -> None:
        """Start anew (a forked child)."""
        self._lock = threading.Lock()
        self._base = self._straights() + self._base
        self._ends: dict[str, int] = dict.fromkeys(ENDS, 0)
        self._attempts = 0

    def ended(self, end: End, attempts: int) -> None:
        """Count a call that took another way."""
        with self._lock:
            self._ends[end] += 1
            self._attempts += attempts

    def ends(self) -> dict[str, int]:
        """Operations by how they ended."""
        return {**self._ends, STRAIGHT: self._ends[STRAIGHT] + self._straights()}

    def attempts(self) -> int:
        """Calls made."""
        return self._attempts + self._straights()

    def _straights(self) -> int:
        return int(repr(self._count)[len("count(") : -1]) - self._base  # its only way to tell without counting


_tallies: dict[str, Tally] = {}
_overflow = Tally(OVERFLOW)


def tally(name: str) -> Tally:
    """The counts of the operations of this name; beyond the limit of names, those of all the others."""
    found = _tallies.get(name)
    if found is not None:
        return found
    if len(_tallies) >= config.settings().metrics.cardinality_limit:
        return _overflow
    return _tallies.setdefault(name, Tally({semconv.OPERATION_NAME: name}))


def _known() -> list[Tally]:
    return [*_tallies.values(), *([_overflow] if _overflow.attempts() else [])]


def _observe_operations() -> list[Observation]:
    return [
        (count, {**known.labels, semconv.RETRY_OUTCOME: end})
        for known in _known()
        for end, count in known.ends().items()
    ]


def _observe_attempts() -> list[Observation]:
    return [(known.attempts(), known.labels) for known in _known()]


def _forget() -> None:
    for known in [*_tallies.values(), _overflow]:
        known.zero()


observe(semconv.RETRY_OPERATIONS, _observe_operations)
observe(semconv.RETRY_ATTEMPTS, _observe_attempts)
lifecycle.register(lifecycle.Participant("retries", lifecycle.ORDER_SIGNALS + 1, after_fork_in_child=_forget))


# --- Spans ----------------------------------------------------------------------------------------


class Trace:
    """The spans and events of one retried call: its operation, and its attempts once one has failed."""

    __slots__ = ("_attempt", "_labels", "operation")

    def __init__(self, operation: Operation, labels: Mapping[str, Any]) -> None:
        self.operation = operation
        self._labels = labels
        self._attempt: SpanScope | None = None

    def attempt_begins(self, number: int) -> None:
        """Open the attempt's span: what the call does nests inside."""
        if tracing():
            self._attempt = start_span(semconv.RETRY_ATTEMPT_SPAN, {semconv.RETRY_ATTEMPT: number})

    def attempt_failed(self, number: int, error: BaseException | None) -> ErrorFacts | None:
        """Close it. A first attempt without a span of its own gets one now, dated back to its beginning."""
        facts = error_facts(error) if isinstance(error, Exception) else None
        scope, self._attempt = self._attempt, None
        if scope is None and tracing() and number == 1:
            scope = start_span(
                semconv.RETRY_ATTEMPT_SPAN,
                {semconv.RETRY_ATTEMPT: 1, semconv.RETRY_BACKDATED: True},
                start_time=self.operation.started_ns,
            )
        if scope is None:
            if error is not None and facts is not None:
                record_error(error, facts)
            return facts
        if error is None:
            scope.span.set_status(StatusCode.ERROR, "the result asks for another attempt")
        scope.end(FAILURE if facts is not None or error is None else CANCELLED, error, facts)
        return facts

    def attempt_succeeded(self) -> None:
        """Close it."""
        scope, self._attempt = self._attempt, None
        if scope is not None:
            scope.end(SUCCESS)

    def scheduled(self, number: int, delay: float, source: str, facts: ErrorFacts | None) -> None:
        """Another attempt will follow the `number`th after `delay` seconds."""
        _delays.record(delay, self._labels)
        attributes: dict[str, Any] = {
            semconv.RETRY_ATTEMPT: number, semconv.RETRY_DELAY: delay, semconv.RETRY_DELAY_SOURCE: source,
        }  # fmt: skip
        if facts is not None:
            attributes[semconv.ERROR_CODE] = facts.code
        emit_event(semconv.RETRY_SCHEDULED_EVENT, attributes, span=self.operation.span)
        if config.debug():
            _logger.debug("%s: attempt %d failed, the next follows in %.3f s (%s)",
                          self.operation.name, number, delay, source)  # fmt: skip

    def succeeded(self, number: int) -> None:
        """The call has succeeded."""
        self.attempt_succeeded()
        if number > 1:
            self.operation.set(semconv.RETRY_COUNT, number - 1)
        self.operation.end()

    def gave_up(self, number: int, reason: StopReason, error: BaseException | None, facts: ErrorFacts | None) -> None:
        """No further attempt is made."""
        attributes: dict[str, Any] = {semconv.RETRY_ATTEMPT: number, semconv.RETRY_STOP_REASON: reason}
        if facts is not None:
            attributes[semconv.ERROR_CODE] = facts.code
        operation = self.operation
        emit_event(semconv.RETRY_EXHAUSTED_EVENT, attributes, severity="WARN", span=operation.span)
        operation.set(semconv.RETRY_COUNT, number - 1)
        operation.set(semconv.RETRY_STOP_REASON, reason)
        if config.debug():
            _logger.debug("%s: gave up after attempt %d (%s)", operation.name, number, reason)
        operation.end(error, REJECTED if reason == "rejected" else FAILURE, facts)

    def cancelled(self, number: int, error: BaseException | None = None) -> None:
        """The call ended without an error of its own: a cancelled task, an interrupt, a loop that was left."""
        scope, self._attempt = self._attempt, None
        if scope is not None:
            scope.end(CANCELLED)
        if number > 1:
            self.operation.set(semconv.RETRY_COUNT, number - 1)
        self.operation.end(error, CANCELLED)
