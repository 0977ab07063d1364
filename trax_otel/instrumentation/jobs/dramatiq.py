"""dramatiq: its broker tells its middleware of each message; what travels stands in the message's options."""

from __future__ import annotations

import functools
import sys
from typing import Any, Final

from .messages import KEY, Enqueueing, Message, Processing, contained

SYSTEM: Final = "dramatiq"
_SEEN: Final = "_otel_seen"


def hook() -> None:
    """Hear what a broker tells: before all of its middleware, and after all of it. Doing it twice changes nothing."""
    broker = sys.modules["dramatiq.broker"].Broker
    before, after = broker.emit_before, broker.emit_after
    if hasattr(broker, KEY):
        return

    @functools.wraps(before)
    def emit_before(self: Any, signal: str, *args: Any, **kwargs: Any) -> Any:
        contained(SYSTEM, lambda: _hear_before(signal, *args))
        return before(self, signal, *args, **kwargs)

    @functools.wraps(after)
    def emit_after(self: Any, signal: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return after(self, signal, *args, **kwargs)
        finally:
            contained(SYSTEM, lambda: _hear_after(signal, *args, **kwargs))

    setattr(broker, KEY, True)
    broker.emit_before, broker.emit_after = emit_before, emit_after


def _hear_before(signal: str, message: Any = None, *_: Any) -> None:
    if signal == "enqueue" and KEY not in message.options:  # else it is run again, or its time has come
        enqueueing = Enqueueing(_message(message))
        enqueueing.step_aside()  # nobody tells of a broker that fails
        message.options[KEY] = enqueueing.carrier
        vars(message)[_SEEN] = enqueueing
    elif signal == "process_message":
        options = message.options
        vars(message)[_SEEN] = Processing(_message(message), options.get(KEY), 1 + int(options.get("retries") or 0))


def _hear_after(signal: str, message: Any = None, *_: Any, exception: BaseException | None = None, **__: Any) -> None:
    if signal not in {"enqueue", "process_message", "skip_message"}:
        return
    seen = vars(message).pop(_SEEN, None)
    if isinstance(seen, Enqueueing):
        seen.end()
    elif isinstance(seen, Processing):
        # Its own interrupts (a time limit) are no `Exception`, and are failures; a job that asks to be run again is none.
        again = isinstance(exception, sys.modules["dramatiq.errors"].Retry)
        seen.end(exception, failed=None if exception is None else not again)


def _message(message: Any) -> Message:
    return Message(SYSTEM, message.queue_name, message.actor_name, message.message_id)
