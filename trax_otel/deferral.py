"""The deferred start: under zero code telemetry is set up when it is first needed, not when the interpreter starts.

`begin` says how. The set-up then runs once: at the first access to one of OpenTelemetry's providers (what asks for one calls
`settle`), at the first record that would be sent, or after a second of life, on a native thread, once no thread imports
anything any more (see `importing`). Set-up and `fork` exclude each other: a child that is forked while a thread imports has
modules that can never be imported. In a program of greenlets only its own first use counts: import locks are greenlets'
there, which a native thread that imports would take part in.

Whoever sets up or forks has taken the one token. It is no lock: a signal's handler may ask too, and so may a thread that holds
a lock which the other needs. None of them waits for long.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal, TypeVar

from . import importing, lifecycle, native, originals
from .lifecycle import Participant

FIRST_SECOND: Final = 1.0
LONGEST_IMPORTS: Final = 30.0
"""Seconds after which a thread that still imports is taken for a service that runs inside an import."""
LONGEST_TURN: Final = 1.0
"""Seconds for which a first use waits for imports of other threads; one that is inside an import itself does not."""
LONGEST_FORK: Final = 1.0
"""Seconds for which a set-up, or another fork, waits for a fork."""
_AGAIN: Final = 0.1
_AT_THE_END: Final = "at interpreter shutdown"
"""What Python says that starts no thread any more: 3.12.0 and 3.12.1 do not as soon as the main thread is over."""
_LOOK: Final = 0.005

_State = Literal["none", "pending", "running", "done"]
Result = TypeVar("Result")

_state: _State = "none"
_set_up: Callable[[], object] | None = None
_owner = 0
"""The thread that sets up; it may have work left when everything is final."""
_token: list[bool] = [True]
_finished = native.Event()
_idle = native.Event()
_listeners: Final[list[Callable[[], object]]] = []


def begin(set_up: Callable[[], object]) -> None:
    """Set up by `set_up` when the time has come; it is called once. A second call changes nothing."""
    global _state, _set_up
    if _state != "none":
        return
    _state, _set_up = "pending", set_up
    _tell()
    lifecycle.register(
        Participant(
            "deferred start",
            lifecycle.ORDER_PRODUCERS,
            after_fork_in_child=_after_fork_in_child,
        )
    )
    for name in ("fork", "forkpty"):
        if hasattr(os, name):
            setattr(os, name, _not_during_set_up(getattr(os, name)))
    atexit.register(_at_exit)  # before lifecycle's own
    if sys.orig_argv:  # else a host in C may fork while that thread waits for the interpreter, which hangs the child
        native.start_thread(_settle_in_time)


def on_change(listener: Callable[[], object]) -> None:
    """Call `listener` whenever `pending` may have changed."""
    _listeners.append(listener)


def _tell() -> None:
    for listener in _listeners:
        listener()


def pending() -> bool:
    """Whether telemetry will be set up and is not yet."""
    return _state in ("pending", "running")


def settle(*, asked: bool = True) -> None:
    """Set up now, unless that was done; a set-up of another thread is waited for. One that fails is one line, unless nobody
    `asked` and it is the interpreter's end that it met.

    Nothing may be set up yet when this returns: where the set-up itself asks, or one that is under way does not move.
    """
    global _state, _owner
    if not pending():
        return
    me = originals.get_ident()
    if _owner == me:
        return
    if not _take_token():
        if _owner:
            importing.wait_for(_owner, _finished)
        return
    try:
        if _state == "pending":
            _state, _owner = "running", me
            _run(asked)
    finally:
        _token.append(True)


def _run(asked: bool) -> None:
    global _owner
    try:
        with importing.alone(0.0 if importing.imports() else LONGEST_TURN), _late_registrations():
            if _set_up is not None:
                _set_up()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the service comes first; a module of its own that we import may raise SystemExit
        if asked or _AT_THE_END not in str(error):
            lifecycle.report(f"telemetry could not be started: {type(error).__name__}: {error}")
    finally:
        finish()
        _owner = 0
        _idle.set()


def _take_token() -> bool:
    """Whether the token was to be had; a fork that has it is waited for, a set-up is not."""
    end = originals.monotonic() + LONGEST_FORK
    while True:
        try:
            return _token.pop()
        except IndexError:
            if _owner or originals.monotonic() > end:
                return False
        originals.sleep(_LOOK)


@contextmanager
def _late_registrations() -> Iterator[None]:
    """Let modules be imported that act at the end, where the main thread ends and others, or the set-up itself, go on.

    `threading` refuses what comes so late (concurrent.futures then cannot be imported); `atexit` comes later still. Pools that
    are closed for good at that end are open meanwhile: the SDK looks for resources on one. An end that comes during the
    set-up waits for it first.
    """
    import threading

    names: Any = vars(threading)
    original = names["_register_atexit"]
    pools = sys.modules.get("concurrent.futures.thread")
    closed = getattr(pools, "_shutdown", False)

    def register(*action: Any, **keywords: Any) -> None:
        try:
            original(*action, **keywords)
            original(wait_while_running)  # what is registered last acts first
        except RuntimeError:
            atexit.register(*action, **keywords)

    with suppress(RuntimeError):
        original(wait_while_running)
    names["_register_atexit"] = register
    if closed:
        vars(pools)["_shutdown"] = False
    try:
        yield
    finally:
        names["_register_atexit"] = original
        if closed:
            vars(pools)["_shutdown"] = True


def finish() -> None:
    """Nothing is awaited any more: it was set up, by whatever way."""
    global _state
    if _state == "none":
        return
    _state = "done"
    _tell()
    _finished.set()


def wait_while_running() -> None:
    """Return when no other thread sets up, or when that takes too long."""
    if _owner not in {0, originals.get_ident()}:
        importing.wait_for(_owner, _idle)


# --- After the first second ---------------------------------------------------------------------------------------------


def _settle_in_time() -> None:
    end = originals.monotonic() + LONGEST_IMPORTS
    originals.sleep(FIRST_SECOND)
    while pending() and not native.patched():
        with importing.alone() as free:
            if free or originals.monotonic() > end:
                settle(asked=False)
                return
        originals.sleep(_AGAIN)


# --- Fork and end -------------------------------------------------------------------------------------------------------


def _not_during_set_up(original: Callable[[], Result]) -> Callable[[], Result]:
    """A way to fork that waits for another thread's set-up, and keeps one from beginning.

    This is no hook of `os.register_at_fork`: those of modules that are imported later run first, and hold locks (logging's)
    that the set-up needs.
    """

    @functools.wraps(original)
    def fork() -> Result:
        if _state != "pending" and _owner == 0:
            return original()
        parent = originals.getpid()
        wait_while_running()
        taken = _take_token()
        if not taken:  # a set-up began in between, and no other can
            wait_while_running()
        try:
            return original()
        finally:
            if taken and originals.getpid() == parent:
                _token.append(True)

    return fork


def _after_fork_in_child() -> None:
    global _token, _finished, _idle, _state, _owner
    importing.reset_after_fork()
    _finished, _idle = native.Event(), native.Event()
    if _owner not in {0, originals.get_ident()}:
        # Its thread is not here, and what it was importing can never be imported: better no telemetry than a hang.
        _state, _owner = "done", 0
        _tell()
        lifecycle.report("forked while telemetry was being set up: this process runs without it")
    if _owner == 0:
        _token = [True]
    if _state == "done":
        _finished.set()
    elif _state == "pending":
        native.start_thread(_settle_in_time)


def _at_exit() -> None:
    """A process that made nothing in its first second sets nothing up at its end; a set-up under way is completed."""
    global _state
    wait_while_running()
    if not _take_token():  # a set-up began in between
        wait_while_running()
    if _state == "pending":
        _state = "done"
    _tell()
