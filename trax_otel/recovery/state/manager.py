"""The managers: what users hold. The blocking one does the work; the async one lets it be done off the event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ...errors import InvalidConfigError
from ..driving import run, run_async
from .context import AsyncOperationState, OperationState, checked_loss, perform_here
from .errors import OperationNotFoundError, StateError
from .records import DEAD, FAILED, OperationRecord, Recovery
from .storage import OnStoreLoss, StateStorage
from .values import MAX_BYTES

if TYPE_CHECKING:
    from .core import Core

F = TypeVar("F", bound=Callable[..., Any])
DAY = 86_400.0


class SyncStateRecovery:
    """`StateRecoveryManager` for code without an event loop; each call blocks until the store has answered."""

    def __init__(self, core: Core) -> None:
        from .recovering import Recoverer

        self.core = core
        self.recoverer = Recoverer(core, perform_here, OperationState)

    def list_operations(
        self, status: str | None = None, types: Sequence[str] | None = None, limit: int = 100
    ) -> list[OperationRecord]:
        """Operations, newest first. `status`: `running` (interrupted ones included), `interrupted`, `completed`, `failed`
        or `dead`. Raises StateStoreError."""
        from .stored import Wanted, public

        wanted = Wanted(status, None if types is None else tuple(types), limit)
        found = self.core.transact(lambda transaction: transaction.find(wanted), "read", write=False)
        return [public(operation) for operation in found]

    def list_interrupted_operations(
        self, types: Sequence[str] | None = None, limit: int = 100
    ) -> list[OperationRecord]:
        """Operations that ought to run and whose lease nobody renews, the longest interrupted first."""
        return self.list_operations("interrupted", types, limit)

    def list_dead_operations(self, types: Sequence[str] | None = None, limit: int = 100) -> list[OperationRecord]:
        """Operations that were recovered too often."""
        return self.list_operations(DEAD, types, limit)

    def get_operation(self, operation_id: str) -> OperationRecord | None:
        """One operation with its steps' results; None where the store has none of this id."""
        return self.recoverer.record(operation_id)

    def recover_operation(self, operation_id: str) -> OperationRecord | None:
        """Take an interrupted operation over and run its type's recovery function in it; returns its record afterwards.

        Where no function is registered it is only claimed: enter `operation_state_context` with its id within a lease's
        time, else it is listed as interrupted again. None where it is not interrupted any more, because a rival was
        faster or its own process is back. With status `dead` it was recovered too often, and nothing was run.

        Raises what the recovery function raises; the operation is tried again after a lease's time then. StateLostError,
        StateStoreError: the store failed.
        """
        record: OperationRecord | None = run(self.recoverer.one(operation_id))
        return record

    def recover_all(self) -> list[Recovery]:
        """Recover every interrupted operation whose type has a recovery function, one after another. A failure is logged,
        kept in the result and does not hold up the others. Any number of processes may call it at once: each operation
        goes to one of them."""
        done: list[Recovery] = run(self.recoverer.all())
        return done

    def queue_operation(self, operation_id: str) -> None:
        """Let a dead or failed operation be recovered again: it is listed as interrupted, its recoveries counted anew.

        Raises:
            OperationNotFoundError: the store has none of this id.
            StateError: it is neither dead nor failed.
        """
        from . import rules
        from .stored import public

        before = self.core.transact(lambda transaction: rules.queue_anew(transaction, operation_id))
        if before is None:
            raise OperationNotFoundError(f"the store has no operation {operation_id!r}")
        if before.status not in (DEAD, FAILED):
            raise StateError(
                f"operation {operation_id!r} is {public(before).status}: only dead and failed ones are queued"
            )

    def purge(self) -> int:
        """Delete what was completed or failed longer ago than the retention; returns how many operations went. Managers
        that run operations do so by themselves every few minutes."""
        return self.core.purge()

    def close(self) -> None:
        """End the threads and let go of the connections. Operations that still run are interrupted by it."""
        self.core.close()


