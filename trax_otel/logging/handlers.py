"""Handlers that never let a failure reach the application: one line on stderr says it, another when they work again."""

from __future__ import annotations

import logging
import os
import sys
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any, Final

from .. import lifecycle, semconv
from .formatters import ConsoleFormatter, JsonFormatter, TextFormatter

if TYPE_CHECKING:
    from .rotation import RotatingFile

_QUIET_SECONDS: Final = 10.0
"""After a recovery, a new failure is told no sooner than this: a disk that is full by turns must not fill stderr."""


_no_lock: Final = nullcontext()


class ContainedHandler(logging.Handler, ABC):
    """Counts the lines that it could not deliver and says so once per outage."""

    name_for_people = "log handler"

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__()
        self.setLevel(level)
        self.lost = 0
        self._told = False
        self._quiet_until = 0.0

    @abstractmethod
    def deliver(self, record: logging.LogRecord) -> None:
        """Write the record; may raise."""

    def setLevel(self, level: int | str) -> None:  # noqa: N802  (the standard library's name)
        """The least level that is handled; security events of INFO and above are in any case."""
        super().setLevel(level)
        self.threshold = self.level
        self.level = min(self.level, logging.INFO)

    def handle(self, record: logging.LogRecord) -> bool:
        """The standard library's way, without its detours."""
        if record.levelno < self.threshold and record.name != semconv.SECURITY_LOGGER:
            return False
        if self.filters:
            return bool(super().handle(record))
        with self.lock or _no_lock:
            self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Deliver the record, or count it as lost."""
        try:
            self.deliver(record)
            if self.lost:
                self._recovered(record.created)
        except Exception as error:
            self._failed(error, record.created)

    def _failed(self, error: Exception, now: float) -> None:
        self.lost += 1
        if not self._told and now >= self._quiet_until:
            self._told = True
            self.say(f"{self.name_for_people} fails, lines are lost until it works again: {_reason(error)}")

    def _recovered(self, now: float) -> None:
        if not self._told and now < self._quiet_until:
            return
        lost, self.lost = self.lost, 0
        self._told = False
        self._quiet_until = now + _QUIET_SECONDS
        self.say(f"{self.name_for_people} works again; {lost} lines were lost")

    def say(self, line: str) -> None:
        """One line on stderr."""
        lifecycle.report(line)

    def report_losses(self) -> None:
        """At the end of the process: say what was never recovered."""
        if self.lost:
            lost, self.lost = self.lost, 0
            self.say(f"{self.name_for_people} lost {lost} lines")

    def forget_losses(self) -> None:
        """In a forked child: what was lost before is the parent's to tell."""
        self.lost = 0
        self._told = False


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}"


class FileHandler(ContainedHandler):
    """Appends lines to a `RotatingFile`, unbuffered: what was logged is with the kernel when the call returns."""

    def __init__(self, file: RotatingFile, formatter: JsonFormatter | TextFormatter) -> None:
        super().__init__()
        self.file = file
        self.name_for_people = f"log file {file.path}"
        self.setFormatter(formatter)
        self._format = formatter.format

    def deliver(self, record: logging.LogRecord) -> None:
        """Append the record's line."""
        line = f"{self._format(record)}\n"
        self.file.write(line.encode("utf-8", "backslashreplace"), record.created)

    def write_line(self, line: str, created: float) -> None:
        """Append a line that is formatted already; contained, as `handle` is."""
        with self.lock or _no_lock:
            try:
                self.file.write(f"{line}\n".encode(), created)
                if self.lost:
                    self._recovered(created)
            except Exception as error:
                self._failed(error, created)

    def close(self) -> None:
        """Close the file. `logging.config` closes handlers that stay in use: the next record opens it again."""
        self.acquire()
        try:
            self.file.close()
        except OSError:
            pass
        finally:
            self.release()
        super().close()


class ConsoleHandler(ContainedHandler):
    """Writes to whatever `sys.stderr` is at the moment, unless another console handler writes the same record there.

    Django, uvicorn or `basicConfig` may have set up a console of their own for some loggers; a record that passes such a
    handler on its way is theirs, and nobody reads it twice.
    """

    name_for_people = "console"

    def __init__(self, colour: str = "auto") -> None:
        super().__init__()
        self.colour = colour
        self._plain = ConsoleFormatter(colour=False)
        self._coloured = ConsoleFormatter(colour=True)
        self.setFormatter(self._plain)

    def deliver(self, record: logging.LogRecord) -> None:
        """Write the record's line, where nobody else does."""
        stream = sys.stderr
        if stream is None or self._written_by_another(record):
            return
        formatter = self._coloured if wants_colour(self.colour, stream) else self._plain
        text = f"{formatter.format(record)}\n"
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()

    def _written_by_another(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            for handler in logger.handlers:
                if (
                    handler is not self
                    and is_console(handler)
                    and record.levelno >= handler.level
                    and handler.filter(record)
                ):
                    return True
            logger = logger.parent if logger.propagate else None
        return False


def is_console(handler: logging.Handler) -> bool:
    """Whether a handler writes to the process's stderr or stdout (rich's handler keeps its stream in a console)."""
    stream = getattr(handler, "stream", None) or getattr(getattr(handler, "console", None), "file", None)
    if stream is None:
        return False
    if any(stream is known for known in (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)):
        return True
    try:
        return stream.fileno() in {1, 2}  # a wrapper round one of them
    except Exception:  # no file, or a closed one
        return False


def wants_colour(choice: str, stream: IO[Any]) -> bool:
    """Whether to colour: `always`, `never`, or `auto` (a terminal, and neither NO_COLOR nor TERM=dumb is set)."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except Exception:  # a stand-in for stderr that is closed or has no such method
        return False
