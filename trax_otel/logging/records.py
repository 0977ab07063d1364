"""What this room reads from a `logging.LogRecord`, and what it writes on one.

`stamp` puts correlation id, trace id, span id and the bound fields on a record as attributes, so that any formatter and
any handler (one that formats in another thread too) finds them there.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace

from .. import config, errors, signals
from . import stacktrace
from .values import clean, ids_text, text_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from ..signals import Correlation

_PROBE: Final = logging.LogRecord("", 0, "", 0, "", (), None).__dict__
_GET_MESSAGE: Final = logging.LogRecord.getMessage
_STANDARD_COUNT: Final = len(_PROBE)
STANDARD: Final = frozenset(_PROBE) | {"message", "asctime", "taskName"}
"""The attributes that belong to every record or that formatters leave behind."""
CONTEXT: Final = frozenset({"correlation_id", "trace_id", "span_id", "error_code"})
"""The attributes that have a place of their own in our formats."""
# What opentelemetry-instrumentation-logging writes on records: the same facts under other names.
_FOREIGN_CONTEXT: Final = {"otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName"}
_MAX_EXTRAS: Final = 256
_STAMPED: Final = "_trax_stamped"
"""Says that the ids on a record are ours; it travels with a record that another thread or process handles."""
_OURS: Final = ("trace_id", "span_id")
NOT_EXTRA: Final = STANDARD | CONTEXT | _FOREIGN_CONTEXT | {_STAMPED}
"""The names that are no extras."""


class LineRecord(logging.LogRecord):
    """A line of another log library, for the bridge alone: `fields` are its extras, each under its own name.

    Among a record's attributes a field called `name` or `module` would need another name. Of those it has what the bridge
    reads.
    """

    fields: Mapping[str, Any]


class Surroundings:
    """What the OTel Context says of the code that logs; ids are None where there is no valid span, `text` is them as JSON."""

    __slots__ = ("context", "correlation", "span", "span_id", "text", "trace_id")

    def __init__(self, context: Context | None, span: Span, correlation: Correlation) -> None:
        self.context = context
        self.span = span
        self.correlation = correlation
        ids = span.get_span_context()
        self.trace_id = f"{ids.trace_id:032x}" if ids.is_valid else None
        self.span_id = f"{ids.span_id:016x}" if ids.is_valid else None
        self.text = ids_text(correlation.id, self.trace_id, self.span_id)


_last = Surroundings(None, trace.INVALID_SPAN, signals.Correlation())


def surroundings() -> Surroundings:
    """The surroundings of the calling code. Lines follow each other in one context, so the last answer is kept."""
    global _last
    context = otel_context.get_current()
    last = _last
    if last.context is context:
        return last
    _last = last = Surroundings(context, trace.get_current_span(context), signals.current_correlation(context))
    return last


def scope() -> tuple[Context | None, Span, signals.Correlation]:
    """Of the surroundings what telemetry needs, without the ids as text: with no line written nobody would read them."""
    context = otel_context.get_current()
    last = _last
    if last.context is context:
        return context, last.span, last.correlation
    return context, trace.get_current_span(context), signals.current_correlation(context)


def stamp(record: logging.LogRecord) -> None:
    """Write correlation id, trace id, span id and bound fields on the record, once.

    A correlation id that the caller gave stays; extras called `trace_id` or `span_id` get an underscore behind their name.
    """
    values = record.__dict__
    if _STAMPED in values:
        return
    values[_STAMPED] = True
    around = surroundings()
    if "correlation_id" not in values:
        values["correlation_id"] = around.correlation.id
    for name in _OURS:
        if name in values:
            values[f"{name}_"] = values[name]
    values["trace_id"] = around.trace_id
    values["span_id"] = around.span_id
    if around.correlation.fields:
        for key, value in around.correlation.fields.items():
            values.setdefault(f"{key}_" if key in STANDARD else key, value)


def extras(record: logging.LogRecord, error: BaseException | None = None) -> list[tuple[str, Any]]:
    """The record's extras and bound fields, without what has a place of its own.

    A caller's `error_code` beside an exception, which has its own, gets an underscore behind its name; so do ids of a record
    that nobody has stamped.
    """
    values = record.__dict__
    keys = list(values)
    if type(record) is logging.LogRecord:
        del keys[:_STANDARD_COUNT]  # its own attributes come first, always
    elif type(record) is LineRecord:
        return _line_extras(record.fields, error)[:_MAX_EXTRAS]
    found = []
    for key in keys:
        if key not in NOT_EXTRA:  # no comprehension: that would be one more call on every line
            found.append((key if type(key) is str else text_of(key, 256), values[key]))  # noqa: PERF401
    if error is not None and "error_code" in values:
        found.append(("error_code_", values["error_code"]))
    if _STAMPED not in values:
        found += [(f"{name}_", values[name]) for name in _OURS if name in values]
    return found[:_MAX_EXTRAS]


def _line_extras(fields: Mapping[str, Any], error: BaseException | None) -> list[tuple[str, Any]]:
    placed = {"correlation_id"} if error is not None else {"correlation_id", "error_code"}
    found = [(text_of(key, 256), value) for key, value in fields.items() if key not in placed]
    return [("error_code_" if key == "error_code" else key, value) for key, value in found]


def formats_as_usual(record: logging.LogRecord) -> bool:
    """Whether its message is `msg % args`: a class of the application's may have another way."""
    return type(record).getMessage is _GET_MESSAGE


