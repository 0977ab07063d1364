"""What is kept of an operation: as the store has it, and as users see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from .values import decode

Status = Literal["running", "completed", "failed", "dead"]
RUNNING: Final = "running"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
DEAD: Final = "dead"
STATUSES: Final[tuple[Status, ...]] = (RUNNING, COMPLETED, FAILED, DEAD)


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
    """A step's recorded result. `occurrence` tells apart steps of one name: 1 for the first."""

    name: str
    occurrence: int
    result: str


class OperationRecord(NamedTuple):
    """One operation at the time of reading.

    `status` is `running`, `interrupted` (it ought to run, but nobody renews its lease), `completed`, `failed` or `dead`.
    `arguments` are those of the start, `data` what was checkpointed, `steps` the recorded results by name (`name#2` for
    the second of a name; empty in lists). Times are seconds since the epoch by the store's clock; `lease_s` is how long
    the lease still holds, negative where it has lapsed.
    """

    operation_id: str
    operation_type: str
    correlation_id: str | None
    status: str
    arguments: dict[str, Any]
    data: dict[str, Any]
    result: Any
    error: str | None
    traceparent: str | None
    owner: str
    fencing_token: int
    recoveries: int
    created_at: float
    updated_at: float
    finished_at: float | None
    lease_s: float
    steps: Mapping[str, Any] = {}


class Recovery(NamedTuple):
    """What became of one operation in `recover_all`: `recovered`; `failed` (its recovery function raised `error`; it is
    tried again after a lease's time); `dead` (it was recovered too often)."""

    operation_id: str
    operation_type: str
    outcome: Literal["recovered", "failed", "dead"]
    error: Exception | None = None


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
