"""Whose code a frame is: the application's, a library's, or that of what wraps calls to observe them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType
from typing import Final

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
    if resolved.startswith(_own()):
        return False
    return not resolved.startswith(_libraries()) and not resolved.startswith(f"{sys.base_prefix}/lib/python")


@lru_cache(maxsize=4096)
def of_wrapper(filename: str) -> bool:
    """Whether a frame's file is OpenTelemetry's, wrapt's or ours."""
    named = "/opentelemetry/" in filename or "/wrapt/" in filename
    return (named and not of_application(filename)) or os.path.realpath(filename).startswith(_own())


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


def _awaiting() -> FrameType | None:
    """The frame that waits for the current greenlet, where SQLAlchemy made that for synchronous code below asyncio."""
    library = sys.modules.get("greenlet")
    current = None if library is None else library.getcurrent()
    if current is None or not type(current).__module__.startswith("sqlalchemy"):
        return None
    waiting: FrameType | None = getattr(current.parent, "gr_frame", None)
    return waiting


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
