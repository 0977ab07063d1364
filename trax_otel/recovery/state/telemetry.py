"""What traces and metrics tell of operations whose state is kept."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import Link, SpanContext, TraceFlags, get_current_span

from ... import clock, semconv
from ...signals import counter, histogram

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .errors import StateStoreError

OPERATION_OUTCOMES: Final = ("started", "completed", "failed", "recovered", "dead_lettered", "lost")
STEP_OUTCOMES: Final = ("run", "replayed", "failed")

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
    """Says once that the store is away, and once that it is back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away_since: float | None = None

    def failed(self, error: StateStoreError) -> None:
        """A transaction did not succeed."""
        with self._lock:
            first = self._away_since is None
            if first:
                self._away_since = clock.current().monotonic()
        if first:
            _logger.error(
                "the store of operations' state fails: %s. Operations wait for it as long as their leases hold and stop "
                "then, unless on_store_loss is 'continue'; this is said once until it answers again", error,
            )  # fmt: skip

    def answered(self) -> None:
        """A transaction succeeded."""
        if self._away_since is None:
            return
        with self._lock:
            since, self._away_since = self._away_since, None
        if since is not None:
            _logger.warning(
                "the store of operations' state answers again, after %.1f s", clock.current().monotonic() - since
            )
