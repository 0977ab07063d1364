"""Taking over what was interrupted, as plans: one operation, or all that have a recovery function."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final

from ... import clock
from ...errors import InvalidConfigError
from ...errors.awaiting import is_coroutine_function
from ...retry.plan import Call, Effect, Outcome, Plan
from ...signals.stacktrace import describe
from ..driving import run
from . import rules, telemetry
from .context import StateView
from .core import Claim, Core, Entrance, new_owner
from .held import Asked
from .records import DEAD, OperationRecord, Recovery
from .rules import Entered, Start
from .session import Perform, Session
from .storage import StateTransaction
from .stored import StoredOperation, Wanted, public

BATCH: Final = 32

_logger = logging.getLogger(__name__)


class Recoverer:
    """Recovers for one manager in one world: `perform` does the store's work, `view` makes what a recovery function is
    given. `blocking`: the recoverer of the other world, which an asynchronous one has run plain functions."""

    def __init__(
        self, core: Core, perform: Perform, view: Callable[[Session], StateView], blocking: Recoverer | None = None
    ) -> None:
        self.core = core
        self.perform = perform
        self.view = view
        self._blocking = blocking

    def one(self, operation_id: str) -> Plan:
        """Recover one: the outcome's value is its record after it, or None where it is not there to be recovered."""
        outcome = yield Call(partial(self.perform, partial(self._read, operation_id)))
        if outcome.error is not None or outcome.value is None:
            return Outcome(None, outcome.error)
        function = self.core.functions.get(outcome.value.operation_type)
        self._refuse_coroutines(function)
        outcome = yield from self._claim(operation_id)
        claim: Claim | None = outcome.value
        if outcome.error is not None or claim is None:
            return outcome
        if claim.entered.way == "dead":
            self._tell_of_death(claim.entered.operation)
        elif function is None:
            self.core.claims[operation_id] = claim
        else:
            outcome = yield from self._run(claim, function)
            if outcome.error is not None:
                return outcome
        return (yield Call(partial(self.perform, partial(self.record, operation_id))))

    def all(self) -> Plan:
        """Recover every interrupted operation that has a function; the outcome's value is a list of `Recovery`."""
        import random

        types = tuple(self.core.functions)
        tried: set[str] = set()
        done: list[Recovery] = []
        for name in types:
            self._refuse_coroutines(self.core.functions[name])
        while types:
            wanted = Wanted("interrupted", types, BATCH + len(tried))
            outcome = yield Call(partial(self.perform, partial(self._find, wanted)))
            if outcome.error is not None:
                return Outcome(done, outcome.error)
            found = [operation for operation in outcome.value if operation.operation_id not in tried]
            random.shuffle(found)  # rivals begin at different ends
            for operation in found:
                tried.add(operation.operation_id)
                recovery = yield from self._contained(operation)
                if isinstance(recovery, BaseException):
                    return Outcome(done, recovery)
                if recovery is not None:
                    done.append(recovery)
            if not found:
                break
        yield Call(partial(self.perform, self._warn_of_others))
        return Outcome(done)

    def _contained(self, operation: StoredOperation) -> Generator[Effect, Outcome, Recovery | BaseException | None]:
        """One of many: its failure is told and does not hold up the others. What is no Exception is handed back."""
        outcome = yield from self.one(operation.operation_id)
        names = operation.operation_id, operation.operation_type
        if outcome.error is None:
            if outcome.value is None:  # a rival has it
                return None
            return Recovery(*names, "dead" if outcome.value.status == DEAD else "recovered")
        if not isinstance(outcome.error, Exception):
            return outcome.error
        _logger.error("recovery of operation %s (%s) failed: %s", *names, describe(outcome.error))
        return Recovery(*names, "failed", outcome.error)

    def _claim(self, operation_id: str) -> Plan:
        """Take it over; the outcome's value is None where a rival was faster. Cancelled, it gives back what it took."""
        settings = self.core.settings
        start = Start(operation_id, "", None, "{}", None, new_owner(), settings.lease, settings.max_recoveries)
        began = clock.current().monotonic()
        entrance: Entrance[Entered | None] = Entrance()
        work = partial(self.core.transact, lambda transaction: rules.claim(transaction, start))
        outcome = yield Call(partial(self.perform, partial(entrance.take, work)))
        if outcome.error is None:
            return Outcome(None if outcome.value is None else Claim(start.hold, outcome.value, began))
        if not isinstance(outcome.error, Exception):
            entrance.leave()
            undo = partial(self.core.give_back, start.hold)
            yield Call(partial(self.perform, partial(entrance.undo, undo)))
        return outcome

    def _run(self, claim: Claim, function: Callable[..., Any]) -> Plan:
        """Run the recovery function: in the caller's world, or a plain one for a coroutine on a thread of its own."""
        if self._blocking is None or is_coroutine_function(function):
            return self._resume(claim, function)
        return self._on_a_thread(self._blocking, claim, function)

    def _on_a_thread(self, blocking: Recoverer, claim: Claim, function: Callable[..., Any]) -> Plan:
        import asyncio

        # Not the store's workers: the function's own steps would wait for them.
        return (yield Call(partial(asyncio.to_thread, lambda: run(blocking._resume(claim, function)))))

    def _resume(self, claim: Claim, function: Callable[..., Any]) -> Plan:
        operation = claim.entered.operation
        asked = Asked(
            operation.operation_id, operation.operation_type, operation.correlation_id, operation.arguments,
            self.core.settings.on_store_loss,
        )  # fmt: skip
        session = Session(self.core, asked, self.perform, claim, recovering=True)
        outcome = yield from session.enter()
        if outcome.error is not None:
            return outcome
        outcome = yield Call(partial(function, self.view(session)))
        if outcome.error is None and outcome.value is not None:
            try:
                session.set_result(outcome.value)
            except Exception as error:
                outcome = Outcome(None, error)
        left = yield from session.leave(outcome.error)
        return Outcome(None, left.error if outcome.error is None else outcome.error)

    # --- The store's side, blocking --------------------------------------------------------------------------------------

    def record(self, operation_id: str) -> OperationRecord | None:
        """The record with its steps."""

        def read(transaction: StateTransaction) -> OperationRecord | None:
            operation = transaction.load(operation_id)
            return None if operation is None else public(operation, transaction.steps(operation_id))

        return self.core.transact(read, "read", write=False)

    def _read(self, operation_id: str) -> StoredOperation | None:
        return self.core.transact(lambda transaction: transaction.load(operation_id), "read", write=False)

    def _find(self, wanted: Wanted) -> list[StoredOperation]:
        return self.core.transact(lambda transaction: transaction.find(wanted), "read", write=False)

    def _tell_of_death(self, operation: StoredOperation) -> None:
        telemetry.count_operation(operation.operation_type, "dead_lettered")
        _logger.error(
            "operation %s (%s) was recovered %d times without success and is dead: `trax-otel state recover %s` queues it anew",
            operation.operation_id, operation.operation_type, operation.recoveries, operation.operation_id,
        )  # fmt: skip

    def _warn_of_others(self) -> None:
        others = [one for one in self._find(Wanted("interrupted")) if one.operation_type not in self.core.functions]
        if others:
            types = sorted({operation.operation_type for operation in others})
            _logger.warning(
                "%d interrupted operations have no recovery function: register one for %s",
                len(others),
                ", ".join(types),
            )

    def _refuse_coroutines(self, function: Callable[..., Any] | None) -> None:
        if function is not None and self._blocking is None and is_coroutine_function(function):
            name = getattr(function, "__qualname__", repr(function))
            raise InvalidConfigError(f"the recovery function {name} is a coroutine function: recover with `await`")
