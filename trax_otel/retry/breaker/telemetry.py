"""What a breaker tells: counts of its calls, its state, each change, and what a rejected call is linked to."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import Link, get_current_span

from ... import config, lifecycle, semconv
from ...errors import error_facts
from ...signals import emit_event, observe, start_span, tracing
from ...signals.aggregate import OVERFLOW, Observation, on_reset
from ...signals.stacktrace import exc_info
from ..telemetry import Counter, counted
from .machine import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import SpanContext

    from .guard import CircuitBreaker
    from .machine import CallOutcome, State, Transition
    from .rules import Reason

Change = tuple["State", "Reason"]
OUTCOMES: Final = ("success", "failure", "ignored", "cancelled", "rejected")
CHANGES: Final[tuple[Change, ...]] = (
    ("open", "failures"), ("open", "failure_rate"), ("open", "slow_call_rate"), ("open", "probe_failed"), ("open", "manual"),
    ("half_open", "timeout"), ("closed", "probes_succeeded"), ("closed", "manual"), ("isolated", "manual"),
)  # fmt: skip
_LEVELS: Final = {
    "open": logging.WARNING,
    "isolated": logging.WARNING,
    "closed": logging.INFO,
    "half_open": logging.DEBUG,
}

_logger = logging.getLogger("trax_otel.retry.breaker")


class StateChange(NamedTuple):
    """What listeners are told: the breaker's name, the states, why, and for how many seconds it will reject calls."""

    breaker: str
    previous: State
    state: State
    reason: Reason
    open_for: float | None


class Calls:
    """The calls through the breakers of one name, and the changes of their states.

    Each count is one C call, so none needs a lock. They are read at export, and are there from the start: the first trip is an
    increase for an alert, even where the breaker was made before there was an SDK.
    """

    __slots__ = ("_base", "_counts", "cancelled", "failure", "ignored", "labels", "rejected", "success")

    success: Callable[[], int]
    failure: Callable[[], int]
    ignored: Callable[[], int]
    cancelled: Callable[[], int]
    rejected: Callable[[], int]

    def __init__(self, labels: Mapping[str, Any], name: str | None = None) -> None:
        self.labels = labels
        keys: list[str | Change] = [*OUTCOMES, *CHANGES]
        self._counts = {key: Counter(_counter_of, name, key) for key in keys}
        self._base: dict[str | Change, int] = dict.fromkeys(self._counts, 0)
        for outcome in OUTCOMES:
            setattr(self, outcome, self._counts[outcome].__next__)

    def counter(self, outcome: CallOutcome) -> Counter:
        """What counts the calls of this outcome, by `next`."""
        return self._counts[outcome]

    def changed(self, state: State, reason: Reason) -> None:
        """Count a change of state."""
        next(self._counts[state, reason])

    def zero(self) -> None:
        """Start anew (a forked child). Breakers hold the counts, so what they have counted is set off."""
        self._base = {key: counted(count) for key, count in self._counts.items()}

    def by_outcome(self) -> dict[str, int]:
        """How many calls ended in which way."""
        return {outcome: self._count(outcome) for outcome in OUTCOMES}

    def by_change(self) -> dict[Change, int]:
        """How often which state was entered for which reason."""
        return {change: self._count(change) for change in CHANGES}

    def used(self) -> bool:
        """Whether anything was counted."""
        return any(self._count(key) for key in self._counts)

    def _count(self, key: str | Change) -> int:
        return counted(self._counts[key]) - self._base[key]


_calls: dict[str, Calls] = {}
_breakers: dict[int, weakref.ref[CircuitBreaker]] = {}
"""By their numbers. Not a WeakSet: that breaks in the hands of one thread while another adds to it."""


def introduce(breaker: CircuitBreaker) -> None:
    """Show its state from now on, as long as it lives."""
    number = breaker.number
    _breakers[number] = weakref.ref(breaker, lambda _: _breakers.pop(number, None))


def calls_of(name: str) -> Calls:
    """The counts of this name's breakers; beyond the limit of names, those of all the others."""
    found = _calls.get(name)
    if found is not None:
        return found
    if len(_calls) >= config.settings().metrics.cardinality_limit:
        return _overflow
    return _calls.setdefault(name, Calls({semconv.BREAKER_NAME: name}, name))


def _counter_of(name: str | None, key: str | Change) -> Counter:
    return (_overflow if name is None else calls_of(name))._counts[key]


