"""Which exceptions are one failure, and what was noted of it, in this process and in each trace.

A database's error and the wrapper that a framework raises for it are two objects and one failure: it is counted once and told
once. Joined are an exception and its `__cause__`, what a library keeps as `orig` or `original_error`, and what was being
handled where it was raised (`__context__`). A defect in the code that handles an error is a failure of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import get_current_span

from .. import lifecycle

if TYPE_CHECKING:
    from opentelemetry.trace import Span

MAX_JOINED: Final = 10
"""Exceptions of one chain that are looked at."""
TRACES_PER_ERROR: Final = 1_000
"""Of so many traces an error object remembers what was noted."""
_ORIGINALS: Final = ("orig", "original_error")
_DEFECTS: Final = (AssertionError, AttributeError, NameError, TypeError, IndexError, UnicodeError)


def joined(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that are one failure with it, the outermost first."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(seen) < MAX_JOINED:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is one for one in seen):
            continue
        seen.append(current)
        yield current
        waiting += causes(current)
        if not isinstance(current, _DEFECTS) and not current.__suppress_context__:
            waiting.append(current.__context__)


def causes(error: BaseException) -> list[BaseException]:
    """What an exception was raised for, as it says itself: its cause, or what its library keeps as the original."""
    found: list[Any] = [error.__cause__]
    for name in _ORIGINALS:
        try:
            found.append(getattr(error, name, None))
        except Exception:  # a foreign exception whose attributes raise
            continue
    return [one for one in found if isinstance(one, BaseException)]


def noted(error: BaseException, mark: str, span: Span | None = None) -> Any:
    """What was noted on this exception object in this process and in the trace of `span` (the current one unless given).

    None where nothing was. Outside of any trace: what was noted in any.
    """
    try:
        process, traces = error.__dict__[mark]
        if process != lifecycle.process_token():
            return None
        trace = trace_of(span)
        return traces.get(trace) if trace else next(iter(traces.values()), None)
    except Exception:  # never noted, or a class whose attributes raise
        return None


def note(error: BaseException, mark: str, value: Any = True, span: Span | None = None) -> None:
    """Note it. One failure may be met by many traces (a task that many await), and each of them tells of it."""
    try:
        known = error.__dict__.get(mark)
        if known is None or known[0] != lifecycle.process_token():
            known = error.__dict__[mark] = (lifecycle.process_token(), {})
        traces: dict[int, Any] = known[1]
        traces[trace_of(span)] = value
        if len(traces) > TRACES_PER_ERROR:
            del traces[next(iter(traces))]
    except Exception:  # a class that refuses: it may be recorded twice, which loses nothing
        return


def noted_of_joined(error: BaseException, mark: str, span: Span | None = None) -> Any:
    """What was noted of the failure: of the exception itself, else of one that it is joined to."""
    return next((found for one in joined(error) if (found := noted(one, mark, span)) is not None), None)


def trace_of(span: Span | None) -> int:
    """The trace of a span (the current one unless given); 0 outside of any."""
    return (get_current_span() if span is None else span).get_span_context().trace_id
