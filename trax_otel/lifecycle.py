"""Fork, stop and exit: who must act, in which order, under one shared time budget.

Rooms above register a `Participant`; this module calls them. A participant that raises is contained: the others still
act. There is one budget for everything that happens at the end of a process (`set_exit_budget`, 5 s by default).

* `stop()` wakes sleeping retries and tells everyone to finish; the process itself goes on.
* `shutdown()` lets each participant flush and close. It runs at the interpreter's normal end, at the end of a
  `multiprocessing` child (which skips `atexit`), and on SIGTERM where the application left that signal alone.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from . import clock, native, originals

if TYPE_CHECKING:
    from types import FrameType

DEFAULT_EXIT_BUDGET: Final = 5.0


class Deadline:
    """A point in time that several parties share."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = clock.current().monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - clock.current().monotonic())

    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining() <= 0.0


class Participant(NamedTuple):
    """Who must act when the process forks, flushes or ends. `order`: lower acts first (forking parents: last)."""

    name: str
    order: int
    flush: Callable[[Deadline], object] | None = None
    shutdown: Callable[[Deadline], object] | None = None
    before_fork: Callable[[], object] | None = None
    after_fork_in_parent: Callable[[], object] | None = None
    after_fork_in_child: Callable[[], object] | None = None


# Orders, so that the ranks can be read in one place: producers of telemetry first, the exporter last.
ORDER_PRODUCERS: Final = 10
ORDER_LOG_FILES: Final = 20
ORDER_SIGNALS: Final = 30
ORDER_EXPORT: Final = 90


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
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        if self._lock.locked():  # it is not where a signal's handler forked inside the section and the child goes on
            self._lock.release()


_fork_safe_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_participants: list[Participant] = []
_lock = originals.allocate_lock()
_stopping = native.Event()
_shut_down = False
_finished = native.Event()
_exit_budget = DEFAULT_EXIT_BUDGET
_process_token = os.urandom(8).hex()
_sigterm_taken = False


def register(participant: Participant) -> Callable[[], None]:
    """Add a participant (one of the same name is replaced); returns the function that takes it out again."""
    global _participants, _shut_down
    with _lock:
        others = [p for p in _participants if p.name != participant.name]
        _participants = sorted([*others, participant], key=lambda p: p.order)
        _shut_down = _shut_down and not _finished.is_set()  # after a shutdown, who comes anew is shut down anew
    hook_multiprocessing()

    def unregister() -> None:
        global _participants
        with _lock:
            _participants = [p for p in _participants if p is not participant]

    return unregister


def set_exit_budget(seconds: float) -> None:
    """How long the end of the process may take for all signals together, in seconds."""
    global _exit_budget
    _exit_budget = max(0.0, seconds)


def exit_budget() -> float:
    """The time that the end of the process may take, in seconds."""
    return _exit_budget


def process_token() -> str:
    """A random name of this process, renewed in every forked child."""
    return _process_token


# --- Stop, flush, shut down -----------------------------------------------------------------------


def stop() -> None:
    """Tell everything of ours to finish: sleeping retries end at once. Servers with handlers of their own call it."""
    _stopping.set()
    clock.wake()


def stopping() -> bool:
    """Whether `stop()` was called."""
    return _stopping.is_set()


def resume() -> None:
    """Undo `stop()` (a server that reloads; tests)."""
    _stopping.clear()
    clock.rest()


def flush(seconds: float | None = None) -> None:
    """Let every participant hand on what it holds, within `seconds` (the exit budget unless given)."""
    deadline = Deadline(_exit_budget if seconds is None else seconds)
    for participant in _participants:
        _contained(participant, participant.flush, deadline)


def shutdown(seconds: float | None = None) -> None:
    """Flush and close every participant within one budget. A second call waits for the first, and does nothing."""
    global _shut_down, _finished
    deadline = Deadline(_exit_budget if seconds is None else seconds)
    with _lock:
        first, _shut_down = not _shut_down, True
        if first:
            _finished = native.Event()
        finished = _finished
    if not first:  # SIGTERM and the normal end may overlap: neither may cut the other's flush short
        finished.wait(deadline.remaining())
        return
    try:
        for participant in _participants:
            _contained(participant, participant.shutdown, deadline)
    finally:
        finished.set()


