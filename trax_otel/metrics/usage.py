"""What the process used while an operation ran, cheaply enough to ask twice for each of them."""

from __future__ import annotations

import os
import time
from typing import Final

MEGABYTE: Final = 1024 * 1024
"""Bytes of the megabyte that `timer` and the JSON export speak of, as the specification's settings count it."""

_STATM: Final = "/proc/self/statm"


class Usage:
    """CPU time and resident memory of the *whole process* from its making to `stop()`; other threads' share is in it.

    `cpu_s` is seconds of user and system time; `memory` the resident bytes now, `memory_delta` what they grew by. All
    three can be read before `stop()` and give what is so far.
    """

    __slots__ = ("_cpu_end", "_cpu_start", "_memory_end", "_memory_start")

    def __init__(self) -> None:
        self._cpu_end: float | None = None
        self._memory_end: int | None = None
        self._memory_start = resident_memory()
        self._cpu_start = time.process_time()

    def stop(self) -> None:
        """Keep the figures of this moment."""
        self._cpu_end = time.process_time()
        self._memory_end = resident_memory()

    @property
    def cpu_s(self) -> float:
        """CPU seconds."""
        return (time.process_time() if self._cpu_end is None else self._cpu_end) - self._cpu_start

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return resident_memory() if self._memory_end is None else self._memory_end

    @property
    def memory_delta(self) -> int:
        """Bytes that resident memory grew by; negative where it shrank."""
        return self.memory - self._memory_start


def resident_memory() -> int:
    """Resident memory of this process in bytes; 0 where the system does not tell."""
    try:
        with open(_STATM, "rb", buffering=0) as file:  # noqa: PTH123 (a tenth of what psutil or a Path takes)
            return int(file.read(128).split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return _resident_memory_elsewhere()


def _resident_memory_elsewhere() -> int:
    import psutil

    try:
        return int(psutil.Process().memory_info().rss)
    except psutil.Error:
        return 0


_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
