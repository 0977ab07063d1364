"""What the machinery hands to a store and gets from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .records import RUNNING, OperationRecord
from .values import decode


class StoredOperation(NamedTuple):
    """One operation as the store has it. The values are JSON texts; times are seconds since the epoch by the store's own
    clock, and `now` is that clock's time of the reading. `owner` names one run: it is random and never used twice."""

    operation_id: str
    operation_type: str
    correlation_id: str | None
    status: str
    arguments: str
    data: str
    result: str | None
    error: str | None
    traceparent: str | None
    owner: str
    fencing_token: int
    recoveries: int
    created_at: float
    updated_at: float
    lease_until: float
    finished_at: float | None
    now: float = 0.0

    @property
    def lapsed(self) -> bool:
        """Whether nobody holds a valid lease."""
        return self.lease_until <= self.now


class StoredStep(NamedTuple):
    """A step's recorded result. `occurrence` tells apart steps of one name: 1 for the first. `arguments` is a fingerprint
    of what it was called with (empty: not compared; None: written by a version that had none)."""

    name: str
    occurrence: int
    result: str
    arguments: str | None = None


class Hold(NamedTuple):
    """Who runs an operation: the pair that a lease is renewed by."""

    operation_id: str
    owner: str


class Wanted(NamedTuple):
    """What a list shall have. `status` may be `interrupted`; `types` limits it to these operation types. Interrupted ones
    come with the longest lapsed first, others with the newest first."""

    status: str | None = None
    types: tuple[str, ...] | None = None
    limit: int = 100


def public(stored: StoredOperation, steps: Iterable[StoredStep] = ()) -> OperationRecord:
    """The record that users see."""
    interrupted = stored.status == RUNNING and stored.lapsed
    return OperationRecord(
        stored.operation_id,
        stored.operation_type,
        stored.correlation_id,
        "interrupted" if interrupted else stored.status,
        decode(stored.arguments),
        decode(stored.data),
        decode(stored.result),
        stored.error,
        stored.traceparent,
        stored.owner,
        stored.fencing_token,
        stored.recoveries,
        stored.created_at,
        stored.updated_at,
        stored.finished_at,
        round(stored.lease_until - stored.now, 3),
        {step_label(step.name, step.occurrence): decode(step.result) for step in steps},
    )


def step_label(name: str, occurrence: int) -> str:
    """How a step is shown: `name`, and `name#2` for the second of that name."""
    return name if occurrence == 1 else f"{name}#{occurrence}"
