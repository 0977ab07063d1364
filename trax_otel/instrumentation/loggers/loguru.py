"""loguru: each line that one of the application's sinks lets pass leaves once.

There is no sink of ours, which `logger.remove()` would take away and which would count among the sinks. A handler asks its
filter after its level and before its sink: the question passes through here, for handlers made before too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ...logging import otlp
from ...logging.dispatch import tell_once
from .lines import calling, is_of_logging, make_line, tell, was_told

if TYPE_CHECKING:
    import logging
    from types import CodeType

Filter = Callable[[dict[str, Any]], bool]
_KEY: Final = "_filter"
_REMEMBERED: Final = 4

_seen: Final[ContextVar[tuple[timedelta, ...]]] = ContextVar("trax-loguru-lines", default=())
_sinks: tuple[CodeType, ...] = ()


def hook() -> None:
    """Hear of every line; doing it twice changes nothing."""
    global _sinks
    handler: Any = sys.modules["loguru._handler"].Handler
    sinks: Any = sys.modules["loguru._simple_sinks"]
    if not isinstance(vars(handler).get(_KEY), _HeardFilter):
        if _KEY not in handler.__init__.__code__.co_names or _KEY not in handler.emit.__code__.co_names:
            raise AttributeError(f"loguru's Handler has no {_KEY}")
        setattr(handler, _KEY, _HeardFilter())
    _sinks = (sinks.CallableSink.write.__code__, sinks.StandardSink.write.__code__)
    otlp.read_records_by(_read)


class _HeardFilter:
    """Stands on the class for each handler's own filter, which stays in its place in the handler."""

    def __get__(self, handler: Any, owner: Any = None) -> Any:
        return self if handler is None else partial(_passes, handler.__dict__[_KEY])

    def __set__(self, handler: Any, value: Filter | None) -> None:
        handler.__dict__[_KEY] = value


def _passes(own: Filter | None, record: dict[str, Any]) -> bool:
    if own is not None:
        try:
            if not own(record):
                return False
        except BaseException as failure:
            # loguru prints it as the application's: no frame of ours in it (3.10 puts it back).
            if failure.__traceback__ is not None:
                failure.__traceback__ = failure.__traceback__.tb_next
            raise
    try:
        _hear(record)
    except Exception as failure:
        tell_once("a line of loguru", failure)
    return True


def _hear(record: dict[str, Any]) -> None:
    # A record goes through every handler; its age is an object of its own, and holds nothing of the application's.
    age, seen = record["elapsed"], _seen.get()
    if any(age is other for other in seen):
        return
    _seen.set((*seen[1 - _REMEMBERED :], age))
    message: str = record["message"]
    if was_told(message) or is_of_logging(message):
        return
    level, exception = record["level"], record["exception"]
    line = make_line(
        record["name"] or "loguru", level.no, level.name, message, record["extra"],
        error=exception.value if exception else None,
        path=record["file"].path, function=record["function"], line=record["line"],
    )  # fmt: skip
    line.created = record["time"].timestamp()
    tell(line)


def _read(record: logging.LogRecord) -> logging.LogRecord | None:
    """Nothing of a record that a sink of loguru's made of its line, which has left: a handler of `logging`, or a function
    that logs what it is given."""
    frame = calling(_sinks)
    message = None if frame is None else frame.f_locals.get("message")
    if message is None or frame is None:
        return record
    line = frame.f_locals.get("raw_record") or getattr(message, "record", None)
    texts = {str(message).strip(), line["message"].strip() if line else ""}
    return None if record.getMessage().strip() in texts else record
