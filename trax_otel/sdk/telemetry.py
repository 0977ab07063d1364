"""What `configure` returns: the set of pipelines of this process, to flush and to shut down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from .. import lifecycle, originals, semconv
from ..lifecycle import Deadline, Participant
from .requests import RequestProcessor
from .tally import undelivered

if TYPE_CHECKING:
    from .pipelines import Outlet, Pipeline
    from .resource import ProcessResource
    from .tally import Tally

_PARTICIPANT: Final = "export"
_LOOK: Final = 0.02
"""Seconds after which a leaving process looks whether its export has begun to fail."""


class Telemetry:
    """The SDK as this process runs it. `configure` makes it; without pipelines it does nothing."""

    def __init__(self, pipelines: Sequence[Pipeline] = (), resource: ProcessResource | None = None) -> None:
        self.pipelines = list(pipelines)
        self._resource = resource
        self._earlier: list[Pipeline] = []
        self._closed = False
        self._lock = originals.allocate_lock()
        self._unregister: Callable[[], None] | None = None
        self._undo: list[Callable[[], None]] = []
        self._said: str | None = None

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that are set up here: `traces`, `metrics`, `logs`."""
        return tuple(pipeline.signal for pipeline in self.pipelines)

    @property
    def service_name(self) -> str:
        """The name that the resource gives the service; empty where nothing is set up here."""
        return "" if self._resource is None else str(self._resource.attributes.get(semconv.SERVICE_NAME, ""))

    @property
    def closed(self) -> bool:
        """Whether it was shut down."""
        return self._closed

    def install(self, before: Telemetry | None = None) -> tuple[str, ...]:
        """Put the providers in OpenTelemetry's globals; returns the signals whose place was free.

        The pipelines of `before`, an earlier set-up of ours, give up their places; what is still open may end in them.
        A place that the application's own provider has is left to it, and that signal's pipeline is let go.
        """
        earlier = {pipeline.signal: pipeline.provider for pipeline in before.pipelines} if before is not None else {}
        self.pipelines = [
            pipeline
            for pipeline in self.pipelines
            if pipeline.place.install(pipeline.provider, pipeline.retire, earlier.get(pipeline.signal))
        ]
        if before is not None:
            before.hand_over(self)
        return self.signals

    def hand_over(self, successor: Telemetry) -> None:
        """Leave what is still to be delivered to `successor`."""
        with self._lock:
            self._closed = True
        for pipeline in self.pipelines:
            pipeline.retire()
        successor._earlier += [*self._earlier, *self.pipelines]
        self._undo_all()

    def start(self) -> None:
        """Begin to export what is not started by its first item."""
        for pipeline in self.pipelines:
            pipeline.start()

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver all that is queued, all signals at a time; True only if all of it was accepted in time.

        `timeout` is in seconds (default: the exit budget).
        """
        if self._closed:
            return False
        deadline = Deadline(lifecycle.exit_budget() if timeout is None else timeout)
        marks = [outlet.request_flush(deadline.remaining()) for outlet in self._outlets() if not outlet.closed]
        return sum(mark.wait(deadline.remaining()) for mark in marks) == len(marks)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Deliver all, close, and leave OpenTelemetry's globals; True where everything arrived.

        `timeout` is in seconds (default: the exit budget). What was not delivered is said in one line on stderr.
        """
        complete = self.close(Deadline(lifecycle.exit_budget() if timeout is None else timeout))
        for pipeline in self.pipelines:
            pipeline.place.remove(pipeline.provider)
        if self._unregister is not None:
            self._unregister()
        self._undo_all()
        return complete

    def _undo_all(self) -> None:
        while self._undo:
            self._undo.pop()()

    def close(self, deadline: Deadline) -> bool:
        """Deliver a last time and close, by `deadline`; True where everything arrived."""
        with self._lock:
            if self._closed:
                return True
            self._closed = True
        outlets = self._outlets()
        for outlet in outlets:
            outlet.begin_close(deadline)
        for outlet in outlets:
            outlet.finish_close(deadline)
        line = undelivered([(outlet.tally, outlet.tally.outstanding) for outlet in outlets])
        if line is not None:
            lifecycle.report(line)
        return line is None

    def pending(self) -> bool:
        """Whether this process has made anything that is not delivered. Takes no lock."""
        return not self._closed and any(outlet.pending for outlet in self._outlets())

    def deliver_pending(self, deadline: Deadline) -> list[tuple[Tally, int]]:
        """Try one delivery of what is pending, but not where the last export failed; returns what is left of each."""
        outlets = [outlet for outlet in self._outlets() if outlet.pending and not outlet.closed]
        marks = {
            outlet.tally: outlet.request_flush(deadline.remaining()) for outlet in outlets if not outlet.tally.failing
        }
        for tally, mark in marks.items():
            while not (mark.reached.wait(min(_LOOK, deadline.remaining())) or tally.failing or deadline.passed()):
                pass
        complete = {tally for tally, mark in marks.items() if mark.complete}
        return [(outlet.tally, 0 if outlet.tally in complete else outlet.pending) for outlet in outlets]

    def deliver_with_requests(self, every: float = 0.0) -> None:
        """Deliver at the end of a request from now on, where the last time is `every` seconds ago."""
        for pipeline in self.pipelines:
            if pipeline.signal == "traces":
                pipeline.provider.add_span_processor(RequestProcessor(self.deliver_pending, every))

    def leave(self, deadline: Deadline) -> None:
        """Deliver what is pending: the process is about to be gone. What is left is said in one line.

        The process may go on all the same (an exec that fails).
        """
        line = undelivered([(tally, tally.outstanding + left) for tally, left in self.deliver_pending(deadline)])
        if line is not None and line != self._said:
            self._said = line
            lifecycle.tell(line)

    def participate(self, *undo: Callable[[], None]) -> None:
        """Take part in this process's forks and end; `undo` is called at `shutdown`."""
        self._undo += undo
        self._unregister = lifecycle.register(
            Participant(
                _PARTICIPANT,
                lifecycle.ORDER_EXPORT,
                flush=lambda deadline: self.flush(deadline.remaining()),
                shutdown=self.close,
                pending=self.pending,
                leave=self.leave,
                after_fork_in_child=self._renew_after_fork,
            )
        )

    def _renew_after_fork(self) -> None:
        self._lock = originals.allocate_lock()
        if self._closed:
            return
        if self._resource is not None:
            self._resource.renew()
        for pipeline in [*self._earlier, *self.pipelines]:
            pipeline.renew_after_fork()

    def _outlets(self) -> list[Outlet]:
        return [outlet for pipeline in [*self._earlier, *self.pipelines] for outlet in pipeline.outlets]
