"""This process, known by its PID: a forked child begins anew, whether or not Python was told of the fork.

`os.fork` runs hooks; a fork in C does not (uWSGI's workers, `fork` by ctypes). So whoever queues, counts or locks something
of ours asks `renew_if_forked()` first. It must cost nothing: `os.getpid` is a system call, so a page of memory that the
kernel empties in forked children (`MADV_WIPEONFORK`, Linux 4.14) is looked at instead; elsewhere the PID is compared.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable
from typing import Any, Final

from .. import clock, originals

WIPE_ON_FORK: Final = 18
"""`MADV_WIPEONFORK`, which Python does not name."""
RENEWAL_SECONDS: Final = 0.5
"""How long one thread of a child waits for another that renews."""


class PidMark:
    """Says by the PID whether this is the process that was marked; used as a sequence of one."""

    __slots__ = ("_pid",)

    def __init__(self) -> None:
        self._pid = 0

    def __getitem__(self, _: int) -> int:
        return int(originals.getpid() == self._pid)

    def __setitem__(self, _: int, __: int) -> None:
        self._pid = originals.getpid()


def make_mark() -> Any:
    """Something whose `[0]` is 0 in every process but the one that wrote 1 there."""
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(WIPE_ON_FORK)
    except (AttributeError, OSError, ValueError):
        return PidMark()
    return page


_mark: Final = make_mark()
_mark[0] = 1
_process_token = os.urandom(8).hex()
_actions: Final[list[Callable[[], object]]] = []
_locks: Final[dict[int, Any]] = {}
_renewer: tuple[int, int] | None = None


def renew_if_forked() -> None:
    """Make everything of ours this process's own, if it is a forked child that has not used any of it yet."""
    if not _mark[0]:
        _renew()


def is_renewed() -> bool:
    """Whether this is the process that last used anything of ours, not a child of it."""
    return bool(_mark[0])


def at_renewal(action: Callable[[], object]) -> None:
    """Call `action` in every forked child, in the order of these calls. It must not raise."""
    _actions.append(action)


def process_token() -> str:
    """A random name of this process, renewed in every forked child."""
    renew_if_forked()
    return _process_token


def _renew() -> None:
    global _renewer
    me = originals.getpid(), originals.get_ident()
    if _renewer == me:  # an action uses what it renews
        return
    lock = _locks.setdefault(me[0], originals.allocate_lock())  # of this PID: no thread of the parent's can hold it
    if not lock.acquire(True, RENEWAL_SECONDS):
        return
    try:
        if not _mark[0]:
            _renewer = me
            for action in _actions:
                action()
            _mark[0] = 1
    finally:
        _renewer = None
        lock.release()


class ForkSafeLock:
    """A lock for short sections that call nobody; a forked child gets it free, for who held it is not there any more."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self.renew()
        _fork_safe_locks.add(self)

    def renew(self) -> None:
        """Be free, whoever holds it."""
        self._lock = originals.allocate_lock()

    def __enter__(self) -> None:
        renew_if_forked()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        if self._lock.locked():  # it is not where a signal's handler forked inside the section and the child goes on
            self._lock.release()


_fork_safe_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _renew_process() -> None:
    global _process_token
    _process_token = os.urandom(8).hex()
    clock.reset_after_fork()
    for lock in list(_fork_safe_locks):
        lock.renew()


at_renewal(_renew_process)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