class StateRecoveryManager:
    """Keeps the state of operations in a store, and recovers those that were interrupted.

    `lease_seconds` is how long an operation may go without sign of life before others may take it over; a thread renews
    it three times in that span. After `max_recoveries` take-overs without an end it is dead. Completed and failed
    operations are deleted after `retention_seconds` (None: never), and their ids are forgotten with them. `max_bytes`
    bounds the JSON text of each value. `on_store_loss`, `check_arguments`: see `operation_state_context`.

    The methods are coroutines that never block the event loop; `manager.sync` has the same ones for other code.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        storage: StateStorage,
        *,
        lease_seconds: float = 30.0,
        max_recoveries: int = 3,
        retention_seconds: float | None = 7 * DAY,
        max_bytes: int = MAX_BYTES,
        on_store_loss: OnStoreLoss = "stop",
        check_arguments: bool = True,
    ) -> None:
        from .core import Core, Settings  # the machinery is loaded where it is used, not where its name is
        from .recovering import Recoverer

        for name in ("transact", "close", "forget"):
            if not callable(getattr(storage, name, None)):
                raise InvalidConfigError(f"storage={storage!r}: MemoryStorage() or SQLStorage(url) is needed")
        for name, value, least in (
            ("lease_seconds", lease_seconds, 0.05),
            ("max_recoveries", max_recoveries, 1),
            ("retention_seconds", 0 if retention_seconds is None else retention_seconds, 0),
            ("max_bytes", max_bytes, 2),
        ):
            if not isinstance(value, (int, float)) or not least <= value < float("inf"):
                raise InvalidConfigError(f"{name}={value!r}: a number from {least} on is needed")
        settings = Settings(
            float(lease_seconds),
            max_recoveries,
            retention_seconds,
            max_bytes,
            checked_loss(on_store_loss),
            check_arguments,
        )
        self._core = Core(storage, settings)
        self.sync = SyncStateRecovery(self._core)
        self._recoverer = Recoverer(self._core, self._core.workers.run, AsyncOperationState, self.sync.recoverer)

    @overload
    def register_recovery(self, operation_type: str) -> Callable[[F], F]: ...

    @overload
    def register_recovery(self, operation_type: str, function: F) -> F: ...

    def register_recovery(self, operation_type: str, function: F | None = None) -> F | Callable[[F], F]:
        """Say how operations of this type are resumed; also a decorator: `@manager.register_recovery("transcription")`.

        The function is called with the operation's state inside its context, usually does what the original did with
        `state.arguments`, and what it returns is recorded as the result. A coroutine function gets an AsyncOperationState and
        needs `await manager.recover_all()`; a plain one gets an OperationState, and runs on a thread of its own where it is
        recovered with `await`. A later one replaces it.
        """
        if function is None:
            return partial(self.register_recovery, operation_type)  # type: ignore[return-value]
        if not callable(function):
            raise InvalidConfigError(f"function={function!r}: a callable is needed")
        self._core.functions[operation_type] = function
        self._core.declare(operation_type)
        return function

    def recovers(self, operation_type: str) -> bool:
        """Whether a recovery function is registered for this type."""
        return operation_type in self._core.functions

    async def list_operations(
        self, status: str | None = None, types: Sequence[str] | None = None, limit: int = 100
    ) -> list[OperationRecord]:
        """See `SyncStateRecovery.list_operations`."""
        return await self._core.workers.run(partial(self.sync.list_operations, status, types, limit))

    async def list_interrupted_operations(
        self, types: Sequence[str] | None = None, limit: int = 100
    ) -> list[OperationRecord]:
        """See `SyncStateRecovery.list_interrupted_operations`."""
        return await self.list_operations("interrupted", types, limit)

    async def list_dead_operations(self, types: Sequence[str] | None = None, limit: int = 100) -> list[OperationRecord]:
        """See `SyncStateRecovery.list_dead_operations`."""
        return await self.list_operations(DEAD, types, limit)

    async def get_operation(self, operation_id: str) -> OperationRecord | None:
        """See `SyncStateRecovery.get_operation`."""
        return await self._core.workers.run(partial(self.sync.get_operation, operation_id))

    async def recover_operation(self, operation_id: str) -> OperationRecord | None:
        """See `SyncStateRecovery.recover_operation`."""
        record: OperationRecord | None = await run_async(self._recoverer.one(operation_id))
        return record

    async def recover_all(self) -> list[Recovery]:
        """See `SyncStateRecovery.recover_all`."""
        done: list[Recovery] = await run_async(self._recoverer.all())
        return done

    async def queue_operation(self, operation_id: str) -> None:
        """See `SyncStateRecovery.queue_operation`."""
        await self._core.workers.run(partial(self.sync.queue_operation, operation_id))

    async def purge(self) -> int:
        """See `SyncStateRecovery.purge`."""
        return await self._core.workers.run(self.sync.purge)

    async def close(self) -> None:
        """See `SyncStateRecovery.close`."""
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, self.sync.close)
