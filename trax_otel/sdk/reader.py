"""The periodic metric reader: collects and delivers on a thread of its own, once more at the end, anew after a fork."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricReader

from .. import clock, lifecycle, native
from ..lifecycle import Deadline
from .batch import CLOSE_MARGIN, FlushMark
from .delivery import Effort
from .encode import metric_items

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

    from .delivery import Delivers
    from .encode import MetricItem


class PeriodicReader(MetricReader):
    """Collects every `interval` seconds; one collection and its delivery may take `timeout` seconds."""

    def __init__(
        self,
        delivery: Delivers[MetricItem],
        interval: float,
        timeout: float,
        *,
        temporality: dict[type, Any] | None = None,
        aggregation: dict[type, Any] | None = None,
    ) -> None:
        super().__init__(preferred_temporality=temporality, preferred_aggregation=aggregation)
        self._delivery = delivery
        self.tally = delivery.tally
        self._interval = interval
        self._timeout = timeout
        self._closed = False
        self.fresh = False
        """Whether something was measured since the last collection."""
        self._renew()

    def _renew(self) -> None:
        self._wake = native.Event()
        self._finished = native.Event()
        if self._closed:
            self._finished.set()
        self._effort = Effort(self._timeout)
        self._requests: list[FlushMark] = []
        self._lost = 0
        self._collected = False
        self._warming = False
        self._in_hand = 0
        self._working = False

    def warm_up(self) -> None:
        """Collect once on the calling thread, and throw it away, so that what callbacks import is imported.

        A fork while the collecting thread imports would leave the child with a module that can never be imported.
        """
        self._warming = True
        try:
            self.collect()
        except Exception as error:
            self.tally.last_failure = f"collection of metrics: {type(error).__name__}: {error}"
        finally:
            self._warming = False

    def start(self) -> None:
        """Begin to collect; the provider must know this reader by now."""
        if not (self._closed or self._working):
            self.fresh = False  # what was measured so far are the zeros of our own counters
            # It stays so where the interpreter ends: the final collection happens on the thread that closes.
            self._working = native.start_background(self._work, self.start)

    def reset_after_fork(self) -> None:
        """A forked child collects by itself; whoever calls has zeroed the instruments' state."""
        self._renew()
        self._delivery.forget()
        self.start()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Collect and deliver now; True only if all points were accepted in time."""
        return self.flush(max(0.0, timeout_millis / 1000))

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._closed

    @property
    def pending(self) -> int:
        """At least 1 where a last collection is worth making: something was measured since, or is on its way."""
        return max(int(self.fresh), self._in_hand)

    def flush(self, seconds: float) -> bool:
        """Collect and deliver now; True only if all points were accepted within `seconds`."""
        return self.request_flush(seconds).wait(seconds)

    def request_flush(self, seconds: float) -> FlushMark:
        """Begin a collection, so that several signals can be flushed at a time; wait on the mark."""
        mark = FlushMark()
        if self._closed:
            mark.reached.set()
            return mark
        self._requests.append(mark)
        self._effort.hurry()
        self._wake.set()
        if not self._working:
            self._serve()
        return mark

    def begin_close(self, deadline: Deadline) -> None:
        """Collect and deliver a last time by `deadline`. Returns at once."""
        if self._closed:
            return
        self._closed = True
        self._effort.close(Deadline(max(0.0, deadline.remaining() - CLOSE_MARGIN)))
        self._wake.set()

    def finish_close(self, deadline: Deadline) -> None:
        """Wait for the last collection until `deadline`."""
        if not self._working and not self._finished.is_set():
            self._serve()
            self._finished.set()
        if self._finished.wait(deadline.remaining()):
            self._delivery.close()
        else:
            self.tally.dropped(max(1, self._in_hand), "budget")

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Close within the exit budget."""
        deadline = Deadline(min(timeout_millis / 1000, lifecycle.exit_budget()))
        self.begin_close(deadline)
        self.finish_close(deadline)

    def _work(self) -> None:
        while not self._closed:
            clock.current().tick(self._interval, self._wake)
            self._wake.clear()
            self._serve()
        if not self._collected:
            self._serve()
        self._finished.set()

    def _serve(self) -> None:
        """Collect and deliver once, for everybody who asked before."""
        requests, self._requests = self._requests, []
        self._collected = self._closed
        before = self._lost
        collected = self._collect_once()
        for request in requests:
            request.complete = collected and self._lost == before
            request.reached.set()

    def _collect_once(self) -> bool:
        self._effort.begin()
        self.fresh = False
        try:
            self.collect(timeout_millis=max(1.0, self._effort.remaining() * 1000))
        except Exception as error:  # a callback that took too long, or a failing one: the next collection tries again
            self.tally.last_failure = f"collection of metrics: {type(error).__name__}: {error}"
            return False
        return True

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        if self._warming:
            return
        items = metric_items(metrics_data)
        self._in_hand = sum(len(item.metric.data.data_points) for item in items)
        if items:
            lost = self._delivery.deliver(items, self._effort)
            self._lost += lost
            self.tally.outstanding = lost  # cumulative points of a later collection stand in for earlier ones
        self._in_hand = 0
