"""structlog: each event that its processors let pass leaves once, with its fields as they are before the last one prints them.

The processors run as before; between them stand listeners that change nothing and have returned before the next one runs,
so no stack that a processor or an error shows has a frame of ours.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from ...logging import otlp
from ...logging.dispatch import tell_once
from ...logging.records import LineRecord
from .lines import Place, calling, leaves, make_line, tell, was_told

if TYPE_CHECKING:
    from types import CodeType, FrameType

_KEY: Final = "_processors"
_OWN_KEYS: Final = frozenset({
    "event", "level", "level_number", "timestamp", "logger", "exc_info", "exception", "stack_info", "stack", "_record",
    "_from_structlog", "_logger", "_name",
})  # fmt: skip
"""What has a place of its own in a log record, or is only for structlog itself."""
_LEVELS: Final = {
    "debug": logging.DEBUG, "info": logging.INFO, "msg": logging.INFO, "warn": logging.WARNING,
    "warning": logging.WARNING, "err": logging.ERROR, "error": logging.ERROR, "exception": logging.ERROR,
    "failure": logging.CRITICAL, "fatal": logging.CRITICAL, "critical": logging.CRITICAL, "trace": 5,
}  # fmt: skip
_FOREIGN: Final = "opentelemetry.instrumentation.structlog"
_PACKAGES: Final = ("structlog", __name__.partition(".")[0])
_INSIDE: Final = tuple(f"{package}." for package in _PACKAGES)
_MAX_PASSING: Final = 1_024
_passing: Final[set[Any]] = set()
"""Processors that gave a dictionary on so far: there is nothing to save before they run."""

_handed_on: Final[ContextVar[tuple[object, LineRecord] | None]] = ContextVar("trax-structlog-line", default=None)


_printer: CodeType | None = None


def hook() -> None:
    """Hear of every event; doing it twice changes nothing."""
    global _printer
    from structlog._base import BoundLoggerBase

    if isinstance(vars(BoundLoggerBase).get(_KEY), _HeardProcessors):
        return
    code = BoundLoggerBase._process_event.__code__
    if _KEY not in code.co_names or _KEY not in BoundLoggerBase.__init__.__code__.co_names:
        raise AttributeError(f"structlog's BoundLoggerBase has no {_KEY}")
    _printer = BoundLoggerBase._proxy_to_logger.__code__
    setattr(BoundLoggerBase, _KEY, _HeardProcessors(code))
    otlp.read_records_by(_read)


class _HeardProcessors:
    """Stands on the class for each logger's own processors; only where they are run are there listeners among them."""

    def __init__(self, running: CodeType) -> None:
        self._running = running

    def __get__(self, bound: Any, owner: Any = None) -> Any:
        if bound is None:
            return self
        processors: Iterable[Any] = bound.__dict__[_KEY]
        if sys._getframe(1).f_code is self._running:
            return _Event().listening(processors)
        return processors

    def __set__(self, bound: Any, value: Iterable[Any]) -> None:
        bound.__dict__[_KEY] = value


class _Event:
    """One event on its way through the processors."""

    def __init__(self) -> None:
        self._event: object = None
        self._last: dict[str, Any] = {}
        self._error: BaseException | None = None

    def listening(self, processors: Iterable[Any]) -> Iterator[Callable[..., Any]]:
        """The processors, with listeners where something is to be heard: at first, around what may print, and at the end."""
        first = True
        for processor in processors:
            known = _identity(processor) in _passing
            if first or not known:
                yield self._listen
            first = False
            if not _sends_it_too(processor):
                yield processor
            if not known:
                yield partial(_learn, processor)
        yield self._passed

    def _listen(self, _: object, __: str, event: Any) -> Any:
        try:
            if isinstance(event, dict):
                if not self._last:
                    self._event = event.get("event")
                self._last = dict(event)
                info = event.get("exc_info")
                if info:
                    self._error = _exception_of(info) or self._error
        except Exception as failure:
            tell_once("an event of structlog", failure)
        return event

    def _passed(self, logger: Any, method: str, printed: Any) -> Any:
        try:
            if not _is_for_tests(logger):
                self._tell(logger, method, printed)
        except Exception as failure:
            tell_once("an event of structlog", failure)
        return printed

    def _tell(self, logger: Any, method: str, printed: Any) -> None:
        if isinstance(
            printed, dict
        ):  # nothing printed it: what is the last one's own call of `logging`, or a logger of the application's
            self._listen(logger, method, printed)
        level = _level(method, self._last)
        if not leaves(level):
            return
        if self._error is None and method == "exception":
            self._error = sys.exc_info()[1]
        text = _text_of(printed)
        if not isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
            tell(self._line(_name(logger, self._last), level), text, _printer)
        elif logger.isEnabledFor(level):
            # `logging` makes a record of it now, with the text in the place of the fields.
            _handed_on.set((text, self._line(logger.name if isinstance(logger, logging.Logger) else "", level)))

    def _line(self, name: str, level: int) -> LineRecord:
        last = self._last
        body = last.get("event", self._event)
        fields = {key: value for key, value in last.items() if key not in _OWN_KEYS and value is not body}
        frame = _caller()
        return make_line(
            name or (frame.f_globals.get("__name__") if frame else None) or "structlog",
            level, logging.getLevelName(level), body if isinstance(body, str) else str(body), fields,
            self._error, Place(frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno) if frame else Place("", "", 0),
        )  # fmt: skip


