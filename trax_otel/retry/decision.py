"""What follows an attempt that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .details import StopReason

BACKOFF: Final = "backoff"
RETRY_AFTER: Final = "retry_after"


class Decision:
    """What follows an attempt that failed: a wait, or the end with its reason."""

    __slots__ = ("delay", "detail", "reason", "source")

    reason: StopReason | None

    def __init__(self, delay: float, source: str = BACKOFF, reason: StopReason | None = None, detail: str = "") -> None:
        self.delay = delay
        self.source = source
        self.reason = reason
        self.detail = detail


AT_ONCE: Final = Decision(0.0)
NONE_LEFT: Final = Decision(0.0, reason="attempts")
NOT_RETRYABLE: Final = Decision(0.0, reason="not_retryable")
STOPPED: Final = Decision(0.0, reason="stopped")
REJECTED: Final = Decision(0.0, reason="rejected")
CANCELLED: Final = Decision(0.0, reason="cancelled")
