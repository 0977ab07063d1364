"""What `trax-otel state` prints for people: a table of operations, and one operation whole."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

    from ..recovery.state import OperationRecord

WIDE: Final = 1_000
_COLOURS: Final = {
    "completed": "green",
    "running": "cyan",
    "interrupted": "yellow",
    "failed": "red",
    "dead": "bold red",
}


def print_table(records: Sequence[OperationRecord]) -> None:
    """A line for each."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("operation", "type", "status", "begun", "last saved", "recoveries", "held by"):
        table.add_column(
            heading, no_wrap=heading != "operation", justify="right" if heading == "recoveries" else "left"
        )
    for record in records:
        table.add_row(
            Text(record.operation_id), Text(record.operation_type), Text(record.status, _COLOURS.get(record.status, "")),
            _time(record.created_at), _time(record.updated_at), str(record.recoveries),
            Text(record.owner if record.status == "running" else ""),
        )  # fmt: skip
    _console().print(table)


def print_one(record: OperationRecord) -> None:
    """Everything that is kept of it."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
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
    for name, text in rows:
        if text is not None:
            table.add_row(Text(name, "bold"), Text(text))
    _console().print(table)


def _trace(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return f"{parts[1]}, span {parts[2]}" if len(parts) == 4 else None


def _compact(value: Any) -> str | None:
    return None if value in (None, {}) else json.dumps(value, ensure_ascii=False)


def _time(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _console() -> Console:
    from rich.console import Console

    # Not a terminal: one record stays on one line for whatever reads it, unless COLUMNS says otherwise.
    wide = WIDE if not sys.stdout.isatty() and "COLUMNS" not in os.environ else None
    return Console(highlight=False, width=wide)
