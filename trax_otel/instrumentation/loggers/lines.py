"""A line of another log library, and the same line where one library hands it to the next: it is told once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from ... import clock, deferral
from ...logging import otlp
from ...logging.records import LineRecord

MAX_FRAMES: Final = 16
"""How far up the stack a library is looked for that hands a line on."""

_PLACED: Final = ("correlation_id", "error_code")
_new: Final = object.__new__
_told: Final[ContextVar[tuple[object, CodeType] | None]] = ContextVar("trax-told-line", default=None)


class Place(NamedTuple):
    """Where in the source a line was logged."""

    path: str
    function: str
    line: int


def leaves(level: int) -> bool:
    """Whether a line of that level would leave. The first one that may sets telemetry up, as a record of `logging` does."""
    deferral.settle()
    return otlp.wants(level)


def make_line(
    name: str, level: int, level_name: str, message: str, fields: Mapping[str, Any], error: BaseException | None, place: Place
) -> LineRecord:  # fmt: skip
    """A line as the record that the bridge sends: `fields` keep their names, correlation id and error code have their places."""
    record = _new(LineRecord)
    record.__dict__ = {
        "name": name, "levelno": level, "levelname": level_name, "msg": message, "args": (), "fields": fields,
        "pathname": place.path, "funcName": place.function, "lineno": place.line,
        "created": clock.current().time_ns() / 1e9, "exc_text": None, "stack_info": None,
        "exc_info": None if error is None else (type(error), error, error.__traceback__),
    }  # fmt: skip
    for key in _PLACED:
        if key in fields:
            record.__dict__[key] = fields[key]
    return record


def tell(record: LineRecord, printed: object = None, printer: CodeType | None = None) -> None:
    """Send a line on; `printed` is what `printer` gives of it to what may be another log library."""
    if printer is not None:
        _told.set((printed, printer))
    otlp.send(record)


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
