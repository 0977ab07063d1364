"""From a batch to its end: cleaned, encoded, sent, tried again, split; every item is counted once.

* What may succeed later (nobody there, overload) is tried again with back-off, as long as the batch's `Effort` lasts.
* A request that is too large, or that holds something the endpoint calls invalid, is halved until the bad item stands
  alone: one bad record of 512 loses only itself. A bound on the requests spent so keeps a wrong endpoint from a storm.
* Partial success is read. A redirect or a refusal is no success.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from opentelemetry import context as otel_context

from .. import clock, native
from ..lifecycle import Deadline, is_leaving
from ..signals.exporting import while_exporting
from ..signals.private import without_instrumentation
from .transport import Answer

if TYPE_CHECKING:
    from .encode import Codec
    from .tally import Tally
    from .transport import Sender

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)

MAX_REQUEST: Final = 4_000_000
"""Bytes of one encoded request; larger batches are halved first. gRPC servers take 4 MiB unless told otherwise."""
SPLIT_REQUESTS: Final = 64
"""Requests that one batch may cost: a poison item among 512 needs about 20."""
LIMITED_TRIES: Final = 3
"""Tries where the endpoint failed by itself (500): the cause may be in what was sent."""
EXIT_TRIES: Final = 3
"""Tries at the end of the process where nobody listens: a collector that is not there is not worth the whole budget."""
MAX_BACKOFF: Final = 60.0
SAME_WARNING_EVERY: Final = 60.0

logger = logging.getLogger("trax_otel.sdk")


@contextmanager
def unobserved() -> Iterator[None]:
    """Nothing that happens in the block is traced or sent: it is the exporter's own work."""
    token = otel_context.attach(without_instrumentation())
    try:
        with while_exporting():
            yield
    finally:
        otel_context.detach(token)


class Effort:
    """What the delivery of one batch may cost in time; the end of the process shortens it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._batch = Deadline(seconds)
        self._closing: Deadline | None = None
        self._hurry = native.Event()
        self.given_up = False

    def begin(self) -> None:
        """A new batch begins."""
        self._batch = Deadline(self._seconds)

    def remaining(self) -> float:
        """Seconds left for this batch."""
        left = self._batch.remaining()
        return left if self._closing is None else min(left, self._closing.remaining())

    @property
    def closing(self) -> bool:
        """Whether the process ends."""
        return self._closing is not None

    def close(self, deadline: Deadline) -> None:
        """Be done by `deadline`: the process ends."""
        self._closing = deadline
        self._hurry.set()

    def hurry(self) -> None:
        """End the pause between two tries now: somebody waits for a flush."""
        self._hurry.set()

    def pause(self, seconds: float) -> None:
        """Wait between two tries."""
        if self.closing:
            clock.current().tick(min(seconds, self.remaining()), native.Event())
        elif not clock.current().tick(seconds, self._hurry) and not self.closing:
            self._hurry.clear()


class Delivers(Protocol[Item_contra]):
    """Where a queue hands its batches."""

    tally: Tally

    def deliver(self, items: Sequence[Item_contra], effort: Effort) -> int:
        """Deliver a batch; returns how many of its items are lost. Never raises."""
        ...

    def forget(self) -> None:
        """A forked child: drop connections of the parent's."""
        ...

    def close(self) -> None:
        """No batch will follow."""
        ...


