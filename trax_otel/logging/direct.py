"""The shortest way: a JSON line without a record, where the file of JSON lines is the only one that would see it.

Anything out of the ordinary (another handler, a filter, an exception, bound fields, an SDK, a record factory) takes the way
through a record; the line is the same, letter for letter.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import clock, config, signals
from . import dispatch
from .formatters import json_line
from .records import NOT_EXTRA, surroundings

if TYPE_CHECKING:
    from .handlers import FileHandler
    from .sites import Site

_target: FileHandler | None = None


def aim_at(handler: FileHandler | None) -> None:
    """The handler whose lines may be written directly; None ends it."""
    global _target
    _target = handler


def write_directly(logger: logging.Logger, site: Site, level: int, msg: object, args: Any, extra: object) -> bool:
    """Write the line if nobody but the file would see the record; else False, and nothing was done."""
    handler = _target
    if handler is None or type(msg) is not str or not _is_alone(handler, logger, level):
        return False
    around = surroundings()
    if around.correlation.fields or (level >= logging.INFO and around.span.is_recording()):
        return False
    if extra is None:
        extra = {}
    elif type(extra) is not dict or not NOT_EXTRA.isdisjoint(extra):
        return False
    message: str = msg
    if args:
        try:
            first = args[0]
            named = len(args) == 1 and type(first) is not str and isinstance(first, Mapping) and first
            message = msg % (first if named else args)
        except Exception:
            return False
    created = clock.current().time_ns() / 1e9
    handler.write_line(json_line(created, site.text, message, around.text, "null", extra), created)
    return True


def _is_alone(handler: FileHandler, logger: logging.Logger, level: int) -> bool:
    if (
        level < handler.threshold
        or handler.filters
        or logging.Logger.callHandlers is not dispatch.call_handlers
        or logging.getLogRecordFactory() is not logging.LogRecord
        or signals.log_export()
        or (level >= logging.ERROR and config.debug())
    ):
        return False
    found = False
    current: logging.Logger | None = logger
    while current is not None:
        for other in current.handlers:
            if other is not handler:
                return False
            found = True
        current = current.parent if current.propagate else None
    return found
