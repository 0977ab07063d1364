"""Debug mode, switchable while the service runs.

What it brings: stack traces in full (`stacktrace`), also for errors that were logged without one inside an `except` block;
a line with the duration of every operation, and the process's memory and CPU at its end (`metrics.operation`); what retry
and recovery decide, since they log that at DEBUG; and, where asked for, where memory was allocated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from .. import config, originals
from ..metrics.usage import resident_memory
from . import installation

OWN_LOGGER: Final = __name__.partition(".")[0]
"""The parent of all loggers of this package."""
_TOP: Final = 10

_lock = originals.reentrant_lock()
_undo: Final[list[Callable[[], None]]] = []  # of levels and console
_stop_tracing: Callable[[], None] | None = None


class MemoryUsage:
    """The process's memory now, in bytes; `allocated` and what follows are known where allocations are traced.

    `top` are the places that hold most: file and line, bytes, number of blocks.
    """

    __slots__ = ("allocated", "allocated_peak", "resident", "top")

    def __init__(
        self,
        resident: int,
        allocated: int | None = None,
        allocated_peak: int | None = None,
        top: tuple[tuple[str, int, int], ...] = (),
    ) -> None:
        self.resident = resident
        self.allocated = allocated
        self.allocated_peak = allocated_peak
        self.top = top

    def __repr__(self) -> str:
        return (
            f"MemoryUsage(resident={self.resident}, allocated={self.allocated}, allocated_peak={self.allocated_peak})"
        )


def enable_debug(*, trace_allocations: bool = False) -> None:
    """Switch debug mode on. `trace_allocations` starts `tracemalloc`, which makes the process markedly slower.

    Where nobody has set up any logging yet, it sets up a console, or its lines would go nowhere.
    """
    with _lock:
        if not _undo:
            config.set_debug(True)
            _open_up()
        if trace_allocations:
            _trace()


def disable_debug() -> None:
    """Switch debug mode off: levels, console and tracing are as they were before."""
    global _stop_tracing
    with _lock:
        _close_down()
        stop, _stop_tracing = _stop_tracing, None
        if stop is not None:
            stop()
        config.set_debug(False if config.settings().runtime.debug else None)


@contextmanager
def suspended() -> Iterator[None]:
    """Undo the levels and the console while logging is set up or back, and do them anew afterwards."""
    with _lock:
        was_on = bool(_undo)
        _close_down()
        try:
            yield
        finally:
            if was_on:
                _open_up()


def _open_up() -> None:
    _undo.append(installation.provide_console())
    _undo.append(installation.lower_levels(logging.DEBUG, OWN_LOGGER))


def _close_down() -> None:
    while _undo:
        _undo.pop()()


def is_debug() -> bool:
    """Whether debug mode is on."""
    return config.debug()


def _trace() -> None:
    global _stop_tracing
    import tracemalloc

    if not tracemalloc.is_tracing():
        tracemalloc.start()
        _stop_tracing = tracemalloc.stop


def memory_usage() -> MemoryUsage:
    """The process's memory now."""
    import tracemalloc

    resident = resident_memory()
    if not tracemalloc.is_tracing():
        return MemoryUsage(resident)
    allocated, peak = tracemalloc.get_traced_memory()
    statistics = tracemalloc.take_snapshot().statistics("lineno")[:_TOP]
    top = tuple((f"{s.traceback[0].filename}:{s.traceback[0].lineno}", s.size, s.count) for s in statistics)
    return MemoryUsage(resident, allocated, peak, top)
