"""The three shapes of a log line: JSON for machines, plain text for files, coloured text for a terminal."""

from __future__ import annotations

import logging
import math
import time
from typing import Any, Final

from .. import errors
from .records import error_code, exception_of, extras, message_of, stack_text
from .values import clean, json_value, one_line, quote, text_of

_FIELDS: Final = frozenset({
    "timestamp", "level", "logger", "module", "function", "line", "message",
    "correlation_id", "trace_id", "span_id", "error_code", "exception", "stack",
})  # fmt: skip
_MAX_SITES: Final = 8_192
_SHORT: Final = 65_536

_second: tuple[int, str] = (0, "1970-01-01T00:00:00")
_sites: dict[tuple[Any, ...], str] = {}
_quoted: dict[str, str] = {}
_last_ids: tuple[tuple[Any, Any, Any], str] = (("", "", ""), ',"correlation_id":"","trace_id":"","span_id":""')


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
        site = (record.levelname, record.name, record.module, record.funcName, record.lineno)
        try:
            head = _sites[site]
        except (KeyError, TypeError):
            head = _site_text(site)
        message = record.msg
        if type(message) is not str or record.args:
            message = message_of(record)
        message = quote(message) if message.isascii() and len(message) < _SHORT else quote(clean(message))
        text = f'{{"timestamp":"{timestamp(record.created)}",{head}{message}{_ids_text(values)},"error_code":'
        error = None if record.exc_info is None and record.levelno < logging.ERROR else exception_of(record)
        if error is None and "error_code" not in values:
            text += "null"
        else:
            text += json_value(error_code(record, error))
        for key, value in extras(record):
            text += _quoted.get(key) or _key(key, values)
            text += (
                quote(value) if type(value) is str and value.isascii() and len(value) < _SHORT else json_value(value)
            )
        if error is not None:
            text += f',"exception":{json_value(_exception(error, record))}'
        elif record.exc_text or record.stack_info:
            text += f',"stack":{json_value(stack_text(record, None))}'
        return text + "}"


def _ids_text(values: dict[str, Any]) -> str:
    global _last_ids
    ids = (values.get("correlation_id"), values.get("trace_id"), values.get("span_id"))
    known, text = _last_ids
    if ids == known:
        return text
    correlation_id, trace_id, span_id = (json_value(value) for value in ids)
    text = f',"correlation_id":{correlation_id},"trace_id":{trace_id},"span_id":{span_id}'
    if all(
        value is None or type(value) is str for value in ids
    ):  # 1 == True == 1.0: only texts are sure to be the same
        _last_ids = (ids, text)
    return text


def _site_text(site: tuple[Any, ...]) -> str:
    level, logger, module, function, line = (json_value(part) for part in site)
    text = f'"level":{level},"logger":{logger},"module":{module},"function":{function},"line":{line},"message":'
    if len(_sites) >= _MAX_SITES:
        _sites.clear()
    try:
        _sites[site] = text
    except TypeError:  # a name that cannot be a key: a line all the same
        return text
    return text


def _key(key: str, values: dict[str, Any]) -> str:
    name = key
    while name in _FIELDS or (name is not key and name in values):
        name += "_"
    text = f",{quote(clean(name, 256))}:"
    if name is key and len(_quoted) < _MAX_SITES:
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
        for key, value in extras(record):
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