class OtlpDelivery(Generic[Item]):
    """Delivers one signal to one OTLP endpoint. Used by one thread at a time."""

    def __init__(self, codec: Codec[Item], sender: Sender, tally: Tally, address: str, timeout: float) -> None:
        self._codec = codec
        self._sender = sender
        self.tally = tally
        self._address = address
        self._timeout = timeout
        self._failing = False
        self._warned: dict[str, float] = {}

    def deliver(self, items: Sequence[Item], effort: Effort) -> int:
        """Deliver a batch; returns how many of its items are lost."""
        if effort.given_up:
            return self._lose(items, "budget")
        try:
            with unobserved():
                return self._deliver([self._cleaned(item) for item in items], effort)
        except Exception as error:  # a defect of ours or of the encoder's must not end the worker
            self._warn(f"export of {self.tally.signal} failed: {type(error).__name__}: {error}")
            return self._lose(items, "unencodable")

    def forget(self) -> None:
        """A forked child: drop the parent's connection."""
        self._failing = False
        self._warned = {}
        self._sender.forget()

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def _cleaned(self, item: Item) -> Item:
        try:
            return self._codec.clean(item)
        except Exception:  # encoding will tell whether the item can be sent
            return item

    def _deliver(self, items: list[Item], effort: Effort) -> int:
        waiting, lost, requests = [items], 0, 0
        while waiting:
            part = waiting.pop()
            payload = self._encoded(part)
            splittable = len(part) > 1
            if payload is None or (splittable and len(payload) > MAX_REQUEST):
                if splittable:
                    waiting += _halves(part)
                else:
                    lost += self._lose(part, "unencodable")
                continue
            answer = self._persist(payload, effort)
            requests += 1
            if answer.verdict == "accepted":
                lost += self._accept(part, answer)
            elif answer.verdict in {"too_large", "bad"} and splittable and requests < SPLIT_REQUESTS:
                waiting += _halves(part)
            else:
                lost += self._give_up(part, answer, effort)
        return lost

    def _encoded(self, part: list[Item]) -> bytes | None:
        try:
            return self._codec.encode(part)
        except Exception as error:
            if len(part) == 1:
                self._warn(f"{self.tally.describe(1)} cannot be encoded: {type(error).__name__}: {error}")
            return None

    def _persist(self, payload: bytes, effort: Effort) -> Answer:
        """Send until it is decided or the effort is spent."""
        tries = 0
        answer = Answer("again", "no time left")
        while effort.remaining() > 0:
            answer = self._sender.send(payload, min(self._timeout, effort.remaining()))
            if answer.verdict not in {"again", "unreachable"}:
                return answer
            tries += 1
            self._failed(answer.reason, effort)
            if answer.limited and tries >= LIMITED_TRIES:
                return Answer("refused", answer.reason)
            if effort.closing and answer.verdict == "unreachable" and tries >= EXIT_TRIES:
                return answer
            delay = _backoff(tries, effort) if answer.retry_after is None else answer.retry_after
            if delay > effort.remaining():
                return answer
            effort.pause(delay)
        return answer

    def _accept(self, part: list[Item], answer: Answer) -> int:
        count = self._codec.count(part)
        try:
            rejected, message = self._codec.rejected(answer.body)
        except Exception:  # an endpoint that answers with something else, such as `{}`, took the request nevertheless
            rejected, message = 0, ""
        rejected = min(max(rejected, 0), count)
        self.tally.accepted(count - rejected)
        if self._failing:
            self._failing = False
            logger.info("%s reach %s again", self.tally.signal, self._address)
        if rejected:
            self.tally.dropped(rejected, "rejected")
            self._warn(f"{self._address} rejected {self.tally.describe(rejected)}: {message[:200]}")
        return rejected

    def _give_up(self, part: list[Item], answer: Answer, effort: Effort) -> int:
        self.tally.failing = answer.verdict not in {"bad", "too_large"}  # these are about one item
        self.tally.last_failure = f"{self._address}: {answer.reason}"
        if answer.verdict in {"again", "unreachable"}:
            effort.given_up = effort.closing
            return self._lose(part, "budget" if effort.closing else "transport")
        if not effort.closing:
            self._warn(f"{self._address} refused {self.tally.describe(self._codec.count(part))}: {answer.reason}")
        return self._lose(part, "rejected")

    def _lose(self, items: Sequence[Item], reason: Any) -> int:
        count = self._codec.count(items)
        self.tally.dropped(count, reason)
        return count

    def _failed(self, reason: str, effort: Effort) -> None:
        self.tally.failing = True
        self.tally.last_failure = f"{self._address}: {reason}"
        if not (self._failing or effort.closing or is_leaving()):  # at the end of the process one line says it all
            self._failing = True
            self._warn(f"{self.tally.signal} cannot be delivered to {self._address} ({reason}); kept and tried again")

    def _warn(self, line: str) -> None:
        """Log, but the same line at most once a minute."""
        now = clock.current().monotonic()
        if now - self._warned.get(line, -SAME_WARNING_EVERY) >= SAME_WARNING_EVERY:
            self._warned = {line: now, **dict(list(self._warned.items())[:20])}
            logger.warning("%s", line)


def _halves(part: list[Item]) -> list[list[Item]]:
    """Two halves; the one to be sent first stands last."""
    middle = len(part) // 2
    return [part[middle:], part[:middle]]


def _backoff(tries: int, effort: Effort) -> float:
    ceiling = 0.3 if effort.closing else min(MAX_BACKOFF, 0.5 * 2.0**tries)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret
