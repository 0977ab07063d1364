"""A store in this process's memory: for tests, for trying out, and where only idempotency is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ... import clock
from .records import COMPLETED, FAILED, RUNNING

if TYPE_CHECKING:
    from .storage import StateTransaction
    from .stored import Hold, StoredOperation, StoredStep, Wanted

    Kept = tuple[StoredOperation, dict[tuple[str, int], StoredStep]]

T = TypeVar("T")


class MemoryStorage:
    """Keeps operations as long as the process lives. Nothing is written anywhere, so nothing survives a crash."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._epoch = clock.current().time_ns() / 1e9 - clock.current().monotonic()

    @property
    def workers(self) -> int:
        return 1

    def transact(self, work: Callable[[StateTransaction], T], *, write: bool = True) -> T:
        with self._lock:
            transaction = Transaction(self._kept, self._epoch + clock.current().monotonic())
            try:
                return work(transaction)
            except BaseException:
                transaction.undo()
                raise

    def close(self) -> None:
        """Nothing is open."""

    def forget(self) -> None:
        self._lock = threading.Lock()


class Transaction:
    """The dictionary as a transaction sees it; what it changes can be undone."""

    def __init__(self, kept: dict[str, Kept], now: float) -> None:
        self._kept = kept
        self._now = now
        self._before: dict[str, Kept | None] = {}

    def undo(self) -> None:
        """Put back what was there before."""
        for operation_id, kept in self._before.items():
            if kept is None:
                self._kept.pop(operation_id, None)
            else:
                self._kept[operation_id] = kept

    def insert(self, values: Mapping[str, Any], lease: float) -> bool:
        from .stored import StoredOperation

        if values["operation_id"] in self._kept:
            return False
        times = {
            "created_at": self._now,
            "updated_at": self._now,
            "lease_until": self._now + lease,
            "finished_at": None,
        }
        self._keep(StoredOperation(**{**values, **times}), {})
        return True

    def load(self, operation_id: str, *, lock: Literal["no", "wait", "skip"] = "no") -> StoredOperation | None:
        kept = self._kept.get(operation_id)
        return None if kept is None else kept[0]._replace(now=self._now)

    def update(
        self, hold: Hold, changes: Mapping[str, Any], *, lease: float | None = None, finished: bool = False
    ) -> bool:
        operation = self._held(hold)
        if operation is None:
            return False
        times: dict[str, Any] = {"updated_at": self._now}
        if lease is not None:
            times["lease_until"] = self._now + lease
        if finished:
            times["finished_at"] = self._now
        self._keep(operation._replace(**changes, **times))
        return True

    def change(self, operation_id: str, changes: Mapping[str, Any], *, lease: float) -> None:
        operation = self._kept[operation_id][0]
        times: dict[str, Any] = {"updated_at": self._now, "lease_until": self._now + lease, "finished_at": None}
        self._keep(operation._replace(**changes, **times))

    def add_step(self, operation_id: str, step: StoredStep) -> None:
        operation, steps = self._kept[operation_id]
        self._keep(operation, {(step.name, step.occurrence): step, **steps})

    def steps(self, operation_id: str) -> list[StoredStep]:
        return list(self._kept[operation_id][1].values())

    def delete(self, operation_id: str) -> None:
        self._before.setdefault(operation_id, self._kept.pop(operation_id))

    def renew(self, holds: Sequence[Hold], lease: float) -> set[str]:
        return {hold.owner for hold in holds if self.update(hold, {}, lease=lease)}

    def find(self, wanted: Wanted) -> list[StoredOperation]:
        found = [operation._replace(now=self._now) for operation, _ in self._kept.values()]
        if wanted.types is not None:
            found = [operation for operation in found if operation.operation_type in wanted.types]
        if wanted.status == "interrupted":
            found = [operation for operation in found if operation.status == RUNNING and operation.lapsed]
            return sorted(found, key=lambda operation: operation.lease_until)[: wanted.limit]
        if wanted.status is not None:
            found = [operation for operation in found if operation.status == wanted.status]
        return sorted(found, key=lambda operation: -operation.created_at)[: wanted.limit]

    def purge(self, older_than: float, limit: int) -> int:
        old = [
            operation_id
            for operation_id, (operation, _) in self._kept.items()
            if operation.status in (COMPLETED, FAILED) and (operation.finished_at or 0.0) <= self._now - older_than
        ][:limit]
        for operation_id in old:
            self._before.setdefault(operation_id, self._kept.pop(operation_id))
        return len(old)

    def _held(self, hold: Hold) -> StoredOperation | None:
        kept = self._kept.get(hold.operation_id)
        return kept[0] if kept and kept[0].owner == hold.owner and kept[0].status == RUNNING else None

    def _keep(self, operation: StoredOperation, steps: dict[tuple[str, int], StoredStep] | None = None) -> None:
        kept = self._kept.get(operation.operation_id)
        self._before.setdefault(operation.operation_id, kept)
        if steps is None:
            steps = {} if kept is None else kept[1]
        self._kept[operation.operation_id] = (operation, steps)
