"""Each log record as exactly one OTLP log record and, inside a recording span, as an event of that span.

The bridge calls the OpenTelemetry API directly; it needs no handler (see `dispatch`). While it is attached, the handlers of
`opentelemetry-instrumentation-logging` and of the SDK that feed the same logger provider rest, since the record left already.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import SeverityNumber

from .. import clock, errors, semconv, signals
from ..remarks import TELEMETRY
from ..signals.exporting import exporting
from ..signals.private import is_suppressed
from . import dispatch
from .records import exception_of, extras, message_of, scope
from .values import MAX_ATTRIBUTE_TEXT, attribute, clean, text_of

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from ..signals import Correlation

Reader = Callable[[logging.LogRecord], "logging.LogRecord | None"]
LEVEL_VARIABLE: Final = "OTEL_PYTHON_LOG_HANDLER_LEVEL"
"""The standard variable for the lowest level that is exported."""
MAX_BODY: Final = 32_768
"""Characters kept of a record's message."""
MAX_EXTRAS: Final = 64
"""Extras and bound fields kept of one record."""
_SILENT: Final = (TELEMETRY, "trax_otel.sdk")
"""Loggers of those who make telemetry: what they say of it is not sent as telemetry."""
_FOREIGN_MODULES: Final = ("opentelemetry.instrumentation.logging.handler", "opentelemetry.sdk._logs._internal")
_SEVERITY_TEXTS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}

_owners: Final[set[str]] = set()
_level = logging.NOTSET
_MAX_NAMES: Final = 4_096
_silent_names: Final[dict[str, bool]] = {}
_loggers: tuple[LoggerProvider | None, dict[str, Logger]] = (None, {})
_unseen: tuple[str, ...] = ()
_readers: tuple[Reader, ...] = ()
_rested: Final[list[tuple[Any, Any, Any]]] = []


_busy: Final[ContextVar[bool]] = ContextVar("trax-log-export", default=False)
"""Whether a record is being sent here: each thread, task and greenlet has its own, whenever `threading` was patched."""


def attach_otlp_handler(owner: str = "application", *, level: int | None = None) -> None:
    """Send every log record on from now on. Each owner attaches once; the bridge stays until the last one detaches.

    `level` is the lowest that leaves (default: OTEL_PYTHON_LOG_HANDLER_LEVEL, else all that the loggers let through).
    """
    global _level, _unseen
    if not _owners:
        _unseen = _FOREIGN_MODULES
    _owners.add(owner)
    _level = _level_from_environment() if level is None else level
    dispatch.add(before=_rest_foreign_handlers, after=export)


def detach_otlp_handler(owner: str = "application") -> None:
    """Undo what this owner attached."""
    _owners.discard(owner)
    if _owners:
        return
    dispatch.remove(_rest_foreign_handlers, export)
    while _rested:
        kind, replaced, original = _rested.pop()
        if kind.emit is replaced:
            kind.emit = original


def otlp_handler_attached() -> bool:
    """Whether records are sent on."""
    return bool(_owners)


def read_records_by(reader: Reader) -> None:
    """Have records that another log library hands to `logging` read by one who knows it.

    `reader` gives the record that is to leave: the same one, a `LineRecord`, or None where that library's line left already.
    """
    global _readers
    if reader not in _readers:
        _readers = (*_readers, reader)


def _level_from_environment() -> int:
    level = logging.getLevelName(os.environ.get(LEVEL_VARIABLE, "NOTSET").strip().upper())
    return level if isinstance(level, int) else logging.NOTSET


# --- One record ------------------------------------------------------------------------------------------------------------


def export(record: logging.LogRecord) -> None:
    """Send one record on."""
    if _readers:
        for reader in _readers:
            read = reader(record)
            if read is None:
                return
            record = read
    send(record)


def wants(level: int) -> bool:
    """Whether a line of that level would leave: so that nothing is made of one that would not."""
    if not _owners or level < _level:
        return False
    return signals.logger_provider() is not None or (level >= logging.INFO and scope()[1].is_recording())


def send(record: logging.LogRecord) -> None:
    """Send one record on, as it is."""
    provider = signals.logger_provider()
    context, span, correlation = scope()
    level = record.levelno
    as_event = level >= logging.INFO and span.is_recording()
    if (provider is None and not as_event) or level < _level or _busy.get() or _is_feedback(record.name, context):
        return
    token = _busy.set(True)  # what the SDK logs about this very record, on this thread, goes to the other handlers only
    try:
        error = exception_of(record)
        message = message_of(record)
        stamp = _nanoseconds(record.created)
        attributes = _attributes(record, correlation, error)
        if provider is not None:
            _logger(provider, record.name).emit(
                timestamp=stamp,
                observed_timestamp=clock.current().time_ns(),
                context=context,
                severity_number=_SEVERITIES.get(level) or severity_number(level),
                severity_text=_SEVERITY_TEXTS.get(record.levelname) or text_of(record.levelname, 64),
                body=clean(message, MAX_BODY),
                # Where the provider has a limit, what came first goes first.
                attributes={**_place(record), **attributes, **_exception_attributes(error, span)},
            )
        if as_event:
            attributes[semconv.LOG_SEVERITY] = text_of(record.levelname, 64)
            attributes[semconv.LOG_MESSAGE] = clean(message, MAX_ATTRIBUTE_TEXT)
            attributes[semconv.LOGGER_NAME] = text_of(record.name, 256)
            signals.log_event(span, attributes, stamp)
    finally:
        _busy.reset(token)


