"""Users' own functions, contained: what they raise is logged once and changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors.awaiting import refuse_awaitable
from ..signals.stacktrace import exc_info

if TYPE_CHECKING:
    from .base import Callback
    from .details import RetryDetails

_logger = logging.getLogger(__name__)
_reported: set[str] = set()


def asks(test: Callable[[Any], bool], about: Any) -> bool:
    """Whether a predicate holds; one that raises, or has to be awaited, does not: the caller's error is the one that
    matters, not that of the question."""
    try:
        return bool(refuse_awaitable(test, test(about)))
    except Exception as failure:
        _report(test, failure)
        return False


def tell(callback: Callback, details: RetryDetails) -> None:
    """Call a callback."""
    try:
        refuse_awaitable(callback, callback(details))
    except Exception as failure:
        _report(callback, failure)


def _report(callback: Callable[..., object], failure: Exception) -> None:
    """Log it once: by the callback's name, for a lambda may be a new object in each call."""
    function = callback if hasattr(callback, "__qualname__") else type(callback)
    name = f"{function.__module__}.{function.__qualname__}"
    if name not in _reported:
        _reported.add(name)
        _logger.error(
            "retry: the callback %s raised, which changes nothing: %s", name, failure, exc_info=exc_info(failure)
        )