def message_of(record: logging.LogRecord) -> str:
    """The record's message; where its arguments do not fit, the format and the arguments as they are."""
    if not formats_as_usual(record):
        try:
            return text_of(record.getMessage())
        except Exception:
            pass
    message, arguments = record.msg, record.args
    if not arguments:
        return message if type(message) is str else text_of(message)
    try:
        return str(message) % arguments
    except Exception as failure:
        return unformatted(message, arguments, failure)


def unformatted(message: object, arguments: object, failure: Exception) -> str:
    """What can be logged of a message whose arguments do not fit its format."""
    try:
        shown = repr(arguments)
    except Exception as second:
        shown = f"<their __repr__ raised {type(second).__name__}>"
    reason = clean(text_of(failure), 200)
    return f"{text_of(message)} [arguments {clean(shown, 2048)} do not fit: {type(failure).__name__}: {reason}]"


def exception_of(record: logging.LogRecord) -> BaseException | None:
    """The exception that the record carries. In debug mode an error logged inside an `except` block carries that one."""
    info = record.exc_info
    if isinstance(info, tuple):
        return info[1]
    if info is None and record.levelno >= logging.ERROR and config.debug():
        return sys.exc_info()[1]
    return None


def error_code(record: logging.LogRecord, error: BaseException | None) -> str | None:
    """The TRAX code: of the exception, else of the extra `error_code`."""
    if error is not None:
        return errors.error_facts(error).code
    given = record.__dict__.get("error_code")
    return None if given is None else text_of(given, 128)


def stack_text(record: logging.LogRecord, error: BaseException | None) -> str | None:
    """The stack trace that belongs into the line: of the exception, or what `stack_info=True` asked for."""
    if error is not None:
        return clean(stacktrace.detailed(error) if config.debug() else signals.format_exception(error))
    if isinstance(record.exc_text, str) and record.exc_text:
        return clean(record.exc_text)
    return clean(record.stack_info) if isinstance(record.stack_info, str) else None


def merge_extra(values: dict[str, Any], extra: object) -> None:
    """Put the caller's extras among a record's attributes; a name that a record uses itself gets an underscore."""
    if type(extra) is not dict and not isinstance(extra, Mapping):
        values["extra"] = extra
        return
    for key, value in extra.items():
        name = key if type(key) is str else text_of(key, 256)
        values[f"{name}_" if name in STANDARD else name] = value
