"""The deferred start: under zero code telemetry is set up when it is first needed, not when the interpreter starts.

`begin` says how. The set-up then runs once: at the first access to one of OpenTelemetry's providers (the entry points behind
`OTEL_PYTHON_*_PROVIDER` call `settle`), at the first record that would be sent, or after a second of life, on a native
thread, once the main thread imports nothing any more. Set-up and `fork` exclude each other: a child that is forked while a
thread imports has modules that can never be imported. In a program of greenlets only its own first use counts: import locks
are greenlets' there, which a native thread that imports would take part in.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable
from typing import Final, Literal, TypeVar

from . import lifecycle, native, originals
from .lifecycle import Participant

VARIABLES: Final = ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER", "OTEL_PYTHON_LOGGER_PROVIDER")
PROVIDER: Final = "trax"
"""The name of our entry points, and the value of those variables where the user sets none."""
FIRST_SECOND: Final = 1.0
LONGEST_IMPORTS: Final = 30.0
"""Seconds after which a main thread that still imports is taken for a service that runs inside an import."""
_AGAIN: Final = 0.1
_PATIENCE: Final = 10.0
_IMPORT_SYSTEM: Final = "<frozen importlib._bootstrap>"

_State = Literal["none", "pending", "running", "done"]
Result = TypeVar("Result")

_state: _State = "none"
_set_up: Callable[[], object] | None = None
_owner = 0
"""The thread that sets up; it may have work left when everything is final."""
_guard = originals.allocate_lock()
_finished = native.Event()
_idle = native.Event()
_main_thread = 0
_listeners: Final[list[Callable[[], object]]] = []


def begin(set_up: Callable[[], object]) -> None:
    """Set up by `set_up` when the time has come; it is called once. A second call changes nothing."""
    global _state, _set_up, _main_thread
    if _state != "none":
        return
    _state, _set_up, _main_thread = "pending", set_up, originals.get_ident()
    _tell()
    for variable in VARIABLES:
        os.environ.setdefault(variable, PROVIDER)
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


def settle() -> None:
    """Set up now, unless that was done; a set-up of another thread is waited for. One that fails is one line."""
    global _state, _owner
    if not pending():
        return
    me = originals.get_ident()
    with _guard:
        mine = _state == "pending"
        if mine:
            _state, _owner = "running", me
    if not mine:
        if _owner != me:  # else it is the set-up itself that asks
            _finished.wait(_PATIENCE)
        return
    try:
        if _set_up is not None:
            _set_up()
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # the service comes first; a module of its own that we import may even raise SystemExit
        if not _ends():  # else nothing can be started any more, and nothing was made
            lifecycle.report(f"telemetry could not be started: {type(error).__name__}: {error}")
    finally:
        finish()
        _owner = 0
        _idle.set()


def _ends() -> bool:
    """Whether the interpreter ends: its main thread is over."""
    threading = sys.modules.get("threading")
    return threading is not None and not threading.main_thread().is_alive()


def finish() -> None:
    """Nothing is awaited any more: it was set up, by whatever way."""
    global _state
    if _state == "none":
        return
    for variable in VARIABLES:
        if os.environ.get(variable) == PROVIDER:
            del os.environ[variable]
    _state = "done"
    _tell()
    _finished.set()


def wait_while_running() -> None:
    """Return when no other thread sets up."""
    if _owner not in {0, originals.get_ident()}:
        _idle.wait(_PATIENCE)


# --- After the first second ---------------------------------------------------------------------------------------------


def _settle_in_time() -> None:
    end = originals.monotonic() + LONGEST_IMPORTS
    originals.sleep(FIRST_SECOND)
    while _imports(_main_thread) and originals.monotonic() < end:
        originals.sleep(_AGAIN)
    if not native.patched() and not _ends():
        settle()


def _imports(thread: int) -> bool:
    """Whether a thread is at work for an import, or patches the program (which looks the same, see `patching`)."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False


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
        guard, parent = _guard, originals.getpid()
        wait_while_running()
        guard.acquire()
        if _owner not in {0, originals.get_ident()}:  # it began in between, and no other can
            guard.release()
            wait_while_running()
            guard.acquire()
        try:
            return original()
        finally:
            if originals.getpid() == parent:
                guard.release()

    return fork


def _after_fork_in_child() -> None:
    global _guard, _finished, _idle, _main_thread, _state, _owner
    _guard = originals.allocate_lock()
    _finished, _idle = native.Event(), native.Event()
    if _owner not in {0, originals.get_ident()}:
        # Its thread is not here, and what it was importing can never be imported: better no telemetry than a hang.
        _state, _owner = "done", 0
        _tell()
        lifecycle.report("forked while telemetry was being set up: this process runs without it")
    if _state == "done":
        _finished.set()
    elif _state == "pending":
        _main_thread = originals.get_ident()
        native.start_thread(_settle_in_time)


def _at_exit() -> None:
    """A process that made nothing in its first second sets nothing up at its end; a set-up under way is completed."""
    global _state
    wait_while_running()
    with _guard:
        if _state == "pending":
            _state = "done"
    _tell()
