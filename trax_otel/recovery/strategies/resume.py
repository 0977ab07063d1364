"""`StateRecoveryStrategy`: the operation goes on where its saved state ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import InvalidConfigError
from ..base import DEFAULT_PRIORITY, RecoveryContext, RecoveryStrategy
from ..driving import run, run_async

if TYPE_CHECKING:
    from ...retry.plan import Plan
    from ..state.manager import StateRecoveryManager
    from ..state.records import OperationRecord

METADATA_KEY = "operation_id"


class StateRecoveryStrategy(RecoveryStrategy):
    """Resumes the operation that `context.metadata["operation_id"]` names, and answers with its recorded result.

    The operation's type needs a recovery function (`state_manager.register_recovery`); steps that were recorded are not run
    again. One that ended by an error is queued anew first, unless `resume_failed` is False; one that is completed answers at
    once. It fails where the operation is unknown, dead, run by somebody else now, or has no recovery function.
    Without an operation id it does not apply.
    """

    def __init__(
        self,
        state_manager: StateRecoveryManager,
        *,
        resume_failed: bool = True,
        priority: int = DEFAULT_PRIORITY,
        name: str = "state_recovery",
    ) -> None:
        if not callable(getattr(state_manager, "recover_operation", None)):
            raise InvalidConfigError(f"state_manager={state_manager!r}: a StateRecoveryManager is needed")
        self.name = name
        self.priority = priority
        self._manager = state_manager
        self._resume_failed = resume_failed

    def applies(self, context: RecoveryContext) -> bool:
        return isinstance(context.metadata.get(METADATA_KEY), str)

    async def recover(self, context: RecoveryContext) -> Any:
        return await run_async(self._plan(self._manager, context.metadata[METADATA_KEY]))

    def recover_sync(self, context: RecoveryContext) -> Any:
        """`recover` for synchronous callers."""
        return run(self._plan(self._manager.sync, context.metadata[METADATA_KEY]))

    def _plan(self, store: Any, operation_id: str) -> Plan:
        """`store` is the manager of the caller's world."""
        from ...retry.plan import Call, Outcome
        from ..state.records import COMPLETED, FAILED

        outcome = yield Call(partial(store.get_operation, operation_id))
        if outcome.error is not None:
            return outcome
        found: OperationRecord | None = outcome.value
        if found is not None and found.status == COMPLETED:
            return Outcome(found.result)
        refused = self._refused(found, operation_id)
        if refused is not None:
            return Outcome(None, refused)
        assert found is not None
        if found.status == FAILED:
            outcome = yield Call(partial(store.queue_operation, operation_id))
            if outcome.error is not None:
                return outcome
        outcome = yield Call(partial(store.recover_operation, operation_id))
        if outcome.error is not None:
            return outcome
        resumed: OperationRecord | None = outcome.value
        if resumed is not None and resumed.status == COMPLETED:
            return Outcome(resumed.result)
        return Outcome(None, _not_resumed(resumed, operation_id))

    def _refused(self, found: OperationRecord | None, operation_id: str) -> Exception | None:
        """Why it cannot be resumed, or None."""
        from ..state.errors import OperationNotFoundError, StateError
        from ..state.records import FAILED

        if found is None:
            return OperationNotFoundError(f"the store has no operation {operation_id!r}")
        if found.status == FAILED and not self._resume_failed:
            return StateError(
                f"operation {operation_id!r} ended by an error, and resume_failed is False: {found.error}"
            )
        if found.status not in (FAILED, "interrupted"):
            return _not_resumed(found, operation_id)
        if not self._manager.recovers(found.operation_type):
            return StateError(
                f"operation {operation_id!r} cannot be resumed: no recovery function for {found.operation_type!r}"
            )
        return None


def _not_resumed(record: OperationRecord | None, operation_id: str) -> Exception:
    from ..state.errors import OperationBusyError, OperationDeadError
    from ..state.records import DEAD

    if record is not None and record.status == DEAD:
        return OperationDeadError(f"operation {operation_id!r} was recovered {record.recoveries} times without success")
    return OperationBusyError(f"operation {operation_id!r} is being run by somebody else")
