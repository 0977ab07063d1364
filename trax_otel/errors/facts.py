"""What telemetry says of an exception: type, code, category, retryability and fingerprint. Cheap, and never raises."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import islice
from types import FrameType, TracebackType
from typing import Final

from .. import semconv
from ..signals import ErrorFacts, causes
from ..signals.chains import MAX_JOINED
from ..signals.frames import of_application, of_wrapper
from ..signals.secrets import REDACTED, is_secret, without_secrets
from ..signals.stacktrace import message_of
from .base import MARKS, TraxError, json_safe
from .classification import _custom, _retryable, judge
from .codes import CATEGORIES, GENERIC, ErrorCode, error_code
from .control_flow import is_control_flow

FRAMES: Final = 3
"""The innermost frames of the application that a fingerprint looks at."""
MAX_STEPS: Final = 1_000
MAX_CONTEXT: Final = 16
"""Entries of an error's context that telemetry bears."""
MAX_CONTEXT_KEY: Final = 64
MAX_CONTEXT_VALUE: Final = 1_024
"""Characters of each."""
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
    said = error if isinstance(error, TraxError) else _custom(error)
    if isinstance(said, TraxError):
        registered, code, retryable, severity = said.registration, said.error_code, said.retryable, said.severity
    else:
        verdict = judge(error)
        found = error_code(verdict.kind.default_code)
        assert found is not None
        retryable = _retryable(verdict)  # what a retry does about it, whatever underneath says more of it
        registered = _most_specific(error, found)
        code, severity = registered.code, registered.severity
    rank = 0 if code in GENERIC else 2 if isinstance(said, TraxError) else 1
    name = type_name(type(error))
    return ErrorFacts(
        name, code, registered.category, retryable and not is_control_flow(type(error)),
        fingerprint(error, code, name), severity, rank, _context(said) if isinstance(said, TraxError) else None,
    )  # fmt: skip


def _most_specific(error: BaseException, found: ErrorCode) -> ErrorCode:
    """What is registered for an exception; for one that only says that something failed, for what it was raised for."""
    waiting = causes(error) if found.code in GENERIC else []
    for cause in waiting[:MAX_JOINED]:
        if isinstance(cause, TraxError):
            deeper = cause.registration
        else:
            registered = error_code(judge(cause).kind.default_code)
            deeper = found if registered is None else registered
        if deeper.code not in GENERIC:
            return deeper
        waiting += [one for one in causes(cause) if len(waiting) < MAX_JOINED]
    return found


def _context(error: TraxError) -> dict[str, str | bool | int | float]:
    """The raiser's own information as attributes: so much of it as telemetry bears, without what its names say is secret."""
    context: dict[str, str | bool | int | float] = {}
    for key, value in islice(error.context.items(), MAX_CONTEXT):
        name = str(key)[:MAX_CONTEXT_KEY]
        if isinstance(value, (bool, int, float)) and not is_secret(name) and _fits(value):
            context[f"{semconv.ERROR_CONTEXT_PREFIX}{name}"] = value
            continue
        safe = REDACTED if is_secret(name) else without_secrets(json_safe(value))
        text = safe if isinstance(safe, str) else json.dumps(safe, ensure_ascii=False)
        context[f"{semconv.ERROR_CONTEXT_PREFIX}{name}"] = text[:MAX_CONTEXT_VALUE]
    return context


def _fits(value: float) -> bool:
    return not isinstance(value, int) or value.bit_length() < 64


def type_name(kind: type) -> str:
    """The class's qualified name, as `error.type` has it; builtins stand without their module."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def fingerprint(error: BaseException, code: str, name: str) -> str:
    """Sixteen hex digits: the same for errors of one code and type from one place of the application.

    The place is the innermost frames of the application by module and function: line numbers, paths and what the standard
    library and installed packages do between them change between releases and machines and do not count. Where no frame is
    the application's, the libraries' innermost frames and the message without its values stand in.
    """
    from hashlib import blake2b

    places = _places(error, of_application) or [*_places(error, _of_library), template_of(error)]
    text = "|".join([code, name, *places])
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def template_of(error: BaseException) -> str:
    """The message without what varies in it."""
    from ..signals.templates import template  # compiles patterns, for the rare error from outside the application

    return template(message_of(error))


def _of_library(filename: str) -> bool:
    return not of_wrapper(filename)


def _places(error: BaseException, counts: Callable[[str], bool]) -> list[str]:
    """The innermost frames first; where the traceback is shorter, the frames that called it stand in."""
    frames: list[FrameType] = []
    entry: TracebackType | None = error.__traceback__
    outermost = entry.tb_frame.f_back if entry is not None else None
    while entry is not None:
        if counts(entry.tb_frame.f_code.co_filename):
            frames.append(entry.tb_frame)
            if len(frames) > FRAMES:
                del frames[0]
        entry = entry.tb_next
    places = [_place(frame) for frame in reversed(frames)]
    steps = 0
    while outermost is not None and len(places) < FRAMES and steps < MAX_STEPS:
        if counts(outermost.f_code.co_filename):
            places.append(_place(outermost))
        outermost = outermost.f_back
        steps += 1
    return places


def _place(frame: FrameType) -> str:
    module = frame.f_globals.get("__name__", "")
    if module == "__main__":
        module = os.path.basename(frame.f_code.co_filename).removesuffix(".py")  # noqa: PTH119
    return f"{module}:{frame.f_code.co_name}"
