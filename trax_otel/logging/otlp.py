"""Each log record as exactly one OTLP log record and, inside a recording span, as an event of that span.

The bridge calls the OpenTelemetry API directly; it needs no handler (see `dispatch`). While it is attached, the handlers of
`opentelemetry-instrumentation-logging` and of the SDK that feed the same logger provider rest, since the record left already.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry._logs import SeverityNumber

from .. import clock, errors, semconv, signals
from ..signals.exporting import exporting
from . import dispatch
from .records import exception_of, extras, message_of, surroundings
from .values import MAX_ATTRIBUTE_TEXT, attribute, clean, text_of

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.trace import Span

    from ..signals import Correlation, ErrorFacts

LEVEL_VARIABLE: Final = "OTEL_PYTHON_LOG_HANDLER_LEVEL"
"""The standard variable for the lowest level that is exported."""
MAX_BODY: Final = 32_768
"""Characters kept of a record's message."""
MAX_EXTRAS: Final = 64
"""Extras and bound fields kept of one record."""
_SILENT: Final = ("opentelemetry.sdk", "opentelemetry.exporter", "trax_otel.sdk")
_FOREIGN_MODULES: Final = ("opentelemetry.instrumentation.logging.handler", "opentelemetry.sdk._logs._internal")
_SEVERITY_TEXTS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}

_owners: Final[set[str]] = set()
_level = logging.NOTSET
_silent_names: Final[dict[str, bool]] = {}
_loggers: tuple[LoggerProvider | None, dict[str, Logger]] = (None, {})
_unseen: tuple[str, ...] = ()
_rested: Final[list[tuple[Any, Any, Any]]] = []


class _Busy(threading.local):
    now = False


_busy = _Busy()


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


def _level_from_environment() -> int:
    level = logging.getLevelName(os.environ.get(LEVEL_VARIABLE, "NOTSET").strip().upper())
    return level if isinstance(level, int) else logging.NOTSET


# --- One record ------------------------------------------------------------------------------------------------------------


def export(record: logging.LogRecord) -> None:
    """Send one record on."""
    provider = signals.logger_provider()
    context, span, correlation, _, _, _ = surroundings()
    as_event = record.levelno >= logging.INFO and span.is_recording()
    if (provider is None and not as_event) or record.levelno < _level or _busy.now or _is_feedback(record):
        return
    _busy.now = True  # what the SDK logs about this very record, on this thread, goes to the other handlers only
    try:
        error = exception_of(record)
        facts = None if error is None else errors.error_facts(error)
        message = message_of(record)
        stamp = int(record.created * 1e9)
        attributes = _attributes(record, correlation, facts)
        if provider is not None:
            described = attributes if error is None else {**attributes, **_exception_attributes(error, record)}
            _logger(provider, record.name).emit(
                timestamp=stamp,
                observed_timestamp=clock.current().time_ns(),
                context=context,
                severity_number=severity_number(record.levelno),
                severity_text=_SEVERITY_TEXTS.get(record.levelname, record.levelname),
                body=clean(message, MAX_BODY),
                attributes=described,
            )
        if as_event:
            _add_event(span, record, message, attributes, stamp)
    finally:
        _busy.now = False


def severity_number(level: int) -> SeverityNumber:
    """OpenTelemetry's severity of a level: 10 is DEBUG, 12 DEBUG3, 5 TRACE, 60 FATAL4."""
    if level < logging.DEBUG:
        return SeverityNumber.TRACE
    tens, rest = divmod(min(level, 53), 10)
    return SeverityNumber(tens * 4 + 1 + min(rest, 3))


def _is_feedback(record: logging.LogRecord) -> bool:
    name = record.name
    silent = _silent_names.get(name)
    if silent is None:
        silent = any(name == prefix or name.startswith(f"{prefix}.") for prefix in _SILENT)
        if len(_silent_names) < 4096:
            _silent_names[name] = silent
    return silent or exporting() or _on_foreign_export_thread()


def _on_foreign_export_thread() -> bool:
    # The SDK's own export threads carry OpenTelemetry's suppression mark; an application's thread that does is its own.
    return bool(
        otel_context.get_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY)
    ) and threading.current_thread().name.startswith("Otel")


def _logger(provider: LoggerProvider, name: str) -> Logger:
    global _loggers
    known, loggers = _loggers
    if known is not provider:
        loggers = {}
        _loggers = (provider, loggers)
    logger = loggers.get(name)
    if logger is None:
        logger = loggers[name] = provider.get_logger(name)
    return logger


def _attributes(record: logging.LogRecord, correlation: Correlation, facts: ErrorFacts | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        semconv.CODE_FILE_PATH: record.pathname,
        semconv.CODE_FUNCTION_NAME: record.funcName or "",
        semconv.CODE_LINE_NUMBER: record.lineno,
    }
    for key, value in islice(correlation.attributes.items(), MAX_EXTRAS):
        attributes[clean(key, 256)] = attribute(value)
    for key, value in extras(record)[:MAX_EXTRAS]:
        attributes[clean(key, 256)] = attribute(value)
    values = record.__dict__
    given = values.get("correlation_id")
    if given is not None:
        attributes[semconv.CORRELATION_ID] = attribute(given)
    if facts is not None:
        attributes.update(facts.attributes)
    code = values.get("error_code")
    if code is not None:
        attributes[semconv.ERROR_CODE] = text_of(code, 128)
    return attributes


def _exception_attributes(error: BaseException, record: logging.LogRecord) -> dict[str, str]:
    return {
        semconv.EXCEPTION_TYPE: errors.error_facts(error).type,
        semconv.EXCEPTION_MESSAGE: text_of(error, MAX_ATTRIBUTE_TEXT),
        semconv.EXCEPTION_STACKTRACE: clean(signals.format_exception(error), MAX_BODY),
    }


def _add_event(span: Span, record: logging.LogRecord, message: str, attributes: dict[str, Any], stamp: int) -> None:
    event = {
        **attributes,
        semconv.LOG_SEVERITY: record.levelname,
        semconv.LOG_MESSAGE: clean(message, MAX_ATTRIBUTE_TEXT),
        semconv.LOGGER_NAME: record.name,
    }
    signals.log_event(span, event, stamp)


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
        if not (_owners and _feeds_our_provider(handler)):
            original(handler, record)

    emit.__wrapped__ = original  # type: ignore[attr-defined]
    kind.emit = emit
    _rested.append((kind, emit, original))


def _feeds_our_provider(handler: Any) -> bool:
    provider = getattr(handler, "_logger_provider", None)
    return provider is signals.logger_provider() or type(provider).__name__ == "ProxyLoggerProvider"
