"""The three shapes of a log line: JSON for machines, plain text for files, coloured text for a terminal."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any, Final

from .. import errors
from .records import error_code, exception_of, extras, message_of, stack_text, surroundings
from .values import clean, ids_text, json_value, one_line, quote, text_of

_FIELDS: Final = frozenset({
    "timestamp", "level", "logger", "module", "function", "line", "message",
    "correlation_id", "trace_id", "span_id", "error_code", "exception", "stack",
})  # fmt: skip
_MAX_PLACES: Final = 8_192
_SHORT: Final = 65_536

_second: tuple[int, str] = (0, "1970-01-01T00:00:00")
_places: dict[tuple[object, ...], str] = {}
_quoted: dict[str, str] = {}


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as UTC in RFC 3339 with microseconds: `2026-01-02T03:04:05.678901Z`."""
    global _second
    try:
        known, text = _second
        whole = int(seconds)
        if whole != known or seconds < 0:
            whole = math.floor(seconds)
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            _second = (whole, text)
        return f"{text}.{str(1_000_000 + int((seconds - whole) * 1_000_000))[1:]}Z"
    except (ValueError, OverflowError, OSError, TypeError):  # NaN, or a year that no calendar has
        return "1970-01-01T00:00:00.000000Z"


class JsonFormatter(logging.Formatter):
    """One valid JSON object on one line, in ASCII, with the same keys in every line; extras follow on the top level.

    Keys: timestamp, level, logger, module, function, line, message, correlation_id, trace_id, span_id, error_code; where
    there is an exception also `exception` (type, message, category, fingerprint, stacktrace). An extra whose name is one of
    these gets an underscore behind it.
    """

    def format(self, record: logging.LogRecord) -> str:
        values = record.__dict__
        error = None if record.exc_info is None and record.levelno < logging.ERROR else exception_of(record)
        code = "null"
        if error is not None or "error_code" in values:
            code = json_value(error_code(record, error))
        line = json_line(
            record.created,
            place_text(record.levelname, record.name, record.module, record.funcName, record.lineno),
            message_of(record),
            _ids(values.get("correlation_id"), values.get("trace_id"), values.get("span_id")),
            code,
            dict(extras(record, error)),
        )
        if error is not None:
            return f'{line[:-1]},"exception":{json_value(_exception(error, record))}}}'
        if record.exc_text or record.stack_info:
            return f'{line[:-1]},"stack":{json_value(stack_text(record, None))}}}'
        return line


def json_line(created: float, place: str, message: str, ids: str, code: str, pairs: Mapping[str, Any]) -> str:
    """The line of these parts; `place`, `ids` and `code` are JSON text already."""
    message = quote(message) if message.isascii() and len(message) < _SHORT else quote(clean(message))
    text = f'{{"timestamp":"{timestamp(created)}",{place}"message":{message},{ids},"error_code":{code}'
    for key, value in pairs.items():
        text += _quoted.get(key) or _key(key, pairs)
        text += quote(value) if type(value) is str and value.isascii() and len(value) < _SHORT else json_value(value)
    return text + "}"


def place_text(*place: object) -> str:
    """Level, logger, module, function and line as JSON text, each with its comma."""
    try:
        return _places[place]
    except (KeyError, TypeError):
        level, logger, module, function, line = (json_value(part) for part in place)
    text = f'"level":{level},"logger":{logger},"module":{module},"function":{function},"line":{line},'
    if all(type(part) in {str, int} for part in place):  # 1 == True == 1.0: only these are sure to be the same
        if len(_places) >= _MAX_PLACES:
            _places.clear()
        _places[place] = text
    return text


def _ids(*ids: object) -> str:
    around = surroundings()  # nearly always these are where the record was stamped a moment ago
    if ids == (around.correlation.id, around.trace_id, around.span_id):
        return around.text
    return ids_text(*ids)


def _key(key: str, pairs: Mapping[str, Any]) -> str:
    name = key
    while name in _FIELDS or (name is not key and name in pairs):
        name += "_"
    text = f",{quote(clean(name, 256))}:"
    if name is key and len(_quoted) < _MAX_PLACES:
        _quoted[key] = text
    return text


def _exception(error: BaseException, record: logging.LogRecord) -> dict[str, Any]:
    facts = errors.error_facts(error)
    return {
        "type": facts.type,
        "message": text_of(error),
        "category": facts.category,
        "retryable": facts.retryable,
        "fingerprint": facts.fingerprint,
        "stacktrace": stack_text(record, error),
    }


class TextFormatter(logging.Formatter):
    """One line for people: time, level, place, message, ids and extras as key=value; a stack trace indented below.

    Nothing in the line can forge another line or steer a terminal: control characters come out as escapes, and each line of
    a stack trace begins with a bar.
    """

    def format(self, record: logging.LogRecord) -> str:
        error = exception_of(record)
        line = self.line(record, one_line(clean(message_of(record))), self.details(record, error))
        stack = stack_text(record, error)
        if stack is None:
            return line
        return "\n".join([line, *(f"  | {one_line(part)}" for part in stack.split("\n") if part)])

    def line(self, record: logging.LogRecord, message: str, details: str) -> str:
        """Put the parts of the first line together."""
        place = one_line(text_of(f"{record.name} {record.module}.{record.funcName}:{record.lineno}"))
        return f"{timestamp(record.created)} {one_line(text_of(record.levelname)):<8} {place} - {message}{details}"

    def details(self, record: logging.LogRecord, error: BaseException | None) -> str:
        """Code, ids and extras, each with a space before it."""
        values = record.__dict__
        pairs = [
            ("code", error_code(record, error)),
            ("correlation_id", values.get("correlation_id")),
            ("trace_id", values.get("trace_id")),
            ("span_id", values.get("span_id")),
        ]
        text = "".join(f" {key}={_shown(value)}" for key, value in pairs if value is not None)
        for key, value in extras(record, error):
            text += f" {one_line(clean(key, 256))}={_shown(value)}"
        return text


def _shown(value: object) -> str:
    if type(value) is str:
        text = one_line(clean(value))
        return text if text and not any(mark in text for mark in ' "=') else f'"{text}"'
    return one_line(clean(json_value(value)))


_COLOURS: Final = ((logging.CRITICAL, "1;31"), (logging.ERROR, "31"), (logging.WARNING, "33"), (logging.INFO, "32"))


class ConsoleFormatter(TextFormatter):
    """`TextFormatter` shortened for a terminal, in colour where that is asked for."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self.colour = colour

    def line(self, record: logging.LogRecord, message: str, details: str) -> str:
        when = timestamp(record.created)[11:23]
        level = f"{one_line(text_of(record.levelname)):<8}"
        name = one_line(text_of(record.name))
        if not self.colour:
            return f"{when} {level} {name}: {message}{details}"
        shade = next((shade for floor, shade in _COLOURS if record.levelno >= floor), "36")
        return (
            f"\x1b[2m{when}\x1b[0m \x1b[{shade}m{level}\x1b[0m \x1b[2m{name}:\x1b[0m {message}\x1b[2m{details}\x1b[0m"
        )
