"""Greenlets carry the context as threads do: trace, correlation id, bound fields and baggage.

Each greenlet has context variables of its own, which begin empty. What it gets is OpenTelemetry's context alone: other
context variables (a web framework's request, say) stay as they are without us. Nothing is called in the new greenlet, so no
traceback shows us.
"""

from __future__ import annotations

import contextvars
import functools
import sys
from typing import Any

from .imports import current_context, when_imported


def carry_to_greenlets() -> None:
    """Have gevent's and eventlet's new greenlets, and gevent's pools of threads, begin in the context of who starts them."""
    when_imported("gevent.greenlet", _carry_in_gevent)
    when_imported("gevent.threadpool", _carry_to_gevent_threads)
    when_imported("eventlet.greenthread", _carry_in_eventlet)


def _copied() -> contextvars.Context | None:
    """A context with OpenTelemetry's current one in it and nothing else; None where that is empty."""
    current = current_context()
    if not current:
        return None
    from opentelemetry.context import attach

    copied = contextvars.Context()
    copied.run(attach, current)
    return copied


def _give_context(greenlet: Any) -> None:
    """Let a greenlet that has not begun begin in the caller's context, unless it has one."""
    copied = _copied()
    if copied is not None and greenlet.gr_context is None:
        greenlet.gr_context = copied


def _carry_in_gevent() -> None:
    sys.modules["gevent.greenlet"].Greenlet.add_spawn_callback(_give_context)


def _carry_to_gevent_threads() -> None:
    pool = sys.modules["gevent.threadpool"].ThreadPool
    original = pool.spawn

    @functools.wraps(original)
    def spawn(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        copied = _copied()
        return (
            original(self, func, *args, **kwargs)
            if copied is None
            else original(self, copied.run, func, *args, **kwargs)
        )

    pool.spawn = spawn


def _carry_in_eventlet() -> None:
    module: Any = sys.modules["eventlet.greenthread"]
    thread, begin, spawn_raw = module.GreenThread, module.GreenThread.__init__, module.spawn_n

    @functools.wraps(begin)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        _give_context(self)

    @functools.wraps(spawn_raw)
    def spawn_n(func: Any, *args: Any, **kwargs: Any) -> Any:
        greenlet = spawn_raw(func, *args, **kwargs)
        _give_context(greenlet)
        return greenlet

    thread.__init__ = init
    module.spawn_n = spawn_n
