"""Threads and executors carry the context: trace, correlation id, bound fields and baggage.

Tasks of asyncio copy the context by themselves; threads, executors and greenlets start with an empty one.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .greenlets import carry_to_greenlets
from .imports import current_context, when_imported

if TYPE_CHECKING:
    from opentelemetry.context import Context

_MARK: Final = "__trax_carries__"
_CONTEXT: Final = "__trax_context__"
_OWN_THREADS: Final = ("trax-", "OtelBatch", "OtelPeriodic")
"""Threads that serve the whole process, whoever starts them."""


def carry_context() -> None:
    """Wrap how threads and executors' items begin; doing it twice changes nothing.

    Always above the place where Python itself catches what the application's function raises: so no traceback shows us.
    """
    _wrap(threading.Thread, "start", _start)
    _wrap(threading.Thread, "_bootstrap_inner", _in_context)
    when_imported("concurrent.futures.thread", _wrap_executor)
    when_imported("concurrent.futures.process", _wrap_process_pool)
    carry_to_greenlets()


def _wrap_executor() -> None:
    item = sys.modules["concurrent.futures.thread"]._WorkItem  # type: ignore[attr-defined,unused-ignore]
    _wrap(item, "__init__", _item)
    _wrap(item, "run", _in_context)


def _wrap(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    original = getattr(owner, name)
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def wrapped(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return wrapper(original, self, *args, **kwargs)

    setattr(wrapped, _MARK, True)
    setattr(owner, name, wrapped)


def _start(original: Any, thread: threading.Thread, /) -> Any:
    context = current_context()
    if context and not str(getattr(thread, "_name", "")).startswith(_OWN_THREADS):
        thread.__dict__[_CONTEXT] = context
    return original(thread)


def _item(original: Any, item: Any, /, *args: Any, **kwargs: Any) -> None:
    # An empty context is carried too: the worker's own is that of whoever happened to start it.
    item.__dict__[_CONTEXT] = current_context()
    original(item, *args, **kwargs)


def _in_context(original: Any, begun: Any, /, *args: Any, **kwargs: Any) -> Any:
    context: Context | None = begun.__dict__.pop(_CONTEXT, None)
    if context is None:
        return original(begun, *args, **kwargs)
    from opentelemetry.context import attach

    from ..signals import detach

    token = attach(context)
    try:
        return original(begun, *args, **kwargs)
    finally:
        detach(token)


# --- Other processes -------------------------------------------------------------------------------------------------


def _wrap_process_pool() -> None:
    _wrap(sys.modules["concurrent.futures.process"].ProcessPoolExecutor, "submit", _submit_to_process)


def _submit_to_process(original: Any, executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
    if not current_context():
        return original(executor, function, *args, **kwargs)
    from opentelemetry import propagate

    from ..signals import current_correlation

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    correlation = current_correlation()
    fields = {key: value for key, value in correlation.fields.items() if isinstance(value, (str, int, float, bool))}
    if not carrier and not correlation:
        return original(executor, function, *args, **kwargs)
    return original(executor, call_with, carrier, correlation.id, fields, function, *args, **kwargs)


def call_with(
    carrier: dict[str, str],
    correlation_id: str | None,
    fields: dict[str, Any],
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Call a function in another process with what a carrier brought."""
    from opentelemetry import propagate
    from opentelemetry.context import attach

    from ..signals import attach_correlation, detach

    outer = attach(propagate.extract(carrier))
    inner = attach_correlation(id=correlation_id, fields=fields)
    try:
        return function(*args, **kwargs)
    finally:
        detach(inner)
        detach(outer)
