"""Importing on a thread that the application knows nothing of, without entangling it in the application's own imports.

Each module is imported under a lock of its own. Two threads that import the same packages from different ends can wait for each
other; Python then hands one of them a module that is half imported. So the set-up imports while nobody else does: it
begins when no other thread is inside an import, and an import that another thread begins meanwhile waits before it holds
any such lock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from . import native, originals

LONGEST_WAIT: Final = 10.0
STILL: Final = 4.0
STILL_AT_IMPORT: Final = 1.0
"""Seconds in which another thread has not moved, after which it is taken to wait for the one that waits for it: for any lock,
or for one of the import system's, where that one is inside an import."""
_LOOK: Final = 0.01
_IMPORT_SYSTEM: Final = "<frozen importlib._bootstrap>"
_BOOTSTRAP: Final[Any] = sys.modules["_frozen_importlib"]

_FIND: Final[Callable[..., Any]] = _BOOTSTRAP._find_and_load
"""The import system's function for what is not imported yet, which all ways to import call."""

_THREADING: Final = os.path.join(os.path.dirname(os.__file__), "threading.py")  # noqa: PTH118, PTH120
"""The file in which a thread is that waits for another."""
_turn: list[bool] = [True]
_alone = 0
"""The thread that imports alone, or 0."""
_over = native.Event()


@contextmanager
def alone(patience: float = 0.0) -> Iterator[bool]:
    """Have other threads' imports wait for the block's end, once those that have begun are over.

    False where that took more than `patience` seconds: then nobody waits for the block.
    """
    global _alone, _over
    me = originals.get_ident()
    try:
        _turn.pop()
    except IndexError:
        yield _alone == me
        return
    _alone, _over = me, native.Event()
    _BOOTSTRAP._find_and_load = _find_in_turn
    try:
        end = originals.monotonic() + patience
        while any(thread != me and _imports(frame) for thread, frame in sys._current_frames().items()):
            if originals.monotonic() >= end:
                _end()
                break
            originals.sleep(_LOOK)
        yield _alone == me
    finally:
        _end()
        _turn.append(True)


def _end() -> None:
    global _alone
    _BOOTSTRAP._find_and_load = _FIND
    _alone = 0
    _over.set()


def _find_in_turn(name: str, import_: Any) -> Any:
    owner = _alone
    if owner not in {0, originals.get_ident()} and not _imports(sys._getframe(1)):
        wait_for(owner, _over, helping=True)
    return _FIND(name, import_)


# Python leaves frames of its import system out of the tracebacks of what fails at its import, by this name.
_find_in_turn.__code__ = _find_in_turn.__code__.replace(co_filename=_IMPORT_SYSTEM)


_WITHOUT_LOCK: Final = {_find_in_turn.__code__, _BOOTSTRAP._gcd_import.__code__}


def imports() -> bool:
    """Whether the calling thread is inside an import."""
    return _imports(sys._getframe(1))


def _imports(frame: FrameType | None) -> bool:
    """Whether a thread is inside an import, or patches the program (which looks the same, see `patching`)."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_SYSTEM and frame.f_code not in _WITHOUT_LOCK:
            return True
        frame = frame.f_back
    return False


def wait_for(thread: int, event: native.Waitable, *, helping: bool = False) -> bool:
    """Wait for what another thread has under way; False where it took too long.

    That thread may need a lock that the waiting one holds: the import system's, or one of logging's. It does not move then,
    and nobody waits for it any longer. `helping`: the waiting thread may be one that it waits for itself (the SDK looks
    for resources on threads of a pool).
    """
    now = originals.monotonic()
    still = STILL_AT_IMPORT if imports() else STILL
    end, since, place = now + LONGEST_WAIT, now, _place(thread)
    while not event.wait(_LOOK):
        now, before, place = originals.monotonic(), place, _place(thread)
        if place != before:
            since = now
        if now > end or now - since > still or (helping and place[0] == _THREADING):
            return False
    return True


def _place(thread: int) -> tuple[str, object, int]:
    """Where in its code a thread is: file, code, instruction."""
    frame = sys._current_frames().get(thread)
    return ("", None, 0) if frame is None else (frame.f_code.co_filename, frame.f_code, frame.f_lasti)


def reset_after_fork() -> None:
    """A forked child has none of its parent's threads."""
    global _turn
    if _alone != originals.get_ident():
        _end()
        _turn = [True]
