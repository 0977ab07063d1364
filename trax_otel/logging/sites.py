"""Places in the source that log, and records made from what is known of them."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from .. import clock
from .formatters import place_text

if TYPE_CHECKING:
    from types import FrameType

_HAS_TASK_NAME: Final = sys.version_info >= (3, 12)
_PROBE: Final = logging.LogRecord("", 0, "", 0, "", (), None, None)
_STARTED: Final = _PROBE.created - _PROBE.relativeCreated / 1000
_MAX_SITES: Final = 8_192
_new: Final = object.__new__

_process_id = os.getpid()


def _renew_process_id() -> None:
    global _process_id
    _process_id = os.getpid()


os.register_at_fork(after_in_child=_renew_process_id)


class Site:
    """A place in the source that logs through one logger on one level: what all its records share.

    `values` are the attributes of a record, `text` the same as JSON (level, logger, module, function, line).
    """

    __slots__ = ("code", "text", "values")

    def __init__(self, name: str, level: int, frame: FrameType) -> None:
        self.code = frame.f_code  # kept, so that its id is nobody else's
        path = self.code.co_filename
        filename = os.path.basename(path)  # noqa: PTH119
        # The order is the standard library's: `records.extras` relies on a record's own attributes coming first.
        self.values = {
            **_PROBE.__dict__,
            "name": name,
            "levelname": logging.getLevelName(level),
            "levelno": level,
            "pathname": path,
            "filename": filename,
            "module": os.path.splitext(filename)[0],  # noqa: PTH122
            "lineno": frame.f_lineno,
            "funcName": self.code.co_name,
        }
        place = self.values
        self.text = place_text(place["levelname"], name, place["module"], place["funcName"], place["lineno"])


_sites: Final[dict[tuple[str, int, int, int], Site]] = {}


def site_of(name: str, level: int, frame: FrameType) -> Site:
    """The site of a frame that logs; always the same one while it is remembered."""
    key = (name, level, id(frame.f_code), frame.f_lasti)
    site = _sites.get(key)
    if site is None:
        if len(_sites) >= _MAX_SITES:
            _sites.clear()
        site = _sites[key] = Site(name, level, frame)
    return site


def make_record(site: Site, msg: object, args: Any) -> logging.LogRecord:
    """A plain `logging.LogRecord` with every attribute that the standard library gives it."""
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
