"""The ends that Python tells of: the interpreter's normal end, and SIGTERM where nobody handles it.

Whatever acts here takes the originals of threads, time and signals: an application may have replaced them by ones that
switch to another greenlet, and it may never switch back.
"""

from __future__ import annotations

import atexit
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .. import native, originals
from .participants import exit_budget, flush, shutdown, stop
from .process import at_renewal

if TYPE_CHECKING:
    from types import FrameType

_DEFAULT: Final = 0
"""`SIG_DFL` of C and of Python."""

HASTE_SECONDS: Final = 0.5

_ending = False
_hastened = False


def take_sigterm() -> bool:
    """Flush before a SIGTERM ends the process, where that signal still has its default disposition.

    Returns whether the hook is in place. A handler of the application's, set before or after, is left alone.
    """
    present = originals.getsignal(originals.SIGTERM)
    if present != _DEFAULT:
        return present is _on_sigterm
    try:
        originals.set_signal(originals.SIGTERM, _on_sigterm)
    except ValueError:  # only the main thread may
        return False
    return True


def _on_sigterm(signum: int, frame: FrameType | None) -> None:
    # A handler may interrupt any lock's owner, so it takes none: all work happens on a thread that is new.
    global _ending
    if _ending:
        return
    _ending = True
    if not native.start_thread(_end_by_sigterm):  # the interpreter ends: end as we were told to
        originals.set_signal(originals.SIGTERM, _DEFAULT)
        originals.kill(originals.getpid(), originals.SIGTERM)


def _end_by_sigterm() -> None:
    # The budget holds even where a participant hangs in C: the second thread ends the process in any case.
    budget = exit_budget()
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

    ctypes.CDLL(None).signal(originals.SIGTERM, _DEFAULT)
    originals.kill(originals.getpid(), originals.SIGTERM)


def hasten() -> None:
    """Deliver every half second from now on: who is told to stop may be killed before it has ended.

    For handlers of SIGTERM that let the work in hand be finished. It takes no lock, and calling it twice changes nothing.
    """
    global _hastened
    if _hastened:
        return
    _hastened = True
    native.start_thread(_deliver_often)


def _deliver_often() -> None:
    while True:
        flush()
        originals.sleep(HASTE_SECONDS)


def _at_exit() -> None:
    interrupted = _is_interrupted()
    shutdown()
    if interrupted:
        _end_by_interrupt()
    if _ending:  # told to end while ending: the status must be that of a process killed by SIGTERM
        originals.sleep(exit_budget() + 1.0)


def _is_interrupted() -> bool:
    """Whether the main module ended by a KeyboardInterrupt that nobody caught: the process ends by SIGINT then."""
    if getattr(sys, "last_type", None) is not KeyboardInterrupt or hasattr(sys, "ps1"):
        return False
    frame = getattr(
        getattr(sys, "last_traceback", None), "tb_frame", None
    )  # the outermost: shells in Python have their own
    if frame is None:
        return False
    module, function = frame.f_globals.get("__name__"), frame.f_code.co_name
    return (module, function) in {("__main__", "<module>"), ("runpy", "_run_module_as_main")}


def _end_by_interrupt() -> None:
    """Python keeps in mind that such an exception ended it, and forgets it when source text is run after that.

    An import may do so (each namedtuple does), ours or another's. Whoever sees the status must see SIGINT: a shell's script goes
    on otherwise.
    """
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt", {})  # noqa: S102


def _renew() -> None:
    global _ending, _hastened
    _ending = _hastened = False


at_renewal(_renew)
atexit.register(_at_exit)
