"""Libraries that nobody's instrumentor covers, and that are hooked here once they are imported."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

from .imports import when_imported

DISABLED_VARIABLE: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""OpenTelemetry's own list, separated by commas; `*` names them all."""


def adopt(name: str, module: str, hook: Callable[[], object]) -> None:
    """Call `hook` when `module` is imported, unless `name` is disabled.

    A version of the library that the hook does not fit is left alone, with one line that says so.
    """
    if not is_disabled(name):
        when_imported(module, partial(_hook_contained, name, hook))


def is_disabled(name: str) -> bool:
    """Whether the user disabled the instrumentation of that name."""
    names = {part.strip() for part in os.environ.get(DISABLED_VARIABLE, "").split(",")}
    return name in names or "*" in names


def _hook_contained(name: str, hook: Callable[[], object]) -> None:
    try:
        hook()
    except Exception as error:  # a library of another release
        from .refusals import say

        say(name, f"instrumentation of {name} does not fit this version: {type(error).__name__}: {error}")


def hide_frame(error: BaseException) -> None:
    """Take the calling frame, the outermost, out of an exception that is about to be raised again (3.10 puts it back)."""
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
