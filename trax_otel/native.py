"""Threads and waiting that no monkey patch reaches: the operating system's threads, whatever the application made of `threading`.

A lock of `threading` that was made before gevent or eventlet patched it blocks every greenlet at once, and one that was made
afterwards may only be used by greenlets. So what our own threads share with the application is built from `originals`, and
an application that is patched waits by its own `time.sleep`, which lets its other greenlets go on.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from . import originals

_LONGEST: Final = 86_400.0 * 365
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05

_own_threads: Final[set[int]] = set()
_held_in = 0
_held_back: Final[list[Callable[[], object]]] = []


class Waitable(Protocol):
    """An event, native or of `threading`."""

    def is_set(self) -> bool:
        """Whether it happened."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it happened within `timeout` seconds."""
        ...


class Event:
    """What `threading.Event` is, for native threads. Takes no lock itself, so a signal's handler may set it."""

    __slots__ = ("_happened", "_waiters")

    def __init__(self) -> None:
        self._happened = False
        self._waiters: deque[Any] = deque()

    def is_set(self) -> bool:
        """Whether it happened."""
        return self._happened

    def set(self) -> None:
        """Let all who wait go on, and later ones pass."""
        self._happened = True
        while self._waiters:
            try:
                waiter = self._waiters.pop()
            except IndexError:  # another thread was quicker
                return
            waiter.release()

    def clear(self) -> None:
        """Have later ones wait again."""
        self._happened = False

    def wait(self, timeout: float | None = None) -> bool:
        """Block this native thread, with all its greenlets, until it happens; False where `timeout` seconds passed."""
        if self._happened:
            return True
        waiter = originals.allocate_lock()
        waiter.acquire()
        self._waiters.append(waiter)
        if self.is_set():  # meanwhile: whoever set it may not have seen us
            return True
        seconds = -1 if timeout is None else min(max(0.0, timeout), _LONGEST)
        try:
            return waiter.acquire(True, seconds) or self._happened
        finally:
            with suppress(ValueError):  # it was let go
                self._waiters.remove(waiter)


def start_thread(function: Callable[..., object], *arguments: Any) -> bool:
    """Run a function on a native thread that `threading` does not know; False where no thread can be started any more."""

    def run() -> None:
        ident = originals.get_ident()
        _own_threads.add(ident)
        try:
            function(*arguments)
        finally:
            _own_threads.discard(ident)

    try:
        originals.start_new_thread(run, ())
    except RuntimeError:
        return False
    return True


def start_background(function: Callable[[], object], again: Callable[[], object]) -> bool:
    """As `start_thread`, for a thread that lives on and wakes by itself.

    False where such threads are held back; `again` is called when they are not any more.
    """
    if _held_in != originals.getpid():
        return start_thread(function)
    if again not in _held_back:
        _held_back.append(again)
    return False


def hold_background() -> None:
    """Start no such thread in this process until they are released. Its children may.

    A host that forks in C while one has, or waits for, the interpreter's lock leaves the child with a lock that nobody gives
    back: it hangs at its next line of Python.
    """
    global _held_in
    _held_in = originals.getpid()


def release_background() -> None:
    """Start what was held back, if that was in this process; a child begins anew by itself."""
    global _held_in
    here, _held_in = _held_in == originals.getpid(), 0
    while _held_back:
        again = _held_back.pop(0)
        if here:
            again()


def on_own_thread() -> bool:
    """Whether the caller runs on a thread that `start_thread` made."""
    return originals.get_ident() in _own_threads


def patched() -> bool:
    """Whether greenlets share the application's threads: gevent or eventlet has replaced `time.sleep`."""
    return time.sleep is not originals.sleep and ("gevent" in sys.modules or "eventlet" in sys.modules)


def wait(event: Waitable, seconds: float) -> bool:
    """Wait on the application's behalf: in a patched program the other greenlets go on meanwhile."""
    if not patched() or on_own_thread():
        return event.wait(seconds)
    end = originals.monotonic() + seconds
    pause = _FIRST_PAUSE
    while not event.is_set():
        left = end - originals.monotonic()
        if left <= 0:
            return False
        try:
            time.sleep(min(pause, left))
        except Exception:  # the hub itself must not switch
            return event.wait(left)
        pause = min(1.5 * pause, _LONGEST_PAUSE)
    return True


def reset_after_fork() -> None:
    """A forked child has none of its parent's threads."""
    _own_threads.clear()
