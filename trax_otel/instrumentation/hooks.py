"""Uncaught exceptions become errors with codes: of the main thread, threads, child processes, asyncio, and unraisable ones.

Each hook tells and then calls the one that was there before, so what the service prints stays as it was.
"""

from __future__ import annotations

import atexit
import sys
import threading
from functools import partial, wraps
from typing import Any, Final, Literal

from .. import semconv
from .imports import when_imported

Source = Literal["main", "thread", "process", "asyncio", "unraisable"]
_MARK: Final = "__trax_hooked__"


def install_hooks() -> None:
    """Install all hooks; doing it twice changes nothing."""
    if not hasattr(sys.excepthook, _MARK):
        sys.excepthook = _marked(_main_hook(sys.excepthook))
    if not hasattr(threading.excepthook, _MARK):
        threading.excepthook = _marked(_thread_hook(threading.excepthook))
    if not hasattr(sys.unraisablehook, _MARK):
        sys.unraisablehook = _marked(_unraisable_hook(sys.unraisablehook))
    atexit.register(_report_behind_our_back)
    for module in ("asyncio.base_events", "uvloop"):
        when_imported(module, partial(_hook_loops, module))
    when_imported("multiprocessing.util", _hook_children)


def report_uncaught(error: BaseException | None, source: Source, thread: str = "") -> None:
    """Count an uncaught error and send a log record; never raises. What is no `Exception`, nor a group that holds one, is none.

    Where it was told before, the record says so, and it counts once.
    """
    if error is None or not (isinstance(error, Exception) or hasattr(error, "exceptions")):
        return
    try:
        from ..errors import error_facts
        from ..errors.control_flow import leaves
        from ..signals.events import count_error, emit_record, exception_attributes, is_told, mark_told
        from ..signals.stacktrace import describe

        if not any(isinstance(leaf, Exception) for leaf in leaves(error)):
            return
        facts = error_facts(error)
        attributes: dict[str, Any] = {semconv.ERROR_HANDLED_BY: source}
        if thread:
            attributes[semconv.THREAD_NAME] = thread
        attributes.update(exception_attributes(error, facts))
        count_error(error, facts)
        if is_told(error):
            attributes[semconv.ERROR_RECORDED] = True
        body = f"uncaught in {source}{f' {thread}' if thread else ''}: {describe(error)}"
        emit_record(semconv.EXCEPTION_EVENT, attributes, "FATAL" if source == "main" else "ERROR", body)
        mark_told(error, facts)
    except Exception:  # the exception that is being reported matters more than ours
        return


def _report_behind_our_back() -> None:
    """Where the application put an excepthook of its own in place of ours, the interpreter still knows what ended it."""
    if not hasattr(sys.excepthook, _MARK):
        report_uncaught(getattr(sys, "last_value", None), "main")


def _marked(hook: Any) -> Any:
    setattr(hook, _MARK, True)
    return hook


def _main_hook(before: Any) -> Any:
    def excepthook(kind: Any, error: Any, traceback: Any) -> None:
        report_uncaught(error, "main")
        before(kind, error, traceback)

    return excepthook


def _thread_hook(before: Any) -> Any:
    def excepthook(arguments: Any) -> None:
        thread = getattr(arguments, "thread", None)
        report_uncaught(arguments.exc_value, "thread", getattr(thread, "name", "") or "")
        before(arguments)

    return excepthook


def _hook_children() -> None:
    """multiprocessing prints what ends a child, and calls no hook; it tidies up while the exception is on its way."""
    module: Any = sys.modules["multiprocessing.util"]
    before = getattr(module, "_exit_function", None)
    if before is None or hasattr(before, _MARK):
        return

    @wraps(before)
    def exit_function(*arguments: Any, **options: Any) -> Any:
        report_uncaught(sys.exc_info()[1], "process")
        return before(*arguments, **options)

    module._exit_function = _marked(exit_function)


def _is_of_a_fork(traceback: Any) -> bool:
    """Whether it was raised by gevent's own hook after a fork: it asserts that no thread it did not start was there."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = getattr(traceback, "tb_frame", None)
    return frame is not None and frame.f_globals.get("__name__") == "gevent.threading"


def _unraisable_hook(before: Any) -> Any:
    def unraisablehook(arguments: Any) -> None:
        if not _is_of_a_fork(arguments.exc_traceback):
            report_uncaught(arguments.exc_value, "unraisable")
        before(arguments)

    return unraisablehook


def _hook_loops(name: str) -> None:
    """asyncio's loop logs what a task left behind, which makes a log record; a handler of the application's may not."""
    module = sys.modules[name]
    loop_type = getattr(module, "BaseEventLoop", None) or getattr(module, "Loop", None)
    before = getattr(loop_type, "call_exception_handler", None)
    if loop_type is None or before is None or hasattr(before, _MARK):
        return

    def call_exception_handler(self: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if _has_own_handler(self):
            report_uncaught(error, "asyncio")
        before(self, context)
        if isinstance(error, Exception):
            from ..signals import is_told

            if not is_told(error):  # the line that asyncio's own handler logs does not leave
                report_uncaught(error, "asyncio")

    try:
        loop_type.call_exception_handler = _marked(call_exception_handler)
    except TypeError:  # a loop written in C
        return


def _has_own_handler(loop: Any) -> bool:
    getter = getattr(loop, "get_exception_handler", None)
    return getter is not None and getter() is not None
