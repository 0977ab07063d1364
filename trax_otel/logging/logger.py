"""A `logging.Logger` that takes a shorter way to the same record.

The standard library spends most of a log call on finding the caller and filling the record; with what can be kept between
calls kept, that costs a third. The record is a plain `logging.LogRecord`, complete for every handler, filter and formatter.
Loggers got by `get_logger` are of this class while `initialize_logging` is in force; nothing a call is given raises.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import clock
from .dispatch import call_handlers_contained, tell_once
from .records import merge_extra, unformatted
from .values import text_of

if TYPE_CHECKING:
    from types import FrameType

_LOGGING_FILE: Final = logging.info.__code__.co_filename
_OWN_FILE: Final = __file__
_HAS_TASK_NAME: Final = sys.version_info >= (3, 12)
_PROBE: Final = logging.LogRecord("", 0, "", 0, "", (), None, None)
_STARTED: Final = _PROBE.created - _PROBE.relativeCreated / 1000
_MAX_SITES: Final = 8_192
_new: Final = object.__new__

_sites: Final[dict[tuple[str, int, int, int], Site]] = {}
_process_id = os.getpid()


def _renew_process_id() -> None:
    global _process_id
    _process_id = os.getpid()


os.register_at_fork(after_in_child=_renew_process_id)


class TraxLogger(logging.Logger):
    """See the module. Overrides only what lies between a log call and its handlers."""

    def _log(
        self,
        level: int,
        msg: object,
        args: Any,
        exc_info: Any = None,
        extra: Mapping[str, object] | None = None,
        stack_info: bool = False,
        stacklevel: int = 1,
    ) -> None:
        try:
            frame = _caller(stacklevel)
            if args or type(msg) is not str:
                msg, args = _checked(msg, args)
            factory = logging.getLogRecordFactory()
            if factory is logging.LogRecord:
                record = _record(self.name, level, msg, args, frame)
            else:
                code = frame.f_code
                record = factory(self.name, level, code.co_filename, frame.f_lineno, msg, args, None, code.co_name)
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


class Site:
    """A place in the source that logs through one logger on one level: what all its records share."""

    __slots__ = ("code", "values")

    def __init__(self, name: str, level: int, frame: FrameType) -> None:
        self.code = frame.f_code  # kept, so that its id is nobody else's
        path = self.code.co_filename
        filename = Path(path).name
        # The order is the standard library's: `records.extras` relies on a record's own attributes coming first.
        self.values = {
            **_PROBE.__dict__,
            "name": name,
            "levelname": logging.getLevelName(level),
            "levelno": level,
            "pathname": path,
            "filename": filename,
            "module": Path(filename).stem,
            "lineno": frame.f_lineno,
            "funcName": self.code.co_name,
        }


def _record(name: str, level: int, msg: object, args: Any, frame: FrameType) -> logging.LogRecord:
    key = (name, level, id(frame.f_code), frame.f_lasti)
    site = _sites.get(key)
    if site is None:
        if len(_sites) >= _MAX_SITES:
            _sites.clear()
        site = _sites[key] = Site(name, level, frame)
    nanoseconds = clock.current().time_ns()
    values = site.values.copy()
    values["msg"] = msg
    values["args"] = args
    values["created"] = created = nanoseconds / 1e9
    values["msecs"] = float(nanoseconds // 1_000_000 % 1000)
    values["relativeCreated"] = (created - _STARTED) * 1000
    values["thread"] = threading.get_ident()
    values["threadName"] = threading.current_thread().name
    values["process"] = _process_id
    if "multiprocessing" in sys.modules:
        values["processName"] = sys.modules["multiprocessing"].current_process().name
    if _HAS_TASK_NAME:
        values["taskName"] = _task_name()
    record = _new(logging.LogRecord)
    record.__dict__ = values
    return record


def _task_name() -> str | None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        task = asyncio.current_task()
    except Exception:  # no loop runs in this thread
        return None
    return None if task is None else task.get_name()