def _read(record: logging.LogRecord) -> logging.LogRecord | None:
    """What structlog knows of a record that `logging` made of its event; None where the event has left."""
    handed_on = _handed_on.get()
    if was_told(record.msg):
        return None
    if handed_on is None or record.msg is not handed_on[0] or record.args or not _leads_here():
        return record
    _handed_on.set(None)
    line = handed_on[1]
    for key in ("name", "levelno", "levelname", "created", "pathname", "funcName", "lineno"):
        line.__dict__[key] = record.__dict__[key]
    if line.exc_info is None:
        line.exc_info = record.exc_info
    return line


def _leads_here() -> bool:
    return _printer is not None and calling((_printer,)) is not None


def _text_of(printed: Any) -> object:
    """What the printer is given: the text, or (for ProcessorFormatter) the dictionary in the text's place."""
    if isinstance(printed, tuple) and printed and isinstance(printed[0], tuple) and printed[0]:
        return printed[0][0]
    return printed


def _exception_of(info: object) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple) and len(info) == 3 and isinstance(info[1], BaseException):
        return info[1]
    return sys.exc_info()[1] if info else None


def _level(method: str, event: Mapping[str, Any]) -> int:
    given = event.get("level")
    return _LEVELS.get(method) or _LEVELS.get(given.lower() if isinstance(given, str) else "", logging.INFO)


def _name(logger: Any, event: Mapping[str, Any]) -> str:
    """The logger's name where it has one; structlog's own printers mostly have none."""
    for name in (event.get("logger"), event.get("logger_name"), vars(type(logger)).get("name") and logger.name):
        if isinstance(name, str):
            return name
    return ""


def _identity(processor: Any) -> Any:
    """What tells processors that do the same: a function itself, the class of structlog's own objects; else None."""
    if isinstance(processor, FunctionType):
        return processor
    kind = type(processor)
    return kind if kind.__module__.startswith("structlog.") else None


def _learn(processor: Any, _: object, __: str, event: Any) -> Any:
    """Remember a processor that gives the dictionary on."""
    identity = _identity(processor)
    if isinstance(event, dict) and identity is not None and len(_passing) < _MAX_PASSING:
        _passing.add(identity)
    return event


def _sends_it_too(processor: Any) -> bool:
    """Whether it is the processor of OpenTelemetry's own instrumentation, which rests while ours sends."""
    foreign = type(processor).__module__ == _FOREIGN
    return foreign and otlp.otlp_handler_attached() and otlp.feeds_our_provider(processor)


def _is_for_tests(logger: Any) -> bool:
    return type(logger).__module__ == "structlog.testing"


def _caller() -> FrameType | None:
    """The first frame that is neither structlog's nor ours; for an event logged by `await`, of the task that logged it."""
    contextvars = sys.modules.get("structlog.contextvars")
    waiting = getattr(contextvars, "_ASYNC_CALLING_STACK", None)
    frame: FrameType | None = (waiting.get(None) if waiting is not None else None) or sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name not in _PACKAGES and not name.startswith(_INSIDE):
            break
        frame = frame.f_back
    return frame
