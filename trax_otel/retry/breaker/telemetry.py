"""What a breaker tells: counts of its calls, its state, each change, and what a rejected call is linked to."""

from __future__ import annotations

import itertools
import logging
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import Link, get_current_span

from ... import config, lifecycle, semconv
from ...errors import error_facts
from ...metrics.operation import REJECTED
from ...signals import counter, emit_event, observe, start_span, tracing
from ...signals.aggregate import OVERFLOW, Observation, on_reset
from ..telemetry import counted
from .machine import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import SpanContext

    from .guard import CircuitBreaker
    from .machine import State, Transition
    from .rules import Reason

OUTCOMES: Final = ("success", "failure", "ignored", "cancelled", "rejected")
CHANGES: Final[tuple[tuple[State, Reason], ...]] = (
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
_transitions = counter(semconv.BREAKER_TRANSITIONS)


class StateChange(NamedTuple):
    """What listeners are told: the breaker's name, the states, why, and for how many seconds it will reject calls."""

    breaker: str
    previous: State
    state: State
    reason: Reason
    open_for: float | None


class Calls:
    """The calls through the breakers of one name. Each count is one C call, so none needs a lock; they are read at export."""

    __slots__ = ("_base", "_counts", "cancelled", "failure", "ignored", "labels", "rejected", "success")

    _base: dict[str, int]
    success: Callable[[], int]
    failure: Callable[[], int]
    ignored: Callable[[], int]
    cancelled: Callable[[], int]
    rejected: Callable[[], int]

    def __init__(self, labels: Mapping[str, Any]) -> None:
        self.labels = labels
        self._counts = {outcome: itertools.count() for outcome in OUTCOMES}
        self._base = dict.fromkeys(OUTCOMES, 0)
        for outcome, count in self._counts.items():
            setattr(self, outcome, count.__next__)

    def zero(self) -> None:
        """Start anew (a forked child). Breakers hold the counts, so what they have counted is set off."""
        self._base = {outcome: counted(count) for outcome, count in self._counts.items()}

    def by_outcome(self) -> dict[str, int]:
        """How many calls ended in which way."""
        return {outcome: counted(count) - self._base[outcome] for outcome, count in self._counts.items()}


_calls: dict[str, Calls] = {}
_overflow = Calls(OVERFLOW)
_breakers: dict[int, weakref.ref[CircuitBreaker]] = {}
"""By their numbers. Not a WeakSet: that breaks in the hands of one thread while another adds to it."""


def introduce(breaker: CircuitBreaker) -> None:
    """Show its state from now on, as long as it lives, and let its counters exist before their first event."""
    number = breaker.number
    _breakers[number] = weakref.ref(breaker, lambda _: _breakers.pop(number, None))
    if breaker.calls is not _overflow:
        _transitions.declare(*({**breaker.calls.labels, **_change(state, reason)} for state, reason in CHANGES))


def calls_of(name: str) -> Calls:
    """The counts of this name's breakers; beyond the limit of names, those of all the others."""
    found = _calls.get(name)
    if found is not None:
        return found
    if len(_calls) >= config.settings().metrics.cardinality_limit:
        return _overflow
    return _calls.setdefault(name, Calls({semconv.BREAKER_NAME: name}))


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
    _transitions.add(1, {**breaker.calls.labels, **_change(change.state, change.reason)})
    for_seconds = "" if change.open_for is None else f" for {change.open_for:g} s"
    _logger.log(
        _LEVELS[change.state], "circuit breaker %s: %s%s (%s), it was %s",
        breaker.name, change.state, for_seconds, change.reason, change.previous,
    )  # fmt: skip
    return StateChange(breaker.name, change.previous, change.state, change.reason, change.open_for)


def cause() -> SpanContext | None:
    """The span in which a breaker trips: what later rejections are linked to."""
    found = get_current_span().get_span_context()
    return found if found.is_valid else None


def tell_rejection(breaker: CircuitBreaker, error: BaseException, tripped_by: SpanContext | None) -> None:
    """A rejected call: a short span of its own, linked to the span that tripped the breaker."""
    if not tracing():
        return
    links = None if tripped_by is None else [Link(tripped_by)]
    attributes = {semconv.BREAKER_NAME: breaker.name, semconv.BREAKER_STATE: breaker.state}
    scope = start_span(semconv.BREAKER_REJECTED_SPAN, attributes, links=links)
    scope.end(REJECTED, error, error_facts(error))


def _change(state: State, reason: Reason) -> dict[str, Any]:
    return {semconv.BREAKER_STATE: state, semconv.BREAKER_REASON: reason}


# --- Figures --------------------------------------------------------------------------------------


def _observe_calls() -> list[Observation]:
    known = [*_calls.values(), *([_overflow] if any(_overflow.by_outcome().values()) else [])]
    return [
        (count, {**calls.labels, semconv.OUTCOME: outcome})
        for calls in known
        for outcome, count in calls.by_outcome().items()
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
observe(semconv.BREAKER_STATES, _observe_states)
on_reset(_zero)
lifecycle.register(lifecycle.Participant("circuit breakers", lifecycle.ORDER_SIGNALS + 2, after_fork_in_child=_renew))
