"""What `trax-otel state` prints for people: a table of operations, and one operation whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from . import text

if TYPE_CHECKING:
    from ..recovery.state import OperationRecord

_HEADINGS: Final = ("operation", "type", "status", "begun", "last saved", "recoveries>", "held by")
_COLOURS: Final = {
    "completed": "green",
    "running": "cyan",
    "interrupted": "yellow",
    "failed": "red",
    "dead": "bold red",
}


def print_table(records: Sequence[OperationRecord]) -> None:
    """A line for each."""
    rows = [
        (record.operation_id, record.operation_type, record.status, _time(record.created_at), _time(record.updated_at),
         str(record.recoveries), record.owner if record.status == "running" else "")
        for record in records
    ]  # fmt: skip
    styles = [["", "", _COLOURS.get(record.status, ""), "", "", "", ""] for record in records]
    text.print_table(_HEADINGS, [[cell or "" for cell in row] for row in rows], styles)


def print_one(record: OperationRecord) -> None:
    """Everything that is kept of it."""
    lease = f"{abs(record.lease_s):.1f} s {'left' if record.lease_s > 0 else 'ago'}"
    rows: list[tuple[str, str | None]] = [
        ("operation", record.operation_id),
        ("type", record.operation_type),
        ("status", record.status),
        ("correlation id", record.correlation_id),
        ("error", record.error),
        ("begun", _time(record.created_at)),
        ("last saved", _time(record.updated_at)),
        ("finished", None if record.finished_at is None else _time(record.finished_at)),
        ("held by", f"{record.owner}, lease {lease}" if record.status in ("running", "interrupted") else None),
        ("recoveries", f"{record.recoveries} (fencing token {record.fencing_token})"),
        ("trace", _trace(record.traceparent)),
        ("arguments", _compact(record.arguments)),
        ("checkpoint", _compact(record.data)),
        ("result", _compact(record.result)),
        *((f"step {name}", _compact(value)) for name, value in record.steps.items()),
    ]
    text.print_pairs([(name, value) for name, value in rows if value is not None])


def _trace(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return f"{parts[1]}, span {parts[2]}" if len(parts) == 4 else None


def _compact(value: Any) -> str | None:
    return None if value in (None, {}) else json.dumps(value, ensure_ascii=False)


def _time(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
