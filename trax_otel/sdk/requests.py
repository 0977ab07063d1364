"""For processes in which no background thread can be relied on: what a request made leaves on the request's own thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind

from .. import clock
from ..lifecycle import LEAVING_SECONDS, Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

_REQUESTS: Final = (SpanKind.SERVER, SpanKind.CONSUMER)


class RequestProcessor(SpanProcessor):
    """Delivers when a request or message has been handled: a SERVER or CONSUMER span with no parent in this process.

    `every` is the least time between two deliveries, in seconds.
    """

    def __init__(self, deliver: Callable[[Deadline], object], every: float = 0.0) -> None:
        self._deliver = deliver
        self._every = every
        self._next = 0.0

    def on_end(self, span: ReadableSpan) -> None:
        """Deliver everything that is pending, this span included: it is to be added after the queues."""
        if span.kind not in _REQUESTS or (span.parent is not None and not span.parent.is_remote):
            return
        now = clock.current().monotonic()
        if now >= self._next:
            self._next = now + self._every
            self._deliver(Deadline(LEAVING_SECONDS))

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True
