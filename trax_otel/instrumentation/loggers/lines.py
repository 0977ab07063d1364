"""A line of another log library, and the same line where one library hands it to the next: it is told once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any, Final

from ...logging.otlp import send_line
from ...logging.records import CONTEXT, LineRecord

MAX_FRAMES: Final = 16
"""How far up the stack a library is looked for that hands a line on."""

_told: Final[ContextVar[tuple[object, CodeType] | None]] = ContextVar("trax-told-line", default=None)


def make_line(
    name: str,
    level: int,
    level_name: str,
    message: object,
    fields: Mapping[str, Any],
    *,
    error: BaseException | None,
    path: str,
    function: str,
    line: int,
) -> LineRecord:
    """A line as the record that the bridge sends: `fields` keep their names, correlation id and error code have their places."""
    record = LineRecord(name, level, path, line, message, (), (type(error), error, None) if error else None, function)
    record.levelname = level_name
    record.fields = fields
    record.__dict__.update((key, fields[key]) for key in CONTEXT & fields.keys())
    return record


def tell(record: LineRecord, printed: object = None, printer: CodeType | None = None) -> None:
    """Send a line on; `printed` is what `printer` gives of it to what may be another log library."""
    if printer is not None:
        _told.set((printed, printer))
    send_line(record)


def was_told(message: object) -> bool:
    """Whether this very object is what was told last, on its way through the printer that hands it on."""
    told = _told.get()
    return told is not None and message is told[0] and calling((told[1],)) is not None


def calling(codes: Collection[CodeType]) -> FrameType | None:
    """The innermost frame of one of these functions that leads to the call; the first ones are our own."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(MAX_FRAMES):
        if frame is None or frame.f_code in codes:
            return frame
        frame = frame.f_back
    return None


def is_of_logging(message: str) -> bool:
    """Whether a handler of `logging` hands a record on, which leaves by itself."""
    frame = calling((logging.Handler.handle.__code__,))
    record = None if frame is None else frame.f_locals.get("record")
    return isinstance(record, logging.LogRecord) and record.getMessage() == message
