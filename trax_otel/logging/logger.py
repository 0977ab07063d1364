"""A `logging.Logger` that takes a shorter way to the same record.

The standard library spends most of a log call on finding the caller and filling the record; with what can be kept between
calls kept, that costs a third. The record is a plain `logging.LogRecord`, complete for every handler, filter and formatter.
Loggers got by `get_logger` are of this class while `initialize_logging` is in force; nothing a call is given raises.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .direct import write_directly
from .dispatch import call_handlers_contained, part_of_logging, tell_once
from .records import formats_as_usual, merge_extra, unformatted
from .sites import make_record, site_of
from .values import text_of

if TYPE_CHECKING:
    from types import FrameType

_LOGGING_FILE: Final = logging.info.__code__.co_filename


class TraxLogger(logging.Logger):
    """See the module. Overrides only what lies between a log call and its handlers."""

    @part_of_logging
    def _log(
        self,
        level: int,
        msg: object,
        args: Any,
        exc_info: Any = None,
        extra: Mapping[str, object] | None = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        **fields: object,
    ) -> None:
        """The standard library's own parameters, and any others as fields of the record: `logger.info("charged", amount=3)`."""
        try:
            if fields:
                extra = (
                    {**fields, **extra}
                    if isinstance(extra, Mapping)
                    else fields
                    if extra is None
                    else {**fields, "extra": extra}
                )
            frame = _caller(stacklevel)
            site = site_of(self.name, level, frame)
            if not (exc_info or stack_info or self.filters) and write_directly(self, site, level, msg, args, extra):
                return
            if logging.getLogRecordFactory() is logging.LogRecord:
                if args or type(msg) is not str:
                    msg, args = _checked(msg, args)
                record = make_record(site, msg, args)
            else:
                record = _made_by_factory(self.name, level, frame, msg, args)
            if exc_info:
                record.exc_info = _exc_info(exc_info)
            if stack_info:
                record.stack_info = _stack(frame)
            if extra is not None:
                merge_extra(record.__dict__, extra)
            del frame
            if self.filters:
                passed: Any = self.filter(record)
                if not passed:
                    return
                if isinstance(passed, logging.LogRecord):  # Python 3.12 and later: a filter may return another one
                    record = passed
            call_handlers_contained(self, record)
        except Exception as failure:
            tell_once(f"log call on {self.name!r}", failure)


_OWN_FILE: Final = TraxLogger._log.__code__.co_filename


def _caller(stacklevel: int) -> FrameType:
    frame = sys._getframe(2)
    while True:
        filename = frame.f_code.co_filename
        if filename != _LOGGING_FILE and filename != _OWN_FILE:
            if stacklevel <= 1:
                return frame
            stacklevel -= 1
        if frame.f_back is None:
            return frame
        frame = frame.f_back


def _made_by_factory(name: str, level: int, frame: FrameType, msg: object, args: Any) -> logging.LogRecord:
    code = frame.f_code
    factory = logging.getLogRecordFactory()
    record = factory(name, level, code.co_filename, frame.f_lineno, msg, args, None, code.co_name)
    if formats_as_usual(record):
        record.msg, record.args = _checked(record.msg, record.args or ())
    return record


def _checked(msg: object, args: Any) -> tuple[object, Any]:
    """The message and its arguments, or, where they do not fit, a text that every handler can format."""
    try:
        if len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
            args = args[0]
        str(msg) % args if args else str(msg)
    except Exception as failure:
        return (unformatted(msg, args, failure) if args else text_of(msg)), ()
    return msg, args


def _exc_info(given: object) -> Any:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    return given if isinstance(given, tuple) and len(given) == 3 else sys.exc_info()


def _stack(frame: FrameType) -> str:
    import traceback

    return "Stack (most recent call last):\n" + "".join(traceback.format_stack(frame)).rstrip("\n")
