"""Ending processes: asked to, waited for, killed, reaped; their children too where psutil is there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from ... import clock
from ...errors import InvalidConfigError
from ...retry.plan import Outcome, Plan, Sleep

POLL_SECONDS: Final = 0.02
REAP_SECONDS: Final = 2.0
"""How long a killed process may take to be gone."""


class Handle(Protocol):
    """A process."""

    def alive(self) -> bool:
        """Whether it still runs; one that has ended is reaped by this."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


class Started:
    """A `subprocess.Popen` or a process of asyncio's, which was started here."""

    def __init__(self, process: Any) -> None:
        self.pid: int = process.pid
        self._process = process
        self.terminate = process.terminate
        self.kill = process.kill

    def alive(self) -> bool:
        poll = getattr(self._process, "poll", None)
        return (self._process.returncode if poll is None else poll()) is None


class Child:
    """A process of psutil's: somebody else reaps it, so a zombie counts as gone."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.terminate = process.terminate
        self.kill = process.kill

    def alive(self) -> bool:
        import psutil

        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


class Pid:
    """A process of which only the number is known. Without psutil a number that was given to another process meanwhile is
    not told apart."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def alive(self) -> bool:
        try:
            if os.waitpid(self._pid, os.WNOHANG) != (0, 0):
                return False
        except ChildProcessError:  # not ours to reap
            pass
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return True

    def terminate(self) -> None:
        os.kill(self._pid, signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self._pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def check_process(process: Any) -> None:
    """Raises InvalidConfigError for what is neither a process nor the number of one (1 and one's own are refused)."""
    number = getattr(process, "pid", process)
    if isinstance(number, bool) or not isinstance(number, int) or number <= 1 or number == os.getpid():
        raise InvalidConfigError(
            f"process={process!r}: a subprocess.Popen, a process of asyncio's or psutil's, or the number of a process is needed"
        )


def end_process(process: Any, grace: float) -> Plan:
    """Terminate the process and its children, wait up to `grace` seconds, kill what is left, and reap."""
    handles = _family(process)
    _signal(handles, "terminate")
    waited = yield from _wait(handles, grace)
    _signal(handles, "kill")
    reaped = yield from _wait(handles, REAP_SECONDS)
    interruption = reaped.error if waited.error is None else waited.error
    if interruption is None and any(handle.alive() for handle in handles):
        number = getattr(process, "pid", process)
        return Outcome(None, RuntimeError(f"process {number} or a child of it still runs after SIGKILL"))
    return Outcome(None, interruption)


def _wait(handles: list[Handle], seconds: float) -> Plan:
    end = clock.current().monotonic() + seconds
    while any(handle.alive() for handle in handles) and clock.current().monotonic() < end:
        outcome = yield Sleep(POLL_SECONDS)
        if outcome.error is not None or not outcome.value:  # cancelled, or told to stop: no time is left to be kind
            return outcome
    return Outcome()


def _signal(handles: list[Handle], method: str) -> None:
    for handle in handles:
        with _gone_is_well():
            if handle.alive():
                getattr(handle, method)()


@contextmanager
def _gone_is_well() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return
    except Exception as error:
        if type(error).__name__ != "NoSuchProcess":  # psutil's, without importing it
            raise


def _family(process: Any) -> list[Handle]:
    """The process, and after it its children: a parent that is told first starts no new ones in their place."""
    number: int = getattr(process, "pid", process)
    handle: Handle
    if hasattr(process, "poll") or hasattr(process, "returncode"):
        handle = Started(process)
    elif hasattr(process, "is_running"):
        handle = Child(process)
    else:
        handle = Pid(number)
    try:
        import psutil

        children = psutil.Process(number).children(recursive=True)
    except Exception:  # no psutil, or no such process any more
        children = []
    return [handle, *map(Child, children)]
