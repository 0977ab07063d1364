"""`transaction`: a block whose effects are taken back where it fails; and rollback as a strategy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ...errors import InvalidConfigError
from ..base import DEFAULT_PRIORITY, PREPARED, RecoveryContext, RecoveryStrategy
from ..driving import run, run_async

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ...retry.plan import Plan
    from .resources import Joined
    from .unwinding import Action, Unwound

METADATA_KEY = "transaction"


class Transaction:
    """What `transaction` makes. One thread or task at a time may use it.

    After its end it is empty and may be used again. `failures` says of each action that could not be taken back why.
    """

    def __init__(
        self, name: str = "transaction", resources: tuple[Any, ...] = (), outer: Transaction | None = None
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidConfigError(f"name={name!r}: a text is needed")
        self.name = name
        self.failures: tuple[str, ...] = ()
        self._waiting = resources
        self._outer = outer
        self._entries: list[Joined | Action] = []

    # --- What the block does -------------------------------------------------------------------------------------------

    def undo(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Call `function(*args, **kwargs)` where the transaction is rolled back: it takes back what was done just now. In
        `async with` it may be a coroutine function."""
        from .unwinding import Action

        if not callable(function):
            raise InvalidConfigError(f"function={function!r}: a callable is needed")
        name = getattr(function, "__qualname__", type(function).__name__)
        self._entries.append(Action(name, partial(function, *args, **kwargs)))

    def join(self, resource: Any) -> Any:
        """Let a session, a connection or a context manager take part from now on; returns what the block works with."""
        return run(self._join(resource, awaits=False))

    async def join_async(self, resource: Any) -> Any:
        """`join`, for asynchronous resources too."""
        return await run_async(self._join(resource, awaits=True))

    def savepoint(self, name: str = "savepoint") -> Transaction:
        """A transaction inside this one: sessions and connections get a savepoint. Where its block fails, only what it did
        is taken back; where it succeeds, what it did is part of this one."""
        from .resources import is_session

        sessions = [entry.resource for entry in self._joined() if is_session(entry.resource)]
        return Transaction(name, tuple(sessions), outer=self)

    @property
    def open(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._entries)

    # --- How it ends ---------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Keep everything: resources are committed, the last first, undo actions forgotten. Where a resource refuses, the
        rest is rolled back and its error raised."""
        run(self._commit())

    async def commit_async(self) -> None:
        """`commit`, for asynchronous resources too."""
        await run_async(self._commit())

    def rollback(self, reason: BaseException | None = None) -> Unwound:
        """Take everything back, the last first. What fails does not hold up the rest; it is logged and in `failures`.

        Returns how many actions were carried out (`done`) and the name and error of each that failed (`failures`).
        """
        return cast("Unwound", run(self._rollback(reason)))

    async def rollback_async(self, reason: BaseException | None = None) -> Unwound:
        """`rollback`, for asynchronous resources and undo actions too."""
        return cast("Unwound", await run_async(self._rollback(reason)))

    def __enter__(self) -> Self:
        run(self._enter(awaits=False))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run(self._commit() if error is None else self._rollback(error))

    async def __aenter__(self) -> Self:
        await run_async(self._enter(awaits=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await run_async(self._commit() if error is None else self._rollback(error))

    # --- The plans -----------------------------------------------------------------------------------------------------

    def _enter(self, awaits: bool) -> Plan:
        from ...retry.plan import Outcome

        for resource in self._waiting:
            outcome = yield from self._join(resource, awaits)
            if outcome.error is not None:
                yield from self._rollback(outcome.error)
                return outcome
        return Outcome(self)

    def _join(self, resource: Any, awaits: bool) -> Plan:
        from ...retry.plan import Outcome
        from .resources import check_resource, join

        check_resource(resource)
        outcome = yield from join(resource, awaits)
        if outcome.error is not None:
            return outcome
        self._entries.append(outcome.value)
        return Outcome(outcome.value.resource)

    def _commit(self) -> Plan:
        from ...retry.plan import Call, Outcome

        for entry in reversed(self._joined()):
            outcome = yield Call(entry.settle)
            if outcome.error is not None:
                yield from self._rollback(outcome.error)
                return outcome
            self._entries.remove(entry)
        if self._outer is not None:
            self._outer._entries.extend(self._entries)
        self._entries.clear()
        return Outcome()

    def _rollback(self, reason: BaseException | None) -> Plan:
        from .unwinding import Action, attach, unwind

        actions = [
            entry if isinstance(entry, Action) else Action(entry.name, partial(entry.undo, reason))
            for entry in self._entries
        ]
        self._entries.clear()
        outcome = yield from unwind(self.name, actions)
        self.failures = outcome.value.told()
        attach(reason, self.name, self.failures)
        return outcome

    def _joined(self) -> list[Joined]:
        from .resources import Joined

        return [entry for entry in self._entries if isinstance(entry, Joined)]


def transaction(*resources: Any, name: str = "transaction") -> Transaction:
    """A block that happens as a whole or not at all: `with` or `async with transaction(session) as current`.

    `resources` take part from its beginning: SQLAlchemy sessions and connections (one that is in a transaction already gets
    a savepoint, and its owner commits), objects with `commit()` and `rollback()`, context managers. `current.undo(…)` adds
    an action that takes back what no database does; `current.savepoint()` is a block inside that may fail for itself. The
    end of the block commits: who commits inside is told by the database's error that the transaction is closed.

    Where the block raises, or its task is cancelled, everything is taken back, the last first; what fails on the way does not
    hold up the rest and is noted on the error, which goes on. The span `cleanup` says how much was taken back. Actions that
    have to be awaited need `async with`.

    Raises:
        InvalidConfigError: a resource is none of these.
    """
    return Transaction(name, resources)


class TransactionRollbackStrategy(RecoveryStrategy):
    """Rolls back what the failed operation has open, and lets the next strategies answer.

    The transaction is `transaction`, or `context.metadata["transaction"]`: one of `transaction()`, or anything that it
    takes, which is rolled back by its own `rollback()`. Without one the strategy does not apply. `priority` is low by
    default, so that it comes before those that answer.
    """

    def __init__(
        self, transaction: Any = None, *, priority: int = DEFAULT_PRIORITY // 2, name: str = "transaction_rollback"
    ) -> None:
        if transaction is not None:
            _check_rollback(transaction)
        self.name = name
        self.priority = priority
        self._transaction = transaction

    def applies(self, context: RecoveryContext) -> bool:
        found = self._found(context)
        return found is not None and (not isinstance(found, Transaction) or found.open)

    async def recover(self, context: RecoveryContext) -> Any:
        return self._checked(await run_async(self._plan(context)))

    def recover_sync(self, context: RecoveryContext) -> Any:
        """`recover` for synchronous callers."""
        return self._checked(run(self._plan(context)))

    def _found(self, context: RecoveryContext) -> Any:
        return self._transaction if self._transaction is not None else context.metadata.get(METADATA_KEY)

    def _plan(self, context: RecoveryContext) -> Plan:
        from .unwinding import Action, unwind

        found = self._found(context)
        if isinstance(found, Transaction):
            return found._rollback(context.error)
        _check_rollback(found)
        return unwind(self.name, [Action(type(found).__name__, found.rollback)])

    def _checked(self, unwound: Unwound) -> Any:
        from .unwinding import failed

        if unwound.failures:
            raise failed(self.name, unwound)
        return PREPARED


def _check_rollback(transaction: Any) -> None:
    if isinstance(transaction, type) or not callable(getattr(transaction, "rollback", None)):
        raise InvalidConfigError(f"transaction={transaction!r}: transaction() or an object with rollback() is needed")
