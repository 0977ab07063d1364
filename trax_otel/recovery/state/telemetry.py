"""What traces and metrics tell of operations whose state is kept."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Literal

from opentelemetry.trace import Link, SpanContext, TraceFlags, get_current_span

from ... import clock, semconv
from ...signals import counter, histogram

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .errors import StateStoreError

OPERATION_OUTCOMES: Final = ("started", "completed", "failed", "recovered", "dead_lettered", "lost")
STEP_OUTCOMES: Final = ("run", "replayed", "failed")
Access = Literal["save", "renew", "read", "purge"]
QUIET_SECONDS: Final = 60.0
"""A store that comes and goes is told of once in this time."""

_logger = logging.getLogger(__name__)
_operations = counter(semconv.STATE_OPERATIONS)
_steps = counter(semconv.STATE_STEPS)
_store = histogram(semconv.STATE_STORE_DURATION)
_answered = _store.bind({semconv.STATE_OUTCOME: "completed"})
_refused = _store.bind({semconv.STATE_OUTCOME: "failed"})


def declare(operation_type: str) -> None:
    """Let this type's counters exist at 0, so that their first event is an increase."""
    labels = {semconv.STATE_OPERATION_TYPE: operation_type}
    _operations.declare(*({**labels, semconv.STATE_OUTCOME: outcome} for outcome in OPERATION_OUTCOMES))
    _steps.declare(*({**labels, semconv.STATE_OUTCOME: outcome} for outcome in STEP_OUTCOMES))


def count_operation(operation_type: str, outcome: str) -> None:
    """One of `OPERATION_OUTCOMES`."""
    _operations.add(1, {semconv.STATE_OPERATION_TYPE: operation_type, semconv.STATE_OUTCOME: outcome})


def count_step(operation_type: str, outcome: str) -> None:
    """One of `STEP_OUTCOMES`."""
    _steps.add(1, {semconv.STATE_OPERATION_TYPE: operation_type, semconv.STATE_OUTCOME: outcome})


def time_store(seconds: float, answered: bool) -> None:
    """How long the store took for one transaction."""
    (_answered if answered else _refused).record(seconds)


# --- The interrupted span ------------------------------------------------------------------------------------------------


def traceparent_of(span: Span) -> str | None:
    """W3C's form of the span's context (of the current one where it records nothing); None where there is no trace."""
    context = span.get_span_context()
    if not context.is_valid:
        context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def link_to(traceparent: str | None) -> Link | None:
    """A link to the span of this traceparent; None where it is none."""
    parts = (traceparent or "").split("-")
    try:
        _, trace_id, span_id, flags = parts
        context = SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
        )
    except ValueError:
        return None
    return Link(context) if context.is_valid else None


# --- The store's health --------------------------------------------------------------------------------------------------


class StoreHealth:
    """Says once that the store is away, and once that it is back: when each kind of access that failed has succeeded. A
    disk that is full lets leases be renewed and refuses steps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing: set[Access] = set()
        self._told_at: float | None = None
        self._said = False

    def failed(self, kind: Access, error: StateStoreError) -> None:
        """A transaction did not succeed."""
        now = clock.current().monotonic()
        with self._lock:
            first = not self._failing and (self._told_at is None or now - self._told_at >= QUIET_SECONDS)
            self._failing.add(kind)
            if first:
                self._told_at, self._said = now, True
        if first:
            _logger.error(
                "the store of operations' state fails: %s. Operations wait for it for the time of a lease and stop then, "
                "unless on_store_loss is 'continue'; this is said once until it answers again", error,
            )  # fmt: skip

    def answered(self, kind: Access) -> None:
        """A transaction succeeded."""
        if kind not in self._failing:
            return
        with self._lock:
            self._failing.discard(kind)
            back = self._said and not self._failing
            if back:
                self._said = False
        if back:
            since = clock.current().monotonic() - (self._told_at or 0.0)
            _logger.warning("the store of operations' state answers again, after %.1f s", since)