def severity_number(level: int) -> SeverityNumber:
    """OpenTelemetry's severity of a level: 10 is DEBUG, 12 DEBUG3, 5 TRACE, 60 FATAL4."""
    if level < logging.DEBUG:
        return SeverityNumber.TRACE
    tens, rest = divmod(min(int(level), 53), 10)
    return SeverityNumber(tens * 4 + 1 + min(rest, 3))


_SEVERITIES: Final = {level: severity_number(level) for level in range(10, 60, 10)}


def _nanoseconds(seconds: float) -> int:
    try:
        stamp = int(seconds * 1e9)
    except (ValueError, OverflowError, TypeError):
        stamp = -1
    return stamp if 0 <= stamp < 2**63 else clock.current().time_ns()


def _is_feedback(name: str, context: Context | None) -> bool:
    silent = _silent_names.get(name)
    if silent is None:
        silent = any(name == prefix or name.startswith(f"{prefix}.") for prefix in _SILENT)
        if len(_silent_names) < _MAX_NAMES:
            _silent_names[name] = silent
    if silent or exporting():
        return True
    # The SDK's own export threads carry OpenTelemetry's suppression mark; an application's thread that does is its own.
    return is_suppressed(context) and threading.current_thread().name.startswith("Otel")


def _logger(provider: LoggerProvider, name: str) -> Logger:
    # The convention has it that the scope of a log record is its logger's name.
    global _loggers
    known, loggers = _loggers
    if known is not provider:
        loggers = {}
        _loggers = (provider, loggers)
    logger = loggers.get(name)
    if logger is None:
        logger = provider.get_logger(text_of(name, 256))
        if len(loggers) < _MAX_NAMES:
            loggers[name] = logger
    return logger


def _attributes(record: logging.LogRecord, correlation: Correlation, error: BaseException | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for key, value in islice(correlation.attributes.items(), MAX_EXTRAS):
        attributes[clean(key, 256) or "_"] = attribute(value)
    for key, value in extras(record, error)[:MAX_EXTRAS]:
        attributes[clean(key, 256) or "_"] = attribute(value)
    values = record.__dict__
    given = values.get("correlation_id")
    if given is not None:
        attributes[semconv.CORRELATION_ID] = attribute(given)
    code = values.get("error_code")
    if error is not None:
        attributes.update(errors.error_facts(error).attributes)
    elif code is not None:
        attributes[semconv.ERROR_CODE] = text_of(code, 128)
    return attributes


def _place(record: logging.LogRecord) -> dict[str, Any]:
    return {
        semconv.CODE_FILE_PATH: text_of(record.pathname, 1024),
        semconv.CODE_FUNCTION_NAME: text_of(record.funcName or "", 256),
        semconv.CODE_LINE_NUMBER: record.lineno if type(record.lineno) is int else 0,
    }


def _exception_attributes(error: BaseException | None, span: Span) -> dict[str, str | bool | int | float]:
    """The exception, whether something has told of it before, and all that is known of it. Outside of spans the first record
    counts it."""
    if error is None:
        return {}
    facts = errors.error_facts(error)
    if not span.is_recording():
        signals.count_error(error, facts, span)
    told = signals.is_told(error, span)
    signals.mark_told(error, facts, span)
    return {
        **({semconv.ERROR_RECORDED: True} if told else {}),
        **facts.details,
        semconv.EXCEPTION_TYPE: facts.type,
        semconv.EXCEPTION_MESSAGE: text_of(error, MAX_ATTRIBUTE_TEXT),
        semconv.EXCEPTION_STACKTRACE: clean(signals.format_exception(error), MAX_BODY),
    }


# --- Beside other logging instrumentations -----------------------------------------------------------------------------------


def _rest_foreign_handlers(record: logging.LogRecord) -> None:
    """Let the other bridges' handler classes rest as soon as their modules are there."""
    global _unseen
    modules = sys.modules
    for name in _unseen:
        if name in modules:
            kind = getattr(modules[name], "LoggingHandler", None)
            if kind is not None:
                _unseen = tuple(other for other in _unseen if other != name)
                _rest(kind)


def _rest(kind: Any) -> None:
    original = kind.emit

    def emit(handler: Any, record: logging.LogRecord) -> None:
        if not (_owners and feeds_our_provider(handler)):
            original(handler, record)

    emit.__wrapped__ = original  # type: ignore[attr-defined]
    kind.emit = emit
    _rested.append((kind, emit, original))


def feeds_our_provider(handler: Any) -> bool:
    """Whether what another bridge would send goes where ours sends it."""
    provider = getattr(handler, "_logger_provider", None)
    return provider is signals.logger_provider() or type(provider).__name__ == "ProxyLoggerProvider"
