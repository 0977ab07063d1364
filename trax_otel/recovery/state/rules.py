"""The rules of the state of operations, each one transaction: who may run an operation, and what may be saved.

An `owner` is a random name of one run, so a write that is repeated after a broken connection is recognised as our own, and
a late one of somebody who lost the operation finds another owner there. The fencing token counts the runs: whoever has a
greater one came later, which systems outside can compare too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from .records import COMPLETED, DEAD, FAILED, RUNNING
from .storage import StateTransaction
from .stored import Hold, StoredOperation, StoredStep
from .values import decode

Way = Literal["started", "resumed", "completed", "busy", "dead", "mistaken", "different"]


class Start(NamedTuple):
    """How an operation is to be run: by whom (`owner`), for how long without renewal (`lease`, in seconds). `given`: only if
    it was begun with these arguments."""

    operation_id: str
    operation_type: str
    correlation_id: str | None
    arguments: str
    traceparent: str | None
    owner: str
    lease: float
    max_recoveries: int
    given: bool = False

    @property
    def hold(self) -> Hold:
        """What its lease is renewed by."""
        return Hold(self.operation_id, self.owner)


class Entered(NamedTuple):
    """What came of it: the operation as it was (with the traceparent of the run before) and its recorded steps."""

    way: Way
    operation: StoredOperation
    steps: list[StoredStep]
    fencing_token: int
    recoveries: int


def enter(transaction: StateTransaction, start: Start) -> Entered:
    """Begin the operation, or resume it where it was interrupted or failed. A failed one begins its recoveries anew."""
    if transaction.insert(_values(start), start.lease):
        return begun(start)
    operation = transaction.load(start.operation_id, lock="wait")
    if operation is None:  # deleted in between
        return enter(transaction, start)
    if operation.operation_type != start.operation_type:  # two kinds of work under one id: neither may replay the other
        return Entered("mistaken", operation, [], operation.fencing_token, operation.recoveries)
    if start.given and decode(operation.arguments) != decode(start.arguments):
        return Entered("different", operation, [], operation.fencing_token, operation.recoveries)
    return _take(transaction, operation, start)


def begun(start: Start) -> Entered:
    """How an operation begins that nobody has begun before."""
    new = StoredOperation(**_values(start), created_at=0.0, updated_at=0.0, lease_until=0.0, finished_at=None)
    return Entered("started", new._replace(traceparent=None), [], 1, 0)


def _values(start: Start) -> dict[str, Any]:
    return {
        "operation_id": start.operation_id,
        "operation_type": start.operation_type,
        "correlation_id": start.correlation_id,
        "status": RUNNING,
        "arguments": start.arguments,
        "data": "{}",
        "result": None,
        "error": None,
        "traceparent": start.traceparent,
        "owner": start.owner,
        "fencing_token": 1,
        "recoveries": 0,
    }


def claim(transaction: StateTransaction, start: Start) -> Entered | None:
    """Take an interrupted operation over for recovery; None where it is not interrupted, or just being claimed."""
    operation = transaction.load(start.operation_id, lock="skip")
    if operation is None:
        return None
    ours = operation.owner == start.owner
    if operation.status != RUNNING or not (operation.lapsed or ours):
        return None
    return _take(transaction, operation, start)


def _take(transaction: StateTransaction, operation: StoredOperation, start: Start) -> Entered:
    if operation.owner == start.owner:  # the connection broke after the commit, and this is the repetition
        way: Way = "resumed" if operation.fencing_token > 1 else "started"
        return Entered(
            way, operation, transaction.steps(start.operation_id), operation.fencing_token, operation.recoveries
        )
    if operation.status == COMPLETED:
        steps = transaction.steps(start.operation_id)
        return Entered("completed", operation, steps, operation.fencing_token, operation.recoveries)
    if operation.status == RUNNING and not operation.lapsed:
        return Entered("busy", operation, [], operation.fencing_token, operation.recoveries)
    exhausted = operation.status == RUNNING and operation.recoveries >= start.max_recoveries
    if exhausted:
        transaction.change(start.operation_id, {"status": DEAD, "owner": ""}, lease=0.0)
    if exhausted or operation.status == DEAD:
        return Entered("dead", operation, [], operation.fencing_token, operation.recoveries)
    recoveries = operation.recoveries + 1 if operation.status == RUNNING else 0
    token = operation.fencing_token + 1
    changes: dict[str, Any] = {
        "status": RUNNING, "owner": start.owner, "fencing_token": token, "recoveries": recoveries, "error": None,
    }  # fmt: skip
    if start.traceparent is not None:
        changes["traceparent"] = start.traceparent
    transaction.change(start.operation_id, changes, lease=start.lease)
    return Entered("resumed", operation, transaction.steps(start.operation_id), token, recoveries)


class Save(NamedTuple):
    """What is to be saved of a running operation. A `lease` begins anew with it, in seconds. `start`: the store was away
    when it began, so it is entered first."""

    hold: Hold
    changes: Mapping[str, Any] = {}
    steps: tuple[StoredStep, ...] = ()
    lease: float | None = None
    finished: bool = False
    start: Start | None = None


def save(transaction: StateTransaction, wanted: Save) -> str | None:
    """Save it; None, or why it is refused: the lease was lost and somebody else has the operation, or it is gone."""
    if wanted.start is not None:
        way = enter(transaction, wanted.start).way
        if way not in ("started", "resumed"):
            return f"it is {way}"
    if transaction.update(wanted.hold, wanted.changes, lease=wanted.lease, finished=wanted.finished):
        for step in wanted.steps:
            transaction.add_step(wanted.hold.operation_id, step)
        return None
    operation = transaction.load(wanted.hold.operation_id)
    if operation is None:
        return "it is no longer in the store"
    if operation.owner == wanted.hold.owner and operation.status == wanted.changes.get("status"):
        return None  # the connection broke after the commit, and this is the repetition
    if operation.status != RUNNING:
        return f"it is {operation.status} already"
    return f"{operation.owner or 'nobody'} has taken it over (fencing token {operation.fencing_token})"


def give_back(transaction: StateTransaction, hold: Hold, entered: Entered | None) -> None:
    """Undo `enter` or `claim` of a run that never began: its caller was cancelled. `entered` is what it came to, or None where
    nobody knows. An operation that did not exist before is deleted; another one is as it was, but for its fencing token."""
    operation = transaction.load(hold.operation_id, lock="wait")
    if operation is None or operation.owner != hold.owner or operation.status != RUNNING:
        return
    if operation.fencing_token == 1:
        transaction.delete(hold.operation_id)
        return
    before = operation if entered is None else entered.operation
    failed = before.status == FAILED if entered is not None else operation.recoveries == 0
    changes: dict[str, Any] = {
        "owner": "", "status": FAILED if failed else RUNNING, "error": before.error,
        "recoveries": max(0, operation.recoveries - 1),
    }  # fmt: skip
    transaction.change(hold.operation_id, changes, lease=0.0)


def queue_anew(transaction: StateTransaction, operation_id: str) -> StoredOperation | None:
    """Let a dead or failed operation be recovered again, its count begun anew; returns it as it was before, or None."""
    operation = transaction.load(operation_id, lock="wait")
    if operation is not None and operation.status in (DEAD, FAILED):
        transaction.change(operation_id, {"status": RUNNING, "owner": "", "recoveries": 0}, lease=0.0)
    return operation
