"""Libraries and servers whose processes end in ways of their own, each hooked once it is imported.

Nothing is imported here. `hook_programs` looks for what is there by now: it is called when a room registers, after a
fork, and, with zero code, at each of these imports.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from ..native import hold_background, release_background
from .ending import hasten
from .leaving import leave
from .participants import Participant, at_registration, report, shutdown, stop
from .process import at_renewal, renew_if_forked


def hook_programs() -> None:
    """Hook what is imported and not hooked yet."""
    for name in list(_waiting):
        module = sys.modules.get(name)
        if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
            hook_program(name)


def hook_program(name: str) -> None:
    """Hook a module that is imported, unless it is hooked."""
    hook = _waiting.pop(name, None)
    if hook is not None:
        hook(sys.modules[name])


def when_starved(action: Callable[[], object]) -> None:
    """Call `action` once it is known that this process gives background threads no turn; at once where it is."""
    _when_starved.append(action)
    if _starved:
        action()


_when_starved: Final[list[Callable[[], object]]] = []
_starved = False


def _finalize_children(util: Any) -> None:
    """Children of multiprocessing and billiard leave by `os._exit`; before it they run their finalizers."""
    util.register_after_fork(Participant, lambda _: util.Finalize(None, shutdown, exitpriority=-100))


def _leave_before_notice(pool: Any) -> None:
    """billiard's workers give notice of their end, for which the parent kills them, and only then leave."""
    original = pool.Worker._do_exit

    @functools.wraps(original)
    def _do_exit(self: Any, *args: Any, **kwargs: Any) -> None:
        leave()
        original(self, *args, **kwargs)

    pool.Worker._do_exit = _do_exit


def _hasten_at(kind: str, handler: str) -> Callable[[Any], None]:
    """A server that stops lets requests be finished; whoever told it to stop kills it where that takes too long."""

    def hook(module: Any) -> None:
        owner = getattr(module, kind)
        original = owner.__dict__.get(handler)
        if original is None:
            return

        @functools.wraps(original)
        def handle(self: Any, *args: Any, **kwargs: Any) -> Any:
            hasten()
            return original(self, *args, **kwargs)

        setattr(owner, handler, handle)

    return hook


def _end_with_server(module: Any) -> None:
    """uvicorn raises the signal that ended it once more, after it has put back what handled that signal before.

    Where that was the default, as in gunicorn's UvicornWorker, the process ends there and then.
    """
    _hasten_at("Server", "handle_exit")(module)
    original: Callable[[Any], AbstractContextManager[None]] | None = getattr(module.Server, "capture_signals", None)
    if original is None:  # before 0.29 nothing was raised again
        return

    @functools.wraps(original)
    @contextmanager
    def capture_signals(self: Any) -> Iterator[None]:
        import signal

        fatal = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        with original(self):
            yield
            if fatal and signal.SIGTERM in getattr(self, "_captured_signals", ()):
                stop()
                shutdown()

    module.Server.capture_signals = capture_signals


def _serve_in_uwsgi(uwsgi: Any) -> None:
    """uWSGI forks in C and runs no hook of Python's but one of its own; without threads it gives none a turn.

    As a module of Python (pyuwsgi) it always gives them turns.
    """
    global _starved
    before = getattr(uwsgi, "post_fork_hook", None)

    if not uwsgi.worker_id():  # it will fork, with threads or without
        hold_background()

    def post_fork_hook() -> None:
        renew_if_forked()
        release_background()  # where the only process is the master too, there was no fork
        if before is not None:
            before()

    uwsgi.post_fork_hook = post_fork_hook
    if "pyuwsgi" in sys.modules or {"enable-threads", "threads"} & set(getattr(uwsgi, "opt", ())):
        return
    _starved = True
    if uwsgi.worker_id() <= 1:  # in all others it would be said again
        report("uWSGI without --enable-threads: telemetry leaves during requests and at the end of a worker only")
    for action in _when_starved:
        action()


_waiting: Final[dict[str, Callable[[Any], None]]] = {
    "multiprocessing.util": _finalize_children,
    "billiard.util": _finalize_children,
    "billiard.pool": _leave_before_notice,
    "uvicorn.server": _end_with_server,
    "gunicorn.workers.base": _hasten_at("Worker", "handle_exit"),
    "gunicorn.workers.gthread": _hasten_at("ThreadWorker", "handle_exit"),
    "gunicorn.workers.gasgi": _hasten_at("ASGIWorker", "handle_exit_signal"),
    "uwsgi": _serve_in_uwsgi,
}

HOOKED_MODULES: Final = tuple(_waiting)
"""The modules whose import `hook_programs` waits for."""

at_registration(hook_programs)
at_renewal(hook_programs)