def _contained(participant: Participant, action: Callable[..., object] | None, *arguments: object) -> None:
    if action is None:
        return
    try:
        action(*arguments)
    except Exception as error:  # a participant's failure is neither the application's nor the next one's
        report(f"{participant.name}: {type(error).__name__}: {error}")


def report(line: str) -> None:
    """Say one line on stderr in our name; never raises (stderr may be closed)."""
    try:
        stream = sys.stderr or sys.__stderr__
        if stream is not None:
            stream.write(f"trax-otel: {line}\n")
            stream.flush()
    except (OSError, ValueError):
        return


def _at_exit() -> None:
    shutdown()
    if _ending:  # told to end while ending: the status must be that of a process killed by SIGTERM
        originals.sleep(_exit_budget + 1.0)


atexit.register(_at_exit)


# --- Fork -----------------------------------------------------------------------------------------


def _before_fork() -> None:
    for participant in reversed(_participants):
        _contained(participant, participant.before_fork)


def _after_fork_in_parent() -> None:
    for participant in _participants:
        _contained(participant, participant.after_fork_in_parent)


def _after_fork_in_child() -> None:
    global _lock, _stopping, _shut_down, _finished, _ending, _process_token
    _lock = originals.allocate_lock()
    _finished = native.Event()
    _ending = False
    _stopping = native.Event()
    _shut_down = False
    _process_token = os.urandom(8).hex()
    clock.reset_after_fork()
    for lock in list(_fork_safe_locks):
        lock.renew()
    hook_multiprocessing()  # it may have been imported since; this runs before the child's own preparations
    for participant in _participants:
        _contained(participant, participant.after_fork_in_child)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)

_multiprocessing_hooked = False


def hook_multiprocessing() -> None:
    """Shut down at the end of multiprocessing's children too: they leave by `os._exit` and skip `atexit`.

    Does nothing until multiprocessing is imported; zero-code start-up imports it first for that reason.
    """
    global _multiprocessing_hooked
    util = sys.modules.get("multiprocessing.util")
    if util is None or _multiprocessing_hooked:
        return
    _multiprocessing_hooked = True
    util.register_after_fork(Participant, lambda _: util.Finalize(None, shutdown, exitpriority=-100))


# --- SIGTERM --------------------------------------------------------------------------------------


def take_sigterm() -> bool:
    """Flush before a SIGTERM ends the process, where that signal still has its default disposition.

    Returns whether the hook is in place. A handler of the application's, set before or after, is left alone.
    """
    global _sigterm_taken
    import signal  # its enums take as long as several modules of ours

    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return signal.getsignal(signal.SIGTERM) is _on_sigterm
    signal.signal(signal.SIGTERM, _on_sigterm)
    _sigterm_taken = True
    return True


def _on_sigterm(signum: int, frame: FrameType | None) -> None:
    # A handler may interrupt any lock's owner, so it takes none: all work happens on a thread that is new.
    global _ending
    if _ending:
        return
    _ending = True
    if not native.start_thread(_end_by_sigterm):  # the interpreter ends: end as we were told to
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


_ending = False


def _end_by_sigterm() -> None:
    # The budget holds even where a participant hangs in C: the second thread ends the process in any case.
    budget = _exit_budget
    native.start_thread(_end_after, budget + 0.5)
    try:
        stop()
        shutdown(budget)
    finally:
        _die_by_sigterm()


def _end_after(seconds: float) -> None:
    originals.sleep(seconds)
    _die_by_sigterm()


def _die_by_sigterm() -> None:
    # signal.signal works on the main thread only, which may be blocked; libc's works anywhere.
    import ctypes
    import signal

    ctypes.CDLL(None).signal(int(signal.SIGTERM), 0)
    os.kill(os.getpid(), signal.SIGTERM)
