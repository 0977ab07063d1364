"""An operation: what a user names. One span, one duration, one outcome, whatever happens inside.

Timing stands on it, and so do retry and recovery. The way through success is short on purpose: what operations of one
name share is made once (`Profile`), one pair of clock readings serves span and histogram, and the number of active
operations is observed at export instead of passing through OpenTelemetry twice a call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry.trace import INVALID_SPAN

from .. import clock, config, lifecycle, semconv
from ..errors import error_facts
from ..errors.control_flow import steers
from ..signals import ErrorFacts, SpanScope, gauge, histogram, observe, record_error, start_span, tracing
from ..signals.aggregate import OVERFLOW, Observation
from .usage import MEGABYTE, Usage

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.trace import Link, Span
    from typing_extensions import Self


Outcome = Literal["success", "failure", "cancelled", "rejected"]
SUCCESS: Final = "success"
FAILURE: Final = "failure"
CANCELLED: Final = "cancelled"
REJECTED: Final = "rejected"

_logger = logging.getLogger(__name__)
_durations = histogram(semconv.OPERATION_DURATION)
_cpu_times = histogram(semconv.OPERATION_CPU)
_memory = gauge(semconv.OPERATION_MEMORY)


class Profile:
    """What all operations of one name share. `running` has one entry for each that runs now: its methods need no
    lock."""

    __slots__ = ("attributes", "labels", "record_success", "running")

    def __init__(self, name: str | None) -> None:
        self.running: list[None] = []
        self.attributes: Mapping[str, Any] | None = None if name is None else {semconv.OPERATION_NAME: name}
        self.labels: Mapping[str, Any] = self.attributes or OVERFLOW
        self.record_success = _durations.bind({**self.labels, semconv.OUTCOME: SUCCESS}).record


_profiles: dict[str, Profile] = {}
_overflow = Profile(None)  # of the names beyond the limit: their spans are named, their figures are one series


def _profile(name: str) -> Profile:
    _choose_detail()
    if len(_profiles) >= config.settings().metrics.cardinality_limit:
        return _profiles.get(name, _overflow)
    return _profiles.setdefault(name, Profile(name))


def _observe_active() -> list[Observation]:
    profiles = [*_profiles.values(), *([_overflow] if _overflow.running else [])]
    return [(len(profile.running), profile.labels) for profile in profiles]


def _forget() -> None:
    """Start anew in a forked child: the operations that run in its parent are not its own."""
    global _overflow
    _profiles.clear()
    _overflow = Profile(None)


observe(semconv.OPERATION_ACTIVE, _observe_active)
lifecycle.register(lifecycle.Participant("operations", lifecycle.ORDER_SIGNALS + 1, after_fork_in_child=_forget))


class Operation:
    """One run of a named piece of work: a `with` block, or `begin()` and `end()`.

    It makes an INTERNAL span that is current inside, and adds to `trax.operation.duration` and `.active`. An
    exception makes it a `failure`; what is no `Exception` (a cancelled task, KeyboardInterrupt, SystemExit, a closed
    generator) or what libraries steer by makes it `cancelled`, which is no error. Nothing here raises, and
    the exception goes on. One object may
    be used again after its end; it belongs to one thread or task at a time.

    `attributes` go on the span only, so their values need no bound. `links` are the span's. `resources` measures the
    whole process's CPU time and resident memory during the run (None: in debug mode, or where the settings say so).
    """

    __slots__ = (
        "_attributes", "_clock", "_epoch", "_links", "_profile", "_resources", "_scope", "_seconds", "_started", "name",
        "outcome", "usage",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        resources: bool | None = None,
    ) -> None:
        self.name = name
        self._attributes = attributes
        self._links = links
        self._resources = resources
        self._profile: Profile | None = None
        self._scope: SpanScope | None = None
        self._seconds = 0.0
        self.outcome: Outcome | None = None
        self.usage: Usage | None = None

    def begin(self) -> Self:
        """Start the span and the time. Nothing happens where it runs already."""
        if self._profile is not None:
            return self
        profile = _profiles.get(self.name) or _profile(self.name)
        self._clock = now = clock.current()
        if tracing():
            self._epoch = now.time_ns()
            self._scope = self._open(profile)
        else:
            self._scope = None
        if _detailed if self._resources is None else self._resources:
            self.usage = Usage()
        profile.running.append(None)
        self._profile = profile
        self._started = now.monotonic()
        return self

    __enter__ = begin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)

    def end(
        self, error: BaseException | None = None, outcome: Outcome | None = None, facts: ErrorFacts | None = None
    ) -> None:
        """End it as the error says, or as `outcome` says where given. Nothing happens where it has ended already."""
        profile, self._profile = self._profile, None
        if profile is None:
            return
        self._seconds = seconds = self._clock.monotonic() - self._started
        if self.usage is not None:
            self.usage.stop()
        if error is None and outcome is None:
            outcome = SUCCESS
            profile.record_success(seconds)
        else:
            outcome, error, facts = _judge(error, outcome, facts)
            _durations.record(seconds, _labels(profile, outcome, facts))
        self.outcome = outcome
        profile.running.pop()
        if self.usage is not None:
            self._report_usage(self.usage, profile)
        if self._scope is not None:
            self._scope.end(outcome, error, facts, self._epoch + int(seconds * 1e9))
        elif error is not None and facts is not None:
            record_error(error, facts, escaped=True)

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self._profile is not None

    @property
    def duration_s(self) -> float:
        """Seconds: so far while it runs, in all after its end, 0.0 before its beginning."""
        return self._seconds if self._profile is None else self._clock.monotonic() - self._started

    @property
    def started_ns(self) -> int | None:
        """When its span began, in nanoseconds since the epoch; None where it has none."""
        return None if self._scope is None else self._epoch

    @property
    def span(self) -> Span:
        """Its span; one that records nothing where no tracer provider is set or it has not begun."""
        return INVALID_SPAN if self._scope is None else self._scope.span

    def set(self, key: str, value: Any) -> None:
        """Set an attribute of the span."""
        self.span.set_attribute(key, value)

    def suspend(self) -> None:
        """Let the surrounding span be current while the work is paused (a generator between two values)."""
        if self._profile is not None and self._scope is not None:
            self._scope.suspend()

    def resume(self) -> None:
        """Undo `suspend`."""
        if self._profile is not None and self._scope is not None:
            self._scope.resume()

    def _open(self, profile: Profile) -> SpanScope:
        attributes = profile.attributes
        if attributes is None or self._attributes:
            attributes = {semconv.OPERATION_NAME: self.name, **(self._attributes or {})}
        return start_span(self.name, attributes, links=self._links, start_time=self._epoch)

    def _report_usage(self, usage: Usage, profile: Profile) -> None:
        _cpu_times.record(usage.cpu_s, profile.labels)
        _memory.set(usage.memory, profile.labels)
        self.set(semconv.OPERATION_CPU_TIME, usage.cpu_s)
        self.set(semconv.OPERATION_MEMORY_DELTA, usage.memory_delta)
        if config.debug():
            _logger.debug(
                "operation %s: %s after %.3f ms, CPU %.3f ms, memory %.1f MB (%+.1f MB)",
                self.name, self.outcome, self._seconds * 1e3, usage.cpu_s * 1e3,
                usage.memory / MEGABYTE, usage.memory_delta / MEGABYTE,
            )  # fmt: skip


def _judge(
    error: BaseException | None, outcome: Outcome | None, facts: ErrorFacts | None
) -> tuple[Outcome, BaseException | None, ErrorFacts | None]:
    """The outcome, and the error where it is one: what is no Exception only ends the work early."""
    if error is None:
        return outcome or SUCCESS, None, facts
    if not isinstance(error, Exception) or steers(type(error)):
        return outcome or CANCELLED, None, None
    return outcome or FAILURE, error, facts or error_facts(error)


def _labels(profile: Profile, outcome: Outcome, facts: ErrorFacts | None) -> dict[str, Any]:
    labels = {**profile.labels, semconv.OUTCOME: outcome}
    if facts is not None:
        labels[semconv.ERROR_TYPE] = facts.type
        labels[semconv.ERROR_CODE] = facts.code
    return labels


# --- The detail that debug mode or the settings ask for ---------------------------------------------------------------

_detailed = False


def _choose_detail(*_: object) -> None:
    global _detailed
    _detailed = config.debug() or config.settings().metrics.operation_resources


config.on_debug_change(_choose_detail)
