"""loguru: each line that one of the application's sinks lets pass leaves once.

There is no sink of ours, which `logger.remove()` would take away and which would count among the sinks. A handler asks its
filter after its level and before its sink: the question passes through here, for handlers made before too.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ...logging import otlp
from ...logging.dispatch import tell_once
from ..adoption import hide_frame
from .lines import Place, is_of_logging, leaves, make_line, tell, was_told

if TYPE_CHECKING:
    import logging

Filter = Callable[[dict[str, Any]], bool]
_KEY: Final = "_filter"
_REMEMBERED: Final = 4

_seen: Final[ContextVar[tuple[timedelta, ...]]] = ContextVar("trax-loguru-lines", default=())
_writing: Final[ContextVar[Any]] = ContextVar("trax-loguru-writing", default=None)


def hook() -> None:
    """Hear of every line; doing it twice changes nothing."""
    handler: Any = sys.modules["loguru._handler"].Handler
    sinks: Any = sys.modules["loguru._simple_sinks"]
    if not isinstance(vars(handler).get(_KEY), _HeardFilter):
        if _KEY not in handler.__init__.__code__.co_names or _KEY not in handler.emit.__code__.co_names:
            raise AttributeError(f"loguru's Handler has no {_KEY}")
        setattr(handler, _KEY, _HeardFilter())
    for kind in (sinks.CallableSink, sinks.StandardSink):
        _notice(kind)
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
            hide_frame(failure)  # loguru prints it as the application's
            raise
    try:
        _hear(record)
    except Exception as failure:
        tell_once("a line of loguru", failure)
    return True


def _hear(record: dict[str, Any]) -> None:
    # A record goes through every handler; its age is an object of its own, and holds nothing of the application's.
    age, level, seen = record["elapsed"], record["level"], _seen.get()
    if not leaves(level.no) or any(age is other for other in seen):
        return
    _seen.set((*seen[1 - _REMEMBERED :], age))
    message: str = record["message"]
    if was_told(message) or is_of_logging(message):
        return
    exception = record["exception"]
    line = make_line(
        record["name"] or "loguru", level.no, level.name, message, record["extra"],
        exception.value if exception else None, Place(record["file"].path, record["function"], record["line"]),
    )  # fmt: skip
    line.created = record["time"].timestamp()
    tell(line)


def _notice(kind: Any) -> None:
    """Know which line a sink is given while it writes it: a function that logs what it is given, or a handler of `logging`."""
    original = kind.write
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def write(sink: Any, message: Any) -> None:
        token = _writing.set(message)
        try:
            original(sink, message)
        except BaseException as failure:
            hide_frame(failure)
            raise
        finally:
            _writing.reset(token)

    kind.write = write


def _read(record: logging.LogRecord) -> logging.LogRecord | None:
    """Nothing of a record that a sink made of its line: that has left."""
    message = _writing.get()
    if message is None:
        return record
    return None if record.getMessage().strip() in {str(message).strip(), message.record["message"].strip()} else record
