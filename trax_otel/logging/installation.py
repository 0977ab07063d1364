"""What `initialize_logging` does to the process's logging, and how it is all undone.

Three things: handlers of ours on the root logger (put back where `dictConfig`, `basicConfig(force=True)` or the like took them
away), the root's level, lowered where it would hold back what was asked for, and the class of loggers got by `get_logger`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .. import lifecycle, originals
from . import dispatch
from .direct import aim_at
from .formatters import JsonFormatter, TextFormatter
from .handlers import ConsoleHandler, ContainedHandler, FileHandler
from .logger import TraxLogger
from .otlp import attach_otlp_handler, detach_otlp_handler
from .records import stamp
from .rotation import RotatingFile

if TYPE_CHECKING:
    from ..config import LoggingSettings

TEXT_FILE: Final = "trax.log"
"""The text file's name within the log folder."""
JSON_FILE: Final = "trax.jsonl"
"""The name of the file of JSON lines within the log folder."""
_OWNER: Final = "initialize_logging"


class Installation:
    """One set of handlers in force, and the root's level before the first one."""

    def __init__(self, settings: LoggingSettings, handlers: list[ContainedHandler], level_before: int) -> None:
        self.settings = settings
        self.handlers = handlers
        self.level_before = self.level_set = level_before
        self.unregister: Callable[[], None] = lambda: None
        self.converted: list[logging.Logger] = []


_lock = originals.reentrant_lock()
_current: Installation | None = None
_given: Final[dict[str, logging.Logger]] = {}


def get_logger(name: str | None = None) -> logging.Logger:
    """The standard library's logger of that name (None: the root logger).

    Between `initialize_logging()` and `shutdown_logging()` it takes a shorter way and its calls never raise; it is the same
    object throughout.
    """
    logger = logging.getLogger(name)
    _given[logger.name] = logger
    if _current is not None:
        _convert(logger, _current)
    return logger


def install(settings: LoggingSettings) -> None:
    """Put settings in force; others that were so are replaced, equal ones stay."""
    global _current
    with _lock:
        if _current is not None and _current.settings == settings:
            return
        if _current is not None:
            uninstall()
        root = logging.getLogger()
        level = logging.getLevelName(settings.level)
        handlers = _handlers(settings)
        installation = Installation(settings, handlers, root.level)
        for handler in handlers:
            handler.setLevel(level)
            root.addHandler(handler)
        if root.level > level:
            root.setLevel(level)
            installation.level_set = level
        installation.unregister = lifecycle.register(
            lifecycle.Participant(
                "log files",
                lifecycle.ORDER_LOG_FILES,
                shutdown=lambda _: _each(ContainedHandler.report_losses),
                after_fork_in_child=lambda: _each(ContainedHandler.forget_losses),
            )
        )
        _current = installation
        aim_at(_only_json_file(handlers))
        dispatch.add(before=_prepare)
        attach_otlp_handler(_OWNER)
        for logger in list(_given.values()):
            _convert(logger, installation)


def uninstall() -> None:
    """Take everything back. What the application has changed since is the application's and stays."""
    global _current
    with _lock:
        installation, _current = _current, None
        if installation is None:
            return
        aim_at(None)
        detach_otlp_handler(_OWNER)
        dispatch.remove(_prepare)
        installation.unregister()
        root = logging.getLogger()
        for handler in installation.handlers:
            root.removeHandler(handler)
            handler.report_losses()
            handler.close()
        if root.level == installation.level_set:
            root.setLevel(installation.level_before)
        for logger in installation.converted:
            if type(logger) is TraxLogger:
                _set_class(logger, logging.Logger)


def _handlers(settings: LoggingSettings) -> list[ContainedHandler]:
    handlers: list[ContainedHandler] = []
    if settings.log_to_console:
        handlers.append(ConsoleHandler(settings.console_colour))
    for wanted, name, formatter in (
        (settings.log_to_file, TEXT_FILE, TextFormatter()),
        (settings.log_to_json, JSON_FILE, JsonFormatter()),
    ):
        if wanted:
            file = RotatingFile(
                f"{settings.log_dir}{os.sep}{name}",
                max_bytes=settings.max_file_size,
                backup_count=settings.backup_count,
                rotate_every=settings.rotate_every,
            )
            handlers.append(FileHandler(file, formatter))
    return handlers


def _only_json_file(handlers: list[ContainedHandler]) -> FileHandler | None:
    only = handlers[0] if len(handlers) == 1 else None
    return only if isinstance(only, FileHandler) and isinstance(only.formatter, JsonFormatter) else None


def _convert(logger: logging.Logger, installation: Installation) -> None:
    # Only the plain class: an application's own logger class knows what it does.
    if type(logger) is logging.Logger:
        _set_class(logger, TraxLogger)
        installation.converted.append(logger)


def _set_class(logger: logging.Logger, kind: type[logging.Logger]) -> None:
    logger.__class__ = kind  # the two have the same attributes, and the object stays the one that others hold


def _prepare(record: logging.LogRecord) -> None:
    stamp(record)
    installation = _current
    if installation is not None:
        present = logging.root.handlers
        for handler in installation.handlers:
            if handler not in present:
                logging.root.addHandler(handler)


def _each(action: Callable[[ContainedHandler], None]) -> None:
    if _current is not None:
        for handler in _current.handlers:
            action(handler)


# --- For debug mode --------------------------------------------------------------------------------------------------------


def lower_levels(level: int, *names: str) -> Callable[[], None]:
    """Let records from `level` on through the root, our handlers and the named loggers; returns the way back."""
    with _lock:
        handlers = [] if _current is None else _current.handlers
        targets: list[logging.Logger | logging.Handler] = [
            logging.getLogger(), *(logging.getLogger(name) for name in names), *handlers
        ]  # fmt: skip
        before = [(target, _threshold(target)) for target in targets]
        for target in targets:
            target.setLevel(level)

    def restore() -> None:
        for target, former in before:
            if _threshold(target) == level:
                target.setLevel(former)

    return restore


def _threshold(target: logging.Logger | logging.Handler) -> int:
    return target.threshold if isinstance(target, ContainedHandler) else target.level


def provide_console() -> Callable[[], None]:
    """A console of ours, where the root has no handler at all; returns the way back."""
    root = logging.getLogger()
    if root.handlers:
        return lambda: None
    handler = ConsoleHandler()
    root.addHandler(handler)

    def take_away() -> None:
        root.removeHandler(handler)
        handler.close()

    return take_away
