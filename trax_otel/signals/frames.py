"""Whose code a frame is: the application's, a library's, or that of what wraps calls to observe them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry import context as otel_context

if TYPE_CHECKING:
    from opentelemetry.context import Context

_PLACE: Final = otel_context.create_key("trax-calling-place")
MAX_STEPS: Final = 200
"""Frames that are looked at on the way out."""


@lru_cache(maxsize=4096)
def of_application(filename: str) -> bool:
    """Whether a frame's file is the application's own: neither Python's, nor an installed package's, nor ours."""
    if filename.startswith("<frozen") or "/site-packages/" in filename or "/dist-packages/" in filename:
        return False
    if not filename.startswith(("<", os.sep)) and not os.path.exists(filename):  # noqa: PTH110  # Cython's
        return False
    resolved = filename if filename.startswith("<") else os.path.realpath(filename)
    if _is_own(resolved):
        return False
    return not resolved.startswith(_libraries()) and not resolved.startswith(f"{sys.base_prefix}/lib/python")


@lru_cache(maxsize=4096)
def of_wrapper(filename: str) -> bool:
    """Whether a frame's file is OpenTelemetry's, wrapt's or ours."""
    named = "/opentelemetry/" in filename or "/wrapt/" in filename
    return (named and not of_application(filename)) or _is_own(os.path.realpath(filename))


def outward(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame and those that called it, innermost first; out of SQLAlchemy's greenlet too, to the coroutine that awaits it."""
    crossed = False
    for _ in range(MAX_STEPS):
        if frame is None and not crossed:
            crossed, frame = True, _awaiting()
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def calling_application(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the application from `frame` on outward; None where a library calls by itself."""
    return next((one for one in outward(frame) if of_application(one.f_code.co_filename)), None)


class Place(NamedTuple):
    """Where in the application something was asked for."""

    function: str
    file: str
    line: int


def calling_place(frame: FrameType | None) -> Place | None:
    """The application's innermost line from `frame` on outward, or the one that the current context brought along."""
    found = calling_application(frame)
    if found is None:
        brought = otel_context.get_value(_PLACE)
        return brought if isinstance(brought, Place) else None
    code = found.f_code
    name = getattr(code, "co_qualname", code.co_name)  # Python 3.10 has the bare name only
    return Place(f"{found.f_globals.get('__name__', '')}.{name}", code.co_filename, found.f_lineno)


def with_place(context: Context, place: Place | None) -> Context:
    """The context with a place in it, for what goes on in a thread that none of the application's frames is in."""
    return context if place is None else otel_context.set_value(_PLACE, place, context)


def _awaiting() -> FrameType | None:
    """The frame that waits for the current greenlet, where SQLAlchemy made that for synchronous code below asyncio."""
    library = sys.modules.get("greenlet")
    current = None if library is None else library.getcurrent()
    if current is None or not type(current).__module__.startswith("sqlalchemy"):
        return None
    waiting: FrameType | None = getattr(current.parent, "gr_frame", None)
    return waiting


def _is_own(path: str) -> bool:
    """Whether a file is this package's; the examples that come with it are applications."""
    return path.startswith(_own()) and not path.startswith(f"{_own()}examples/")


@lru_cache(maxsize=1)
def _own() -> str:
    """The package's folder; asking the file system is dear, so not at import."""
    return os.path.realpath(__file__).rpartition("/signals/")[0] + "/"


@lru_cache(maxsize=1)
def _libraries() -> tuple[str, ...]:
    """The folders of installed code, each with its slash."""
    import sysconfig

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({f"{path}/" for name, path in sysconfig.get_paths().items() if name in names})
