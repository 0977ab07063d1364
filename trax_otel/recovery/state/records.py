"""What is kept of an operation, as users see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

Status = Literal["running", "completed", "failed", "dead"]
RUNNING: Final = "running"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
DEAD: Final = "dead"
STATUSES: Final[tuple[Status, ...]] = (RUNNING, COMPLETED, FAILED, DEAD)


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
