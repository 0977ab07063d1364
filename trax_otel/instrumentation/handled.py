"""Exceptions that a framework turns into an answer before any span sees them: told on the request's span.

What the application raises on purpose to answer with a status (falcon's HTTPError) is an answer and not told.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any, Final

from opentelemetry.trace import get_current_span

from .imports import when_imported

_FALCON: Final = "opentelemetry.instrumentation.falcon"
_ANSWERS: Final = frozenset({"HTTPError", "HTTPStatus"})


def tell_handled_exceptions(name: str) -> None:
    """Prepare for the instrumentor of this name, before it is loaded."""
    if name == "falcon":
        when_imported(_FALCON, _watch_falcon)


def _watch_falcon() -> None:
    kind = getattr(sys.modules[_FALCON], "_InstrumentedFalconAPI", None)
    handle = getattr(kind, "_handle_exception", None)
    if kind is None or handle is None or hasattr(handle, "__wrapped__"):
        return

    @wraps(handle)
    def _handle_exception(self: Any, *args: Any) -> Any:
        error = sys.exc_info()[1]
        handled = handle(self, *args)
        if isinstance(error, Exception) and not _is_answer(error) and _answered_with_failure(args):
            get_current_span().record_exception(error)
        return handled

    kind._handle_exception = _handle_exception


def _is_answer(error: Exception) -> bool:
    return any(base.__name__ in _ANSWERS and base.__module__.startswith("falcon") for base in type(error).__mro__)


def _answered_with_failure(args: tuple[Any, ...]) -> bool:
    """Whether falcon's handler, or the application's own for this exception, answered with a 5xx."""
    return any(str(getattr(argument, "status", "")).startswith("5") for argument in args)
