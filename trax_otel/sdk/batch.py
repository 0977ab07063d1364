"""Queues between the application and export: bounded, batched by size and time, honest when flushed, safe to fork."""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import get_current_span

from .. import clock, lifecycle, native, originals
from ..lifecycle import Deadline
from ..signals import roots
from .delivery import Effort
from .limit import is_left_out

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from .delivery import Delivers
    from .environment import Batching

Item = TypeVar("Item")

CLOSE_MARGIN: Final = 0.1
"""Seconds of the exit budget kept back: the worker ends by itself shortly before nobody waits for it any more."""


class FlushMark:
    """Stands behind all that was there when somebody asked for a flush."""

    def __init__(self, lost: int = 0) -> None:
        self.lost_before = lost
        self.reached = native.Event()
        self.complete = False

    def wait(self, seconds: float) -> bool:
        """Whether all that stood before the mark was accepted within `seconds`."""
        return native.wait(self.reached, seconds) and self.complete


class BatchQueue(Generic[Item]):
    """A bounded queue with one native worker thread, which starts with the first item."""

    def __init__(self, delivery: Delivers[Item], settings: Batching) -> None:
        self._delivery = delivery
        self._settings = settings
        self.tally = delivery.tally
        self._closed = False
        self._renew()

    def _renew(self) -> None:
        self._queue: deque[Item | FlushMark] = deque()
        self._start_lock = originals.allocate_lock()  # a native start switches to no other greenlet
        self._wake = native.Event()
        self._finished = native.Event()
        self._effort = Effort(self._settings.patience)
        self._working = False
        self._in_hand = 0
        self._lost = 0

    def put(self, item: Item) -> None:
        """Queue an item; never waits. A full queue drops it and counts it."""
        lifecycle.renew_if_forked()
        waiting = len(self._queue)
        if waiting >= self._settings.max_queue or self._closed:
            self.tally.dropped(1, "budget" if self._closed else "queue_full")
            return
        self._queue.append(item)
        if not self._working:
            self._start()
        if waiting + 1 >= self._settings.max_batch and not self._wake.is_set():
            self._wake.set()

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._closed

    @property
    def pending(self) -> int:
        """How many items are queued or on their way."""
        return sum(not isinstance(item, FlushMark) for item in tuple(self._queue)) + self._in_hand

    def flush(self, seconds: float) -> bool:
        """Deliver what is queued; True only if all of it was accepted within `seconds`."""
        return self.request_flush(seconds).wait(seconds)

    def request_flush(self, seconds: float) -> FlushMark:
        """Begin to deliver what is queued, so that several signals can be flushed at a time; wait on the mark."""
        mark = FlushMark(self._lost)
        if self._closed:
            mark.reached.set()
            return mark
        self._queue.append(mark)
        self._start()
        self._effort.hurry()
        self._wake.set()
        if not self._working:  # no thread can be started any more: the interpreter ends
            self._effort.close(Deadline(seconds))
            self._deliver_all()
        return mark

    def begin_close(self, deadline: Deadline) -> None:
        """Take nothing more, and deliver what is queued by `deadline`. Returns at once."""
        if self._closed:
            return
        self._closed = True
        self._effort.close(Deadline(max(0.0, deadline.remaining() - CLOSE_MARGIN)))
        if not self._queue and not self._in_hand:
            self._finished.set()
        else:
            self._start()
        self._wake.set()

    def finish_close(self, deadline: Deadline) -> None:
        """Wait for the worker until `deadline`; what is left then counts as lost."""
        if not self._working and not self._finished.is_set():
            self._deliver_all()
            self._finished.set()
        if self._finished.wait(deadline.remaining()):
            self._delivery.close()
            return
        self.tally.dropped(self.pending, "budget")

    def reset_after_fork(self) -> None:
        """A forked child begins empty: what was queued before is the parent's to deliver."""
        self._renew()
        self._delivery.forget()

    def _start(self) -> None:
        with self._start_lock:
            if not self._working:  # it stays so where the interpreter ends: whoever flushes or closes does the work
                self._working = native.start_background(self._work, self._start)

    def _work(self) -> None:
        while not self._closed:
            clock.current().tick(self._settings.delay, self._wake)
            self._wake.clear()
            self._deliver_all()
        self._deliver_all()
        self._finished.set()

    def _deliver_all(self) -> None:
        batch: list[Item] = []
        while self._queue:
            self._in_hand = len(batch) + 1  # before it is taken: at no moment is it nowhere
            item = self._queue.popleft()
            if isinstance(item, FlushMark):
                self._in_hand = len(batch)
                self._deliver(batch)
                batch = []
                item.complete = self._lost == item.lost_before
                item.reached.set()
                continue
            batch.append(item)
            if len(batch) >= self._settings.max_batch:
                self._deliver(batch)
                batch = []
        self._deliver(batch)

    def _deliver(self, batch: list[Item]) -> None:
        if batch:
            self._effort.begin()
            self._lost += self._delivery.deliver(batch, self._effort)
        self._in_hand = 0


class BatchSpanProcessor(SpanProcessor):
    """Queues sampled spans when they end."""

    def __init__(self, queue: BatchQueue[ReadableSpan]) -> None:
        self.queue = queue

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span."""
        if span.context is not None and span.context.trace_flags.sampled and not is_left_out(span):
            self.queue.put(span)

    def shutdown(self) -> None:
        """Deliver and close within the exit budget."""
        _close(self.queue)

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Deliver what is queued; True only if all of it arrived in time."""
        return self.queue.flush(_seconds(timeout_millis))


class BatchLogProcessor(LogRecordProcessor):
    """Queues log records as they are emitted."""

    def __init__(self, queue: BatchQueue[ReadableLogRecord], resource: Resource) -> None:
        self.queue = queue
        self._resource = resource

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a copy without the context, which may hold much alive."""
        record = copy.copy(log_record.log_record)
        if record.span_id:
            roots.refer_to(get_current_span(record.context))
        record.context = Context()
        self.queue.put(
            ReadableLogRecord(
                log_record=record,
                resource=log_record.resource or self._resource,
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Deliver and close within the exit budget."""
        _close(self.queue)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Deliver what is queued; True only if all of it arrived in time."""
        return self.queue.flush(_seconds(timeout_millis))


def _close(queue: BatchQueue[Item]) -> None:
    deadline = Deadline(lifecycle.exit_budget())
    queue.begin_close(deadline)
    queue.finish_close(deadline)


def _seconds(timeout_millis: float | None) -> float:
    return 30.0 if timeout_millis is None else max(0.0, timeout_millis / 1000)
