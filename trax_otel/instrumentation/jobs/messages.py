"""The two spans of a job: where it is queued and where it runs, and what travels from the one to the other."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, get_current_span

from ... import clock, semconv
from ...errors import error_facts
from ...logging.dispatch import tell_once
from ...metrics.operation import CANCELLED, FAILURE, SUCCESS
from ...signals import (
    Correlation,
    ErrorFacts,
    current_correlation,
    detach,
    histogram,
    start_span,
    valid_correlation_id,
)
from ...signals.correlation import with_correlation

if TYPE_CHECKING:
    from contextvars import Token

    from ...signals import SpanScope

Carrier = MutableMapping[str, Any]
KEY: Final = "_otel"
"""The name under which a job bears what travels with it."""
CORRELATION: Final = "correlation_id"
ATTEMPT: Final = "attempt"
ENQUEUE: Final = "enqueue"
PROCESS: Final = "process"
_TYPES: Final = {ENQUEUE: "send", PROCESS: "process"}

Result = TypeVar("Result")

_process_durations = histogram(semconv.PROCESS_DURATION)
_enqueue_durations = histogram(semconv.ENQUEUE_DURATION)


class Message(NamedTuple):
    """A job as its library names it; `id` is empty where it has none yet."""

    system: str
    queue: str
    task: str
    id: str

    def labels(self, operation: str) -> dict[str, Any]:
        """What spans and metrics have in common."""
        return {
            semconv.MESSAGING_SYSTEM: self.system,
            semconv.MESSAGING_OPERATION_NAME: operation,
            semconv.MESSAGING_DESTINATION_NAME: self.queue,
            semconv.OPERATION_NAME: self.task,
        }

    def span(self, operation: str, kind: SpanKind) -> SpanScope:
        attributes = {**self.labels(operation), semconv.MESSAGING_OPERATION_TYPE: _TYPES[operation]}
        if self.id:
            attributes[semconv.MESSAGING_MESSAGE_ID] = self.id
        return start_span(f"{operation} {self.task}", attributes, kind=kind)


class Enqueueing:
    """A job being queued: a PRODUCER span, current until its end. `carrier` is what the job must bear."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._started = clock.current().monotonic()
        self._scope = message.span(ENQUEUE, SpanKind.PRODUCER)
        self.carrier: dict[str, Any] = {}
        inject(self.carrier)

    def step_aside(self) -> None:
        """Make current again what was so before, for a library that does not tell every end."""
        self._scope.suspend()

    def end(self, error: BaseException | None = None) -> None:
        """The job is queued, or is not."""
        outcome, facts = _judge(error)
        self._scope.end(outcome, error if facts else None, facts)
        labels = self._message.labels(ENQUEUE)
        if facts is not None:
            labels[semconv.ERROR_TYPE] = facts.type
        _enqueue_durations.record(clock.current().monotonic() - self._started, labels)


class Processing:
    """A job being run: a CONSUMER span in the trace of who queued it, current until its end."""

    def __init__(self, message: Message, carrier: object = None, attempt: int | None = None) -> None:
        self._message = message
        self._started = clock.current().monotonic()
        self._token: Token[Context] | None = otel_context.attach(extract(carrier))
        self._scope = message.span(PROCESS, SpanKind.CONSUMER)
        if attempt is not None:
            self._scope.set(semconv.RETRY_ATTEMPT, attempt)

    def end(self, error: BaseException | None = None, failed: bool | None = None) -> None:
        """The job has run; `failed` overrules what kind of exception is a failure. A second end does nothing."""
        token, self._token = self._token, None
        if token is None:
            return
        outcome, facts = _judge(error, failed)
        self._scope.end(outcome, error if facts else None, facts)
        detach(token)
        labels = {**self._message.labels(PROCESS), semconv.OUTCOME: outcome}
        if facts is not None:
            labels[semconv.ERROR_TYPE] = facts.type
            labels[semconv.ERROR_CODE] = facts.code
        _process_durations.record(clock.current().monotonic() - self._started, labels)


def _judge(error: BaseException | None, failed: bool | None = None) -> tuple[str, ErrorFacts | None]:
    """What is no `Exception` only ends the work early."""
    if error is None:
        return SUCCESS, None
    if isinstance(error, Exception) if failed is None else failed:
        return FAILURE, error_facts(error)
    return CANCELLED, None


def inject(carrier: Carrier) -> None:
    """Write what is current into a carrier: trace, baggage and the correlation id, which stays with the service's own jobs."""
    propagate.inject(carrier)
    correlation_id = current_correlation().id
    if correlation_id is not None:
        carrier[CORRELATION] = correlation_id


def extract(carrier: object) -> Context:
    """The context that a carrier brings. Nothing of the worker's own context is in it, but where the job runs in its
    producer's trace at once, in the process that queued it."""
    known: dict[str, Any] = {}
    if isinstance(carrier, MutableMapping):
        known = {key: value for key, value in carrier.items() if isinstance(key, str) and isinstance(value, str)}
    context = propagate.extract(known, Context())
    here, there = get_current_span().get_span_context(), get_current_span(context).get_span_context()
    if here.is_valid and here.trace_id == there.trace_id:
        context = propagate.extract(known, otel_context.get_current())
    correlation_id = valid_correlation_id(known.get(CORRELATION))
    if correlation_id is None:
        return context
    return with_correlation(Correlation(correlation_id, current_correlation(context).fields), context)


def next_attempt(carrier: Carrier) -> int:
    """Count one more run of the job that bears the carrier: 1 at the first."""
    before = carrier.get(ATTEMPT)
    carrier[ATTEMPT] = attempt = 1 + (before if isinstance(before, int) else 0)
    return attempt


def contained(system: str, action: Callable[[], Result]) -> Result | None:
    """What the action returns, or None where it raises: the job goes on unobserved, which is said once."""
    try:
        return action()
    except Exception as failure:
        tell_once(f"observing a job of {system}", failure)
        return None
