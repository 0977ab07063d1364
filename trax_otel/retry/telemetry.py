"""What a retried call tells: counts by how it ended, and while somebody watches, spans for operation and attempts."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any, Final, Literal

from .. import config, semconv
from ..errors import error_facts
from ..signals import SpanScope, count_error, emit_event, histogram, observe, start_span, tracing
from ..signals.aggregate import OVERFLOW, Observation, on_reset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from ..metrics.operation import Operation
    from ..signals import ErrorFacts
    from .details import StopReason

    _Count = itertools.count[int]
else:
    _Count = itertools.count

End = Literal[
    "succeeded_without_retry", "succeeded_with_retry", "failed_without_retry", "failed_with_retry",
    "rejected", "cancelled", "deadline", "budget",
]  # fmt: skip
STRAIGHT: Final[End] = "succeeded_without_retry"
ENDS: Final[tuple[End, ...]] = (
    STRAIGHT, "succeeded_with_retry", "failed_without_retry", "failed_with_retry",
    "rejected", "cancelled", "deadline", "budget",
)  # fmt: skip

_logger = logging.getLogger(__name__)
_delays = histogram(semconv.RETRY_DELAYS)


# --- Counts ---------------------------------------------------------------------------------------


class Counter(_Count):
    """A count by `next`, which needs no lock and is one C call. Sent to another process by value, as part of a function
    that counts by it, it is the counter of the same name there: what `find(*arguments)` gives."""

    found: tuple[Callable[..., Counter], tuple[Any, ...]]

    def __new__(cls, find: Callable[..., Counter], *arguments: Any) -> Self:
        made: Any = super().__new__(cls)
        made.found = find, arguments
        return made  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return self.found


class Tally:
    """What the retried operations of one name came to.

    `next(straight)` counts one that succeeds at once. Every count is one C call, so it needs no lock and costs a call next to
    nothing. The figures are read at export.
    """

    __slots__ = ("_base", "_others", "labels", "straight")

    def __init__(self, labels: Mapping[str, Any], name: str | None = None) -> None:
        self.labels = labels
        self.straight = Counter(_straight_of, name)
        self.zero()

    def zero(self) -> None:
        """Start anew (a forked child). Decorators hold `straight`, so what it has counted is set off."""
        self._base = counted(self.straight)
        self._others: dict[tuple[End, int], itertools.count[int]] = {}

    def ended(self, end: End, attempts: int) -> None:
        """Count a call that took another way."""
        count = self._others.get((end, attempts))
        if count is None:
            count = self._others.setdefault((end, attempts), itertools.count())
        next(count)

    def ends(self) -> dict[End, int]:
        """Operations by how they ended."""
        ends: dict[End, int] = dict.fromkeys(ENDS, 0)
        ends[STRAIGHT] = self._straights()
        for (end, _), count in list(self._others.items()):
            ends[end] += counted(count)
        return ends

    def attempts(self) -> int:
        """Calls made."""
        others = list(self._others.items())
        return self._straights() + sum(attempts * counted(count) for (_, attempts), count in others)

    def _straights(self) -> int:
        return counted(self.straight) - self._base


def counted(count: itertools.count[int]) -> int:
    """How often it was called: its text is its only way to tell without counting."""
    return int(repr(count).partition("(")[2][:-1])


_tallies: dict[str, Tally] = {}


def tally(name: str) -> Tally:
    """The counts of the operations of this name; beyond the limit of names, those of all the others."""
    found = _tallies.get(name)
    if found is not None:
        return found
    if len(_tallies) >= config.settings().metrics.cardinality_limit:
        return _overflow
    return _tallies.setdefault(name, Tally({semconv.OPERATION_NAME: name}, name))


def _straight_of(name: str | None) -> Counter:
    return (_overflow if name is None else tally(name)).straight


_overflow = Tally(OVERFLOW)


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
on_reset(_forget)


# --- Spans ----------------------------------------------------------------------------------------


def begin_operation(name: str) -> Operation:
    """Begin the operation of one call. The room of metrics is loaded by the first call that somebody observes: importing it
    would be a third of what importing this room costs."""
    global _operation
    if _operation is None:
        from ..metrics.operation import Operation

        _operation = Operation
    return _operation(name).begin()


_operation: type[Operation] | None = None


class Trace:
    """The spans and events of one retried call: its operation, and its attempts once one has failed."""

    __slots__ = ("_attempt", "_failed", "_labels", "operation")

    def __init__(self, operation: Operation, labels: Mapping[str, Any]) -> None:
        self.operation = operation
        self._labels = labels
        self._attempt: SpanScope | None = None
        self._failed: tuple[int, ErrorFacts | None] = (0, None)

    def attempt_begins(self, number: int) -> None:
        """Open the attempt's span: what the call does nests inside."""
        if tracing():
            self._attempt = start_span(semconv.RETRY_ATTEMPT_SPAN, {semconv.RETRY_ATTEMPT: number})

    def attempt_failed(self, number: int, error: BaseException | None) -> ErrorFacts | None:
        """Close it. A first attempt without a span of its own gets one now, dated back to its beginning."""
        if self._failed[0] == number:  # told to stop during the wait after it
            return self._failed[1]
        facts = error_facts(error) if isinstance(error, Exception) else None
        self._failed = (number, facts)
        scope, self._attempt = self._attempt, None
        if scope is None and tracing() and number == 1:
            scope = start_span(
                semconv.RETRY_ATTEMPT_SPAN,
                {semconv.RETRY_ATTEMPT: 1, semconv.RETRY_BACKDATED: True},
                start_time=self.operation.started_ns,
            )
        outcome = "failure" if facts is not None or error is None else "cancelled"
        if scope is not None and scope.span.is_recording():
            scope.end(outcome, error, facts)
            return facts
        if scope is not None:
            scope.end(outcome)
        if error is not None and facts is not None:  # no span shows it: told if it is what the operation fails with
            count_error(error, facts)
        return facts

    def attempt_succeeded(self) -> None:
        """Close it."""
        scope, self._attempt = self._attempt, None
        if scope is not None:
            scope.end("success")

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
            failure = "its result" if facts is None else f"{facts.type}, {facts.code}"
            _logger.debug("%s: attempt %d failed (%s), the next follows in %.3f s (%s)",
                          self.operation.name, number, failure, delay, source)  # fmt: skip

    def succeeded(self, number: int) -> None:
        """The call has succeeded."""
        self.attempt_succeeded()
        if number > 1:
            self.operation.set(semconv.RETRY_COUNT, number - 1)
        self.operation.end()

    def gave_up(self, number: int, reason: StopReason, error: BaseException | None) -> None:
        """No further attempt is made."""
        facts = self.attempt_failed(number, error)
        attributes: dict[str, Any] = {semconv.RETRY_ATTEMPT: number, semconv.RETRY_STOP_REASON: reason}
        if facts is not None:
            attributes[semconv.ERROR_CODE] = facts.code
        operation = self.operation
        emit_event(semconv.RETRY_EXHAUSTED_EVENT, attributes, severity="WARN", span=operation.span)
        operation.set(semconv.RETRY_COUNT, number - 1)
        operation.set(semconv.RETRY_STOP_REASON, reason)
        if config.debug():
            _logger.debug("%s: gave up after attempt %d (%s)", operation.name, number, reason)
        operation.end(error, "rejected" if reason == "rejected" else "failure", facts)

    def cancelled(self, number: int, error: BaseException | None = None) -> None:
        """The call ended without an error of its own: a cancelled task, an interrupt, a loop that was left."""
        scope, self._attempt = self._attempt, None
        if scope is not None:
            scope.end("cancelled")
        if number > 1:
            self.operation.set(semconv.RETRY_COUNT, number - 1)
        self.operation.end(error, "cancelled")
