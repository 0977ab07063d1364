"""What telemetry says of an exception: type, code, category, retryability and fingerprint. Cheap, and never raises."""

from __future__ import annotations

import os
from types import FrameType, TracebackType
from typing import Final

from ..signals import ErrorFacts
from ..signals.frames import of_application
from .base import MARKS, TraxError
from .classification import _custom, _retryable, judge
from .codes import CATEGORIES, error_code
from .control_flow import is_control_flow

FRAMES: Final = 3
"""The innermost frames of the application that a fingerprint looks at."""
MAX_STEPS: Final = 1_000
_CACHE: Final = f"{MARKS}facts__"


def error_facts(error: BaseException) -> ErrorFacts:
    """The facts of an exception; made once for each exception object."""
    try:
        cached = error.__dict__.get(_CACHE)
        if cached is not None:
            return cached  # type: ignore[no-any-return]
        facts = _facts(error)
        error.__dict__[_CACHE] = facts
        return facts
    except Exception:  # an exception whose attributes raise, or that has no `__dict__`
        return ErrorFacts(type_name(type(error)), TraxError.default_code, CATEGORIES[4], retryable=False)


def _facts(error: BaseException) -> ErrorFacts:
    if isinstance(error, TraxError):
        trax, code, retryable = error, error.error_code, error.retryable
        registered = trax.registration
    else:
        custom = _custom(error)
        if isinstance(custom, TraxError):
            registered, code, retryable = custom.registration, custom.error_code, custom.retryable
        else:
            verdict = judge(error)
            found = error_code(verdict.kind.default_code)
            assert found is not None
            registered, code, retryable = found, found.code, _retryable(verdict)
    name = type_name(type(error))
    return ErrorFacts(
        name, code, registered.category, retryable and not is_control_flow(type(error)),
        fingerprint(error, code, name), registered.severity,
    )  # fmt: skip


def type_name(kind: type) -> str:
    """The class's qualified name, as `error.type` has it; builtins stand without their module."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def fingerprint(error: BaseException, code: str, name: str) -> str:
    """Sixteen hex digits: the same for errors of one code and type from one place of the application.

    The place is the innermost frames of the application by module and function: line numbers, paths and what the standard
    library and installed packages do between them change between releases and machines and do not count.
    """
    from hashlib import blake2b

    text = "|".join([code, name, *_places(error)])
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _places(error: BaseException) -> list[str]:
    """The innermost frames first; where the traceback is shorter, the frames that called it stand in."""
    frames: list[FrameType] = []
    entry: TracebackType | None = error.__traceback__
    outermost = entry.tb_frame.f_back if entry is not None else None
    while entry is not None:
        if of_application(entry.tb_frame.f_code.co_filename):
            frames.append(entry.tb_frame)
            if len(frames) > FRAMES:
                del frames[0]
        entry = entry.tb_next
    places = [_place(frame) for frame in reversed(frames)]
    steps = 0
    while outermost is not None and len(places) < FRAMES and steps < MAX_STEPS:
        if of_application(outermost.f_code.co_filename):
            places.append(_place(outermost))
        outermost = outermost.f_back
        steps += 1
    return places


def _place(frame: FrameType) -> str:
    module = frame.f_globals.get("__name__", "")
    if module == "__main__":
        module = os.path.basename(frame.f_code.co_filename).removesuffix(".py")  # noqa: PTH119
    return f"{module}:{frame.f_code.co_name}"
