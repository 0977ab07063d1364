"""Who must act when the process forks, flushes or ends, in which order, under one shared time budget.

Rooms above register a `Participant`; this module calls them. A participant that raises is contained: the others still
act. There is one budget for everything that happens at the end of a process (`set_exit_budget`, 5 s by default).

* `stop()` wakes sleeping retries and tells everyone to finish; the process itself goes on.
* `shutdown()` lets each participant flush and close. It runs at the interpreter's normal end, at the end of a
  `multiprocessing` child (which skips `atexit`), and on SIGTERM where the application left that signal alone.
* `leave` and `pending` of a participant serve ends without an end: `os._exit` and exec (see `leaving`).
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .. import clock, originals
from .process import at_renewal, renew_if_forked

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
    pending: Callable[[], bool] | None = None
    leave: Callable[[Deadline], object] | None = None
    before_fork: Callable[[], object] | None = None
    after_fork_in_parent: Callable[[], object] | None = None
    after_fork_in_child: Callable[[], object] | None = None


# Orders, so that the ranks can be read in one place: producers of telemetry first, the exporter last.
ORDER_PRODUCERS: Final = 10
ORDER_LOG_FILES: Final = 20
ORDER_SIGNALS: Final = 30
ORDER_EXPORT: Final = 90


_participants: list[Participant] = []
_watchers: Final[list[Callable[[], object]]] = []
_lock: Any = originals.allocate_lock()
_stopping = False
_shut_down = False
_finishing: Any = originals.allocate_lock()  # held as long as a shutdown is under way
_exit_budget = DEFAULT_EXIT_BUDGET


def register(participant: Participant) -> Callable[[], None]:
    """Add a participant (one of the same name is replaced); returns the function that takes it out again."""
    global _participants, _shut_down
    renew_if_forked()
    with _lock:
        others = [p for p in _participants if p.name != participant.name]
        _participants = sorted([*others, participant], key=lambda p: p.order)
        _shut_down = _shut_down and _finishing.locked()  # after a shutdown, who comes anew is shut down anew
    for watch in _watchers:
        watch()

    def unregister() -> None:
        global _participants
        with _lock:
            _participants = [p for p in _participants if p is not participant]

    return unregister


def participants() -> list[Participant]:
    """Who takes part, in their order."""
    return _participants


def at_registration(action: Callable[[], object]) -> None:
    """Call `action` after each registration: by then more of the application may be imported."""
    _watchers.append(action)


def set_exit_budget(seconds: float) -> None:
    """How long the end of the process may take for all signals together, in seconds."""
    global _exit_budget
    _exit_budget = max(0.0, seconds)


def exit_budget() -> float:
    """The time that the end of the process may take, in seconds."""
    return _exit_budget


# --- Stop, flush, shut down -----------------------------------------------------------------------


def stop() -> None:
    """Tell everything of ours to finish: sleeping retries end at once. Servers with handlers of their own call it."""
    global _stopping
    renew_if_forked()
    _stopping = True
    clock.wake()


def stopping() -> bool:
    """Whether `stop()` was called."""
    return _stopping


def resume() -> None:
    """Undo `stop()` (a server that reloads; tests)."""
    global _stopping
    _stopping = False
    clock.rest()


def flush(seconds: float | None = None) -> None:
    """Let every participant hand on what it holds, within `seconds` (the exit budget unless given)."""
    renew_if_forked()
    deadline = Deadline(_exit_budget if seconds is None else seconds)
    for participant in _participants:
        contained(participant, participant.flush, deadline)


def shutdown(seconds: float | None = None) -> None:
    """Flush and close every participant within one budget. A second call waits for the first, and does nothing."""
    global _shut_down
    renew_if_forked()
    deadline = Deadline(_exit_budget if seconds is None else seconds)
    with _lock:
        first, _shut_down = not _shut_down, True
        finishing = _finishing
        if first:
            finishing.acquire(False)
    if not first:  # SIGTERM and the normal end may overlap: neither may cut the other's flush short
        if finishing.acquire(True, deadline.remaining()):
            finishing.release()
        return
    try:
        for participant in _participants:
            contained(participant, participant.shutdown, deadline)
    finally:
        finishing.release()


def contained(participant: Participant, action: Callable[..., object] | None, *arguments: object) -> None:
    """Do what a participant has to do, if it has; its failure is said in one line."""
    if action is None:
        return
    try:
        action(*arguments)
    except Exception as error:  # a participant's failure is neither the application's nor the next one's
        report(f"{participant.name}: {type(error).__name__}: {error}")


def tell(line: str) -> None:
    """`report` for a process that leaves: past `sys.stderr`, whose lock and whose buffer may be somebody else's."""
    try:
        originals.write(2, f"trax-otel: {line}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return


def report(line: str) -> None:
    """Say one line on stderr in our name; never raises (stderr may be closed)."""
    try:
        stream = sys.stderr or sys.__stderr__
        if stream is not None:
            stream.write(f"trax-otel: {line}\n")
            stream.flush()
    except (OSError, ValueError):
        return


_SAID: Final = "_TRAX_SAID"


def report_once(line: str) -> None:
    """`report`, but the same line once for a process and all that it starts: workers and children know by the environment."""
    mark = f"{zlib.crc32(line.encode('utf-8', 'replace')):08x}"
    said = os.environ.get(_SAID, "")
    if mark not in said.split(","):
        os.environ[_SAID] = f"{said},{mark}" if said else mark
        report(line)


# --- Fork -----------------------------------------------------------------------------------------


def _before_fork() -> None:
    renew_if_forked()
    for participant in reversed(_participants):
        contained(participant, participant.before_fork)


def _after_fork_in_parent() -> None:
    for participant in _participants:
        contained(participant, participant.after_fork_in_parent)


def _renew() -> None:
    global _lock, _stopping, _shut_down, _finishing
    _lock = originals.allocate_lock()
    _finishing = originals.allocate_lock()
    _stopping = False
    _shut_down = False
    for participant in _participants:
        contained(participant, participant.after_fork_in_child)


at_renewal(_renew)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent)
