"""The one place where this room meets every log record: `logging.Logger.callHandlers`.

Not a handler on the root logger: `basicConfig(force=True)`, `dictConfig` and `root.handlers.clear()` take those away, loggers
with `propagate=False` never reach them, and their mere presence silences `logging.lastResort`, turns `basicConfig()` into
nothing and stops frameworks that look for handlers from setting up their own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from .. import lifecycle

Step = Callable[[logging.LogRecord], object]
Function = TypeVar("Function", bound=Callable[..., Any])

_original: Callable[[logging.Logger, logging.LogRecord], None] = logging.Logger.callHandlers
_before: tuple[Step, ...] = ()
_after: tuple[Step, ...] = ()
_told: Final[set[str]] = set()


def add(*, before: Step | None = None, after: Step | None = None) -> None:
    """Call `before` ahead of a record's handlers and `after` behind them; each at most once in the list, contained."""
    global _before, _after
    if before is not None and before not in _before:
        _before = (*_before, before)
    if after is not None and after not in _after:
        _after = (*_after, after)
    _install()


def remove(*steps: Step) -> None:
    """Take steps out again; without any left, `logging` is as it was."""
    global _before, _after
    _before = tuple(step for step in _before if step not in steps)
    _after = tuple(step for step in _after if step not in steps)
    if not (_before or _after) and logging.Logger.callHandlers is call_handlers:
        logging.Logger.callHandlers = _original  # type: ignore[method-assign,assignment]


def _install() -> None:
    # Where another library (an error tracker, say) wrapped it since, ours is inside its wrapper and still called.
    global _original
    present = logging.Logger.callHandlers
    if present is call_handlers or _is_inside(present):
        return
    _original = present
    logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign,assignment]


def _is_inside(wrapper: Callable[..., object], depth: int = 4) -> bool:
    """Whether calling `wrapper` calls ours: it holds it, or holds a wrapper that does."""
    held = [getattr(wrapper, "__wrapped__", None)]
    for cell in getattr(wrapper, "__closure__", None) or ():
        with suppress(ValueError):  # a cell that is empty
            held.append(cell.cell_contents)
    if call_handlers in held:
        return True
    return depth > 0 and any(_is_inside(inner, depth - 1) for inner in held if callable(inner))


def part_of_logging(function: Function) -> Function:
    """Place a function in the `logging` package's folder, for those who tell its frames by that.

    `Handler.handleError` prints the stack that led to a call which could not be logged, up to the frames of that package; one
    of ours in between would end the search.
    """
    plain: Any = function
    plain.__code__ = plain.__code__.replace(co_filename=f"{logging.__path__[0]}{os.sep}trax_otel.py")
    return function


@part_of_logging
def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    """What `Logger.callHandlers` is while there are steps."""
    run(_before, record)
    try:
        _original(logger, record)
    except BaseException as failure:
        # A handler that raises does so in the application: no frame of ours in its traceback (3.10 puts it back).
        if failure.__traceback__ is not None:
            failure.__traceback__ = failure.__traceback__.tb_next
        raise
    finally:
        run(_after, record)


@part_of_logging
def call_handlers_contained(logger: logging.Logger, record: logging.LogRecord) -> None:
    """`call_handlers`, where a handler that raises neither reaches the caller nor keeps the record from the others."""
    if logging.Logger.callHandlers is not call_handlers:
        logging.Logger.callHandlers(logger, record)  # another library's wrapper: it must see the record too
        return
    for step in _before:
        try:
            step(record)
        except Exception as failure:
            _step_failed(step, failure)
    found = False
    level = record.levelno
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            found = True
            if level >= handler.level:
                try:
                    handler.handle(record)
                except Exception as failure:
                    tell_once(f"log handler {type(handler).__name__}", failure)
        current = current.parent if current.propagate else None
    if not found:
        _original(logger, record)  # nobody to handle it: the last resort
    for step in _after:
        try:
            step(record)
        except Exception as failure:
            _step_failed(step, failure)


def run(steps: tuple[Step, ...], record: logging.LogRecord) -> None:
    """Call steps, each contained."""
    for step in steps:
        try:
            step(record)
        except Exception as failure:
            _step_failed(step, failure)


def _step_failed(step: Step, failure: Exception) -> None:
    tell_once(f"log step {getattr(step, '__name__', step)}", failure)


def tell_once(what: str, failure: Exception) -> None:
    """One line on stderr for each thing that fails and way in which it does."""
    key = f"{what} {type(failure).__name__}"
    if key not in _told and len(_told) < 64:
        _told.add(key)
        lifecycle.report(f"{what} failed, the application goes on: {type(failure).__name__}: {str(failure)[:200]}")
