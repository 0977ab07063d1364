"""One run of an operation whose state is kept, as plans: entering, steps, checkpoints and the end are written once for
`with` and `async with`. `perform` does the store's work: at once, or on a worker thread with an awaitable of the result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ... import config, semconv
from ...errors import TraxError, error_facts
from ...metrics.operation import CANCELLED, FAILURE, REJECTED, SUCCESS, Operation
from ...retry.plan import Call, Outcome, Plan
from ...signals import SpanScope, attach_correlation, emit_event, record_error, start_span, tracing
from ...signals.correlation import detach
from ...signals.stacktrace import describe
from . import telemetry
from .calls import Calls, Slot
from .core import Claim, Core
from .errors import OperationBusyError, OperationCompletedError, OperationDeadError, StateError, StateLostError
from .fingerprint import fingerprint
from .held import Asked, HeldOperation
from .records import COMPLETED, DEAD
from .rules import Entered
from .stored import StoredStep
from .values import decode, differing, encode

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

_logger = logging.getLogger(__name__)

Perform = Callable[[Callable[[], Any]], Any | Awaitable[Any]]


class Session:
    """One run. `recovering`: a recovery function runs it, so that a failure is no end of it."""

    def __init__(
        self, core: Core, asked: Asked, perform: Perform, claim: Claim | None = None, recovering: bool = False
    ) -> None:
        self.asked = asked
        self.held = HeldOperation(core, asked, claim)
        self.operation = Operation(
            asked.operation_type,
            {semconv.STATE_OPERATION_ID: asked.operation_id, semconv.STATE_OPERATION_TYPE: asked.operation_type},
        )
        self.entered: Entered | None = None
        self.arguments: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.result: Any = None
        self._result: str | None = None
        self._perform = perform
        self._recovering = recovering
        self._max_bytes = core.settings.max_bytes
        self._calls = Calls()
        self._checkpointing = threading.Lock()
        self._token: Token[Context] | None = None
        core.declare(asked.operation_type)

    @property
    def completed(self) -> bool:
        """Whether it was completed before this run."""
        return self.entered is not None and self.entered.way == "completed"

    # --- Entering --------------------------------------------------------------------------------------------------------

    def enter(self) -> Plan:
        """Begin or resume. The outcome has no value, or the error why it cannot be run."""
        if self.asked.correlation_id is not None:
            self._token = attach_correlation(id=self.asked.correlation_id)
        self.held.span = self.operation.begin().span
        traceparent = telemetry.traceparent_of(self.held.span)
        outcome = yield Call(partial(self._perform, partial(self.held.begin, traceparent)))
        refusal = outcome.error
        if refusal is None:
            refusal = self._admit(outcome.value)
        elif not isinstance(refusal, Exception):  # cancelled or interrupted: what the store gave is given back
            self.held.entrance.leave()
            yield Call(partial(self._perform, self.held.give_back))
        if refusal is not None:
            self._end(refusal, REJECTED if isinstance(refusal, (OperationBusyError, OperationDeadError)) else None)
        return Outcome(None, refusal)

    def _admit(self, entered: Entered) -> BaseException | None:
        """Take what the store has, or say why the operation cannot be run."""
        operation, name = entered.operation, f"operation {self.asked.operation_id!r}"
        if entered.way == "busy":
            seconds = max(0.0, operation.lease_until - operation.now)
            return OperationBusyError(
                f"{name} is being run by {operation.owner}; its lease holds for {seconds:.1f} s more",
                retryable=True, retry_after=seconds,
            )  # fmt: skip
        if entered.way == "mistaken":
            return StateError(f"{name} is of type {operation.operation_type!r}, not {self.asked.operation_type!r}")
        if entered.way == "different":
            return StateError(
                f"{name} was begun with other arguments ({differing(operation.arguments, self.asked.arguments)}): other work "
                "needs another id; check_arguments=False takes what is recorded all the same"
            )
        if entered.way == "dead":
            if operation.status != DEAD:
                telemetry.count_operation(operation.operation_type, "dead_lettered")
            return OperationDeadError(
                f"{name} was recovered {operation.recoveries} times and is dead; "
                f"`trax-otel state recover {self.asked.operation_id}` queues it anew"
            )
        self.entered = entered
        self.arguments, self.data = decode(operation.arguments), decode(operation.data)
        self._calls = Calls(entered.steps, compares=self.asked.compares)
        if entered.way == "completed":
            self.result = decode(operation.result)
            self.operation.set(semconv.STATE_STATUS, COMPLETED)
            self.operation.set(semconv.STATE_REPLAYED, True)
            return None
        self.held.keep()
        if entered.way == "resumed":
            link = telemetry.link_to(operation.traceparent)
            if link is not None:
                self.held.span.add_link(link.context)
            self.operation.set(semconv.STATE_RECOVERIES, entered.recoveries)
        telemetry.count_operation(self.asked.operation_type, "recovered" if entered.way == "resumed" else "started")
        self._debug("%s as %s, %d steps are recorded", entered.way, self.held.lease.hold.owner, len(entered.steps))
        return None

    # --- Steps and checkpoints -------------------------------------------------------------------------------------------

    def step(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
        """Call the function and record what it returns, or return what was recorded before."""
        slot = self._calls.take(name, fingerprint(function, args, kwargs))
        if isinstance(slot, StateError):
            return Outcome(None, slot)
        kept = False
        try:
            outcome = Outcome()
            if slot.leaves_recording:
                outcome = yield Call(partial(self._perform, partial(self._ask, slot)))
            if outcome.error is None:
                outcome = (
                    self._replay(slot)
                    if slot.recorded
                    else (yield from self._run(slot, partial(function, *args, **kwargs)))
                )
            kept = outcome.error is None
            return outcome
        finally:
            if not kept:
                self._calls.give_back(slot)

    def _replay(self, slot: Slot) -> Outcome:
        start_span(semconv.STATE_STEP_SPAN, self._attributes(slot)).end(SUCCESS)
        telemetry.count_step(self.asked.operation_type, "replayed")
        self._debug("step %s is recorded: it is not run again", slot.label)
        return Outcome(slot.value)

    def _run(self, slot: Slot, function: Callable[[], Any]) -> Plan:
        outcome = Outcome(None, self._closed(slot.name))
        if outcome.error is None and self.held.unsure:
            outcome = yield Call(partial(self._perform, self.held.confirm))
        if outcome.error is not None:
            return outcome
        scope = start_span(semconv.STATE_STEP_SPAN, self._attributes(slot)) if tracing() else None
        outcome = yield Call(function)
        if outcome.error is None:
            slot.settled = threading.Event()
            outcome = yield Call(partial(self._perform, partial(self._record, slot, outcome.value)))
            slot.leaves_recording = outcome.error is not None and not isinstance(outcome.error, TraxError)
        self._end_step(scope, outcome.error)
        if outcome.error is None:
            self._debug("step %s is recorded", slot.label)
        else:
            self._debug("step %s has no result: %s", slot.label, describe(outcome.error))
        return outcome

    def _debug(self, line: str, *values: object) -> None:
        if config.debug():
            _logger.debug("operation %s: " + line, self.asked.operation_id, *values)  # noqa: G003  (a constant line)

    def _attributes(self, slot: Slot) -> dict[str, Any]:
        return {semconv.STATE_STEP: slot.label, semconv.STATE_REPLAYED: slot.recorded}

    def _record(self, slot: Slot, value: Any) -> Any:
        assert slot.settled is not None
        try:
            text = encode(value, f"result of step {slot.label!r}", self._max_bytes)
            self.held.save({}, (StoredStep(slot.name, slot.number, text, self._calls.stored(slot)),))
            # What a replay will return: tuples are lists there, so they are here.
            slot.record(decode(text))
        finally:
            slot.settled.set()
        return slot.value

    def _ask(self, slot: Slot) -> None:
        """What became of a result whose caller was cancelled, or interrupted, while the store was at work."""
        assert slot.settled is not None
        slot.settled.wait(self.held.lease.seconds)
        if not slot.recorded:
            for step in self.held.steps():
                if (step.name, step.occurrence) == (slot.name, slot.number):
                    slot.record(decode(step.result))
        slot.leaves_recording = False

    def _closed(self, name: str) -> StateError | None:
        if self.completed:
            return OperationCompletedError(
                f"operation {self.asked.operation_id!r} is completed, and step {name!r} has no recorded result: "
                "look at `state.completed` and `state.result` before running anything"
            )
        return None

    def _end_step(self, scope: SpanScope | None, error: BaseException | None) -> None:
        facts = error_facts(error) if isinstance(error, Exception) else None
        if scope is not None:
            scope.end(SUCCESS if error is None else CANCELLED if facts is None else FAILURE, error, facts)
        elif error is not None and facts is not None:
            record_error(error, facts, escaped=True)
        telemetry.count_step(self.asked.operation_type, "run" if error is None else "failed")

    def checkpoint(self, data: dict[str, Any]) -> Plan:
        """Merge `data` into what is kept."""
        error: BaseException | None = self._closed("checkpoint")
        if error is None:
            outcome = yield Call(partial(self._perform, partial(self._save_data, data)))
            error = outcome.error
        if error is None:
            attributes = {semconv.STATE_OPERATION_ID: self.asked.operation_id}
            emit_event(semconv.STATE_CHECKPOINT_EVENT, attributes, span=self.held.span)
        return Outcome(None, error)

    def _save_data(self, data: dict[str, Any]) -> None:
        with self._checkpointing:  # of checkpoints side by side each sees those before it
            merged = {**self.data, **data}
            self.held.save({"data": encode(merged, "data", self._max_bytes)})
            self.data = merged

    def set_result(self, value: Any) -> None:
        """What is recorded as the operation's result when it completes. Raises UnstorableValueError."""
        self._result = encode(value, "result", self._max_bytes)
        self.result = decode(self._result)

    # --- The end ---------------------------------------------------------------------------------------------------------

    def leave(self, error: BaseException | None) -> Plan:
        """End the run as the block ended. The outcome's error, if any, is ours: all went well and the store does not know."""
        ours: BaseException | None = None
        if self.completed or self.entered is None:
            self._end(error)
            return Outcome()
        if error is None:
            outcome = yield Call(partial(self._perform, partial(self.held.complete, self._result)))
            ours = outcome.error
        else:
            fail = partial(self.held.fail, error, self.entered.recoveries, self._recovering)
            yield Call(partial(self._perform, fail))
        self.held.release()
        ended_by = ours if error is None else error
        self._debug("left: %s", "completed" if ended_by is None else describe(ended_by))
        self._count(ended_by)
        self._end(ended_by)
        return Outcome(None, ours)

    def _count(self, error: BaseException | None) -> None:
        kind, entered = self.asked.operation_type, self.entered
        if error is None:
            telemetry.count_operation(kind, "completed")
        elif isinstance(error, StateLostError):
            telemetry.count_operation(kind, "lost")
        elif isinstance(error, Exception):
            telemetry.count_operation(kind, "failed")
            if (
                self._recovering
                and entered is not None
                and entered.recoveries >= self.held.core.settings.max_recoveries
            ):
                telemetry.count_operation(kind, "dead_lettered")

    def _end(self, error: BaseException | None, outcome: Any = None) -> None:
        self.operation.end(error, outcome)
        token, self._token = self._token, None
        if token is not None:
            detach(token)
