"""What OpenTelemetry's packages log about themselves: overheard where somebody says it better, else said once.

Without us the service has none of it, and a limit on lengths makes a line for every value that is cut.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TELEMETRY: Final = "opentelemetry"
_FREQUENT: Final = ("opentelemetry.exporter",)
"""Exporters are the service's own choice, ours is not among them: what they log of an outage stays."""
_MAX_KEPT: Final = 1_024


@contextmanager
def overheard(name: str) -> Iterator[list[str]]:
    """What a logger says inside the block is collected instead of printed by Python's handler of last resort."""
    heard: list[str] = []

    def overhear(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            heard.append(record.getMessage())
        return False

    logger = logging.getLogger(name)
    logger.addFilter(overhear)
    try:
        yield heard
    finally:
        logger.removeFilter(overhear)


class _Once(logging.Filter):
    """Lets each message of each logger through once in a process: by its template, for the values may differ each time."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[tuple[str, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is new."""
        try:
            template = str(record.msg)
            key = (record.name, template if len(template) > 8 else record.getMessage()[:200])
            if key in self._said:
                return False
            if len(self._said) < _MAX_KEPT:
                self._said.add(key)
        except Exception:  # a message whose __str__ raises
            return True
        return True


_once: Final = _Once()


def say_once() -> None:
    """Have OpenTelemetry's loggers, those that there are by now, say each thing once. Doing it twice changes nothing."""
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith(f"{TELEMETRY}.") and not name.startswith(_FREQUENT):
            logging.getLogger(name).addFilter(_once)
