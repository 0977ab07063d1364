"""`os._exit` and exec: the process is gone at once, and `atexit` with it. What it made is delivered first.

Forked children of all kinds end so (multiprocessing's, billiard's, rq's work horse). They act only where this very process
made something that is not delivered: a child that made nothing, and one whose parent has something queued, leave as
they would without us. The work happens on a new thread, so that the leaving one, which may be inside a signal handler,
takes no lock that anybody holds; it waits `LEAVING_SECONDS` at the longest.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from .. import native, originals
from .participants import Deadline, contained, participants
from .process import at_renewal, is_renewed

LEAVING_SECONDS: Final = 0.5
"""The longest that an end by `os._exit` or exec may be held up."""
MARGIN: Final = 0.05
"""Seconds of it that are kept for saying what could not be delivered."""

Result = TypeVar("Result")

_ORIGINALS: Final[dict[str, Callable[..., Any]]] = {
    "_exit": originals.exit_now,
    "execv": originals.execv,  # os.execl, execvp and their kin call one of these two
    "execve": originals.execve,
}
_under_way: Any = originals.allocate_lock()


def guard_exits(wanted: bool) -> None:
    """Deliver before `os._exit` and exec from now on, or let them be the originals again. Twice changes nothing."""
    for name, original in _ORIGINALS.items():
        present = getattr(os, name)
        if wanted and present is original:
            guarded = _guarded(original)
            setattr(os, name, guarded)
            if original in os.supports_fd:
                os.supports_fd.add(guarded)
        elif not wanted and getattr(present, "__wrapped__", None) is original:
            setattr(os, name, original)


def _guarded(original: Callable[..., Result]) -> Callable[..., Result]:
    @functools.wraps(original)
    def leaving_first(*args: Any, **kwargs: Any) -> Result:
        with suppress(BaseException):  # whoever leaves, leaves: a handler that raises meanwhile is too late
            leave()
        return original(*args, **kwargs)

    return leaving_first


def is_leaving() -> bool:
    """Whether this process is about to be gone: a warning that something is kept would not be true."""
    return bool(_under_way.locked())


def leave() -> None:
    """Let each participant that has something pending hand it on. A second caller does not wait for the first."""
    if not is_renewed() or not any(one.pending is not None and one.pending() for one in participants()):
        return
    under_way = _under_way
    if not under_way.acquire(False):
        return
    try:
        done = originals.allocate_lock()
        done.acquire()
        if native.start_thread(_act, done):  # else the interpreter ends, and starts no thread any more
            done.acquire(True, LEAVING_SECONDS)
    finally:
        under_way.release()


def _act(done: Any) -> None:
    deadline = Deadline(LEAVING_SECONDS - MARGIN)
    try:
        for participant in participants():
            contained(participant, participant.leave, deadline)
    finally:
        done.release()


def _renew() -> None:
    global _under_way
    _under_way = originals.allocate_lock()


at_renewal(_renew)