_overflow = Calls(OVERFLOW)


def living() -> list[CircuitBreaker]:
    """Every breaker that has a name and that somebody still holds."""
    return [breaker for known in list(_breakers.values()) if (breaker := known()) is not None]


# --- Events ---------------------------------------------------------------------------------------


def tell(breaker: CircuitBreaker, change: Transition) -> StateChange:
    """A change of state: an event of the span that caused it, a count, a log line."""
    attributes: dict[str, Any] = {
        semconv.BREAKER_NAME: breaker.name,
        semconv.BREAKER_PREVIOUS_STATE: change.previous,
        **_change(change.state, change.reason),
    }
    if change.open_for is not None:
        attributes[semconv.BREAKER_OPEN_FOR] = change.open_for
    emit_event(
        semconv.BREAKER_STATE_CHANGED_EVENT, attributes,
        severity="WARN" if _LEVELS[change.state] == logging.WARNING else "INFO",
    )  # fmt: skip
    breaker.calls.changed(change.state, change.reason)
    for_seconds = "" if change.open_for is None else f" for {change.open_for:g} s"
    say(
        _LEVELS[change.state], "circuit breaker %s: %s%s (%s), it was %s",
        breaker.name, change.state, for_seconds, change.reason, change.previous,
    )  # fmt: skip
    return StateChange(breaker.name, change.previous, change.state, change.reason, change.open_for)


def say(level: int, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log a line; a handler or filter that raises does not reach the call that is guarded."""
    try:
        _logger.log(level, message, *args, exc_info=exc_info(error))
    except Exception as failure:
        lifecycle.report(f"{message % args} (the log failed: {type(failure).__name__}: {failure})")


def cause() -> SpanContext | None:
    """The span in which a breaker trips: what later rejections are linked to."""
    found = get_current_span().get_span_context()
    return found if found.is_valid else None


def tell_rejection(breaker: CircuitBreaker, error: BaseException, tripped_by: SpanContext | None) -> None:
    """A rejected call: a short span of its own, linked to the span that tripped the breaker; a line in debug mode."""
    if config.debug():
        say(logging.DEBUG, "circuit breaker %s rejected a call: %s", breaker.name, error)
    if not tracing():
        return
    links = None if tripped_by is None else [Link(tripped_by)]
    attributes = {semconv.BREAKER_NAME: breaker.name, semconv.BREAKER_STATE: breaker.state}
    scope = start_span(semconv.BREAKER_REJECTED_SPAN, attributes, links=links)
    scope.end("rejected", error, error_facts(error))


def _change(state: State, reason: Reason) -> dict[str, Any]:
    return {semconv.BREAKER_STATE: state, semconv.BREAKER_REASON: reason}


# --- Figures --------------------------------------------------------------------------------------


def _known() -> list[Calls]:
    return [*_calls.values(), *([_overflow] if _overflow.used() else [])]


def _observe_calls() -> list[Observation]:
    return [
        (count, {**calls.labels, semconv.OUTCOME: outcome})
        for calls in _known()
        for outcome, count in calls.by_outcome().items()
    ]


def _observe_transitions() -> list[Observation]:
    return [
        (count, {**calls.labels, **_change(state, reason)})
        for calls in _known()
        for (state, reason), count in calls.by_change().items()
    ]


def _observe_states() -> list[Observation]:
    """Where several breakers have one name, a state holds as soon as one of them is in it."""
    states: dict[str, set[State]] = {}
    for breaker in living():
        if breaker.calls is not _overflow:
            states.setdefault(breaker.name, set()).add(breaker.state)
    return [
        (int(state in held), {semconv.BREAKER_NAME: name, semconv.BREAKER_STATE: state})
        for name, held in states.items()
        for state in STATES
    ]


def _zero() -> None:
    for calls in [*_calls.values(), _overflow]:
        calls.zero()


def _renew() -> None:
    for breaker in living():
        breaker.machine.renew()


observe(semconv.BREAKER_CALLS, _observe_calls)
observe(semconv.BREAKER_TRANSITIONS, _observe_transitions)
observe(semconv.BREAKER_STATES, _observe_states)
on_reset(_zero)
lifecycle.register(lifecycle.Participant("circuit breakers", lifecycle.ORDER_SIGNALS + 2, after_fork_in_child=_renew))
