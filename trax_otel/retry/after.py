"""The wait that a peer asks for: Retry-After in seconds or as a date, from an error or from a response."""

from __future__ import annotations

from typing import Any, Final

from ..errors import TraxError
from ..errors.classification import judge
from ..errors.verdict import header, retry_after

DEPTH: Final = 5
"""How many wrapped errors are looked at."""


def wait_asked_by_error(error: BaseException) -> float | None:
    """Seconds, from the error or from what it wraps; None where nobody asks for a wait."""
    inner: BaseException | None = error
    for _ in range(DEPTH):
        if inner is None:
            return None
        wait = inner.retry_after if isinstance(inner, TraxError) else judge(inner).retry_after
        if wait is not None:
            return wait
        inner = inner.original_error if isinstance(inner, TraxError) else None
    return None


def wait_asked_by_result(result: Any) -> float | None:
    """Seconds, from a response's `headers`; None where it has none, or is no response."""
    try:
        return retry_after(header(getattr(result, "headers", None), "retry-after"))
    except Exception:  # a result whose attributes raise
        return None
