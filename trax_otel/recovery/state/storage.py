"""What a store must be able to do. It is little: the rules are written once, above it (`rules`), in terms of one
transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from .stored import Hold, StoredOperation, StoredStep, Wanted

T = TypeVar("T")
OnStoreLoss = Literal["stop", "continue"]


class StateTransaction(Protocol):
    """What can be done inside one transaction. Times are the store's own; durations are in seconds."""

    def insert(self, values: Mapping[str, Any], lease: float) -> bool:
        """Add a running operation; False where the id is taken."""
        ...

    def load(self, operation_id: str, *, lock: Literal["no", "wait", "skip"] = "no") -> StoredOperation | None:
        """Read an operation; locked until the transaction ends, unless `no`. `skip`: None where another has locked it."""
        ...

    def update(
        self, hold: Hold, changes: Mapping[str, Any], *, lease: float | None = None, finished: bool = False
    ) -> bool:
        """Change a *running* operation of this owner; False where there is none. A `lease` begins now; `finished` stamps
        the end."""
        ...

    def add_step(self, operation_id: str, step: StoredStep) -> None:
        """Record a step's result; nothing where it is recorded already."""
        ...

    def steps(self, operation_id: str) -> list[StoredStep]:
        """The recorded steps."""
        ...

    def change(self, operation_id: str, changes: Mapping[str, Any], *, lease: float) -> None:
        """Change an operation that this transaction has locked, whoever owns it; a `lease` of 0 has lapsed at once."""
        ...

    def delete(self, operation_id: str) -> None:
        """Remove an operation that this transaction has locked, and its steps."""
        ...

    def renew(self, holds: Sequence[Hold], lease: float) -> set[str]:
        """Begin these leases anew; returns the owners that still hold theirs."""
        ...

    def find(self, wanted: Wanted) -> list[StoredOperation]:
        """List operations."""
        ...

    def purge(self, older_than: float, limit: int) -> int:
        """Delete up to `limit` operations that were completed or failed so many seconds ago; returns how many."""
        ...


class StateStorage(Protocol):
    """A store. Its methods may be called from any thread, and raise StateStoreError where it does not answer."""

    @property
    def workers(self) -> int:
        """How many threads may use it at once with profit."""
        ...

    def transact(self, work: Callable[[StateTransaction], T], *, write: bool = True) -> T:
        """Run `work` in one transaction: all of it holds, or nothing. It may be run again where a connection broke."""
        ...

    def close(self) -> None:
        """Let go of files and connections; the next use opens them anew."""
        ...

    def forget(self) -> None:
        """Drop what a forked child inherited, without touching what is still the parent's."""
        ...
