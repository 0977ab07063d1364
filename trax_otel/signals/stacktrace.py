"""Exceptions as text: like the `traceback` module's, without its carets and its price (measured: a twentieth)."""

from __future__ import annotations

import linecache
from types import FrameType, TracebackType
from typing import Any, Final

from .frames import of_application, of_wrapper, outward

MAX_FRAMES: Final = 100
"""Frames kept for each exception of a chain; the middle of a longer stack is left out and counted."""
MAX_CHAIN: Final = 10
"""Exceptions of a chain that are written."""
MAX_LENGTH: Final = 32_768
"""Characters kept of the whole text."""

MAX_CALLERS: Final = 30
"""Calling frames that are told where an error was recorded inside a wrapper."""

_Place = tuple[FrameType, int]
_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"


def format_exception(error: BaseException) -> str:
    """The traceback of `error` and of what caused it, the innermost frame last. Never raises, never unbounded."""
    try:
        text = "".join(_chain(error))
    except Exception:  # an exception whose own attributes raise
        text = describe(error)
    return text if len(text) <= MAX_LENGTH else f"…{text[-MAX_LENGTH:]}"


def message_of(error: BaseException) -> str:
    """`str(error)`, or what can be said where that raises."""
    try:
        return str(error)
    except Exception as failure:
        return f"<{type(error).__name__}: its __str__ raised {type(failure).__name__}>"


def describe(error: BaseException) -> str:
    """One line: type and message."""
    return line_of(type(error), message_of(error))


def line_of(kind: type, message: str) -> str:
    """One line: an exception's type and its message."""
    at_home = kind.__module__ in {"builtins", "__main__"}
    name = kind.__qualname__ if at_home else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name}: {message}" if message else name


def exc_info(error: BaseException | None) -> Any:
    """What `logging` takes as `exc_info`: an error by itself is overlooked there where it is falsy."""
    return None if error is None else (type(error), error, error.__traceback__)


def _chain(error: BaseException) -> list[str]:
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < MAX_CHAIN:
        seen.add(id(current))
        own = _one(current)
        cause, context = current.__cause__, current.__context__
        if cause is not None:
            parts[:0] = [_CAUSE, *own]
            current = cause
        elif context is not None and not current.__suppress_context__:
            parts[:0] = [_CONTEXT, *own]
            current = context
        else:
            parts[:0] = own
            current = None
    if parts and parts[0] in {_CAUSE, _CONTEXT}:  # the chain was cut or runs in a circle
        parts[0] = "…\n"
    return parts


def _one(error: BaseException) -> list[str]:
    if isinstance(error, SyntaxError) or hasattr(error, "exceptions"):
        import traceback  # rare, and only it draws groups and syntax errors

        return traceback.format_exception(type(error), error, error.__traceback__, chain=False, limit=MAX_FRAMES)
    lines: list[str] = []
    if error.__traceback__ is not None:
        lines.append("Traceback (most recent call last):\n")
        lines += _frames(error.__traceback__)
    lines.append(f"{describe(error)}\n")
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        lines += [f"{note}\n" for note in notes[:20]]
    return lines


def _frames(traceback: TracebackType) -> list[str]:
    places = _places(traceback)
    if len(places) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        left_out = len(places) - MAX_FRAMES
        return [*map(_line, places[:half]), f"  … {left_out} frames left out …\n", *map(_line, places[-half:])]
    return [_line(place) for place in places]


def _places(traceback: TracebackType) -> list[_Place]:
    """Frame and line, innermost last, without those of wrappers at the inner end.

    What was recorded inside a library or a wrapper has none of the application's frames: then those that called it are told
    too, if the application is among them.
    """
    places: list[_Place] = []
    entry: TracebackType | None = traceback
    while entry is not None:
        places.append((entry.tb_frame, entry.tb_lineno))
        entry = entry.tb_next
    kept = len(places)
    while kept and of_wrapper(places[kept - 1][0].f_code.co_filename):
        kept -= 1
    told = places[:kept]
    outer = 0
    while outer < len(places) and of_wrapper(places[outer][0].f_code.co_filename):
        outer += 1
    if not any(_of_application(frame) for frame, _ in told):
        caller = places[max(0, outer - 1)][0].f_back
        callers = [one for one in outward(caller) if not of_wrapper(one.f_code.co_filename)][:MAX_CALLERS]
        if not told or any(map(_of_application, callers)):
            told = [*((one, one.f_lineno) for one in reversed(callers)), *places[outer:kept]]
    return told or places


def _of_application(frame: FrameType) -> bool:
    return of_application(frame.f_code.co_filename)


def _line(place: _Place) -> str:
    frame, line = place
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)  # Python 3.10 has the bare name only
    filename = code.co_filename
    if filename not in linecache.cache:
        linecache.lazycache(filename, frame.f_globals)
    source = linecache.getline(filename, line).strip()
    head = f'  File "{filename}", line {line}, in {name}\n'
    return f"{head}    {source}\n" if source else head
