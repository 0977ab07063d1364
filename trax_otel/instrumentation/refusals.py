"""Libraries that stay without spans: refused by their instrumentation, or hooked in vain.

Nobody reads a service's terminal, so it is a log record: a warning, once a process, where the library is really imported.
`trax-otel doctor` tells what an environment's packages refuse.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from .. import lifecycle, semconv
from ..signals import log_export
from ..signals.events import emit_record
from .imports import when_imported
from .start import LOADER_LOGGER
from .targets import TRIGGERS

_told: Final[set[str]] = set()
_waiting: Final[list[tuple[str, str]]] = []


def listen() -> None:
    """Hear OpenTelemetry's loader from now on, ahead of those who silence it."""
    filters: list[object] = logging.getLogger(LOADER_LOGGER).filters  # type: ignore[assignment]
    if _hear not in filters:
        filters.insert(0, _hear)


def _hear(record: logging.LogRecord) -> bool:
    """What the loader says of a version that does not fit, or of an instrumentor that cannot be imported, is told as soon
    as the library is."""
    if record.levelno >= logging.ERROR:
        text = " ".join(record.getMessage().split())
        name = str(record.args[0] if isinstance(record.args, tuple) and record.args else text.partition(" ")[0])
        for trigger in TRIGGERS.get(name, ()):
            when_imported(trigger, partial(tell, name, text))
    return True


def tell_refusals() -> None:
    """Send what was to be told before there was an SDK."""
    for name, text in _waiting:
        _send(name, text)
    _waiting.clear()


def tell(name: str, text: str) -> None:
    """Send one warning about the instrumentation of that name; a second one in this process is not sent."""
    if name in _told:
        return
    _told.add(name)
    if log_export():
        _send(name, text)
    else:
        _waiting.append((name, text))


def say(name: str, text: str) -> None:
    """The same, with a line on stderr: for what is our own doing."""
    lifecycle.report(text)
    tell(name, text)


def _send(name: str, text: str) -> None:
    emit_record(semconv.NOT_INSTRUMENTED_EVENT, {semconv.INSTRUMENTATION_NAME: name}, "WARN", text)
