"""What follows an attempt that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .details import StopReason

BACKOFF: Final = "backoff"
RETRY_AFTER: Final = "retry_after"


class Decision(NamedTuple):
    """What follows an attempt that failed: a wait, or the end with its reason."""

    delay: float
    source: str = BACKOFF
    reason: StopReason | None = None
    detail: str = ""


AT_ONCE: Final = Decision(0.0)
NONE_LEFT: Final = Decision(0.0, reason="attempts")
NOT_RETRYABLE: Final = Decision(0.0, reason="not_retryable")
STOPPED: Final = Decision(0.0, reason="stopped")
REJECTED: Final = Decision(0.0, reason="rejected")
CANCELLED: Final = Decision(0.0, reason="cancelled")
