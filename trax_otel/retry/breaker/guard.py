"""`CircuitBreaker`: what users hold."""

from __future__ import annotations

import itertools
import logging
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ... import clock
from ...config import UNSET, Unset
from ...errors import InvalidConfigError, NetworkError
from ...errors.awaiting import has_to_be_awaited, is_coroutine_function, refuse_awaitable
from ...errors.classification import _retryable, judge
from ...errors.control_flow import leaves, never_retried
from ..conditions import Condition, check_condition, test_of
from . import decorating
from .blocks import Blocks
from .errors import CircuitOpenError
from .machine import CallOutcome, Machine, State
from .permits import Permit
from .rules import Rules
from .telemetry import StateChange, calls_of, cause, introduce, say, tell, tell_rejection

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import ParamSpec, Self

    P = ParamSpec("P")

    from .machine import Transition
    from .telemetry import Calls

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Listener = Callable[[StateChange], object]

_numbers = itertools.count(1)


class CircuitBreaker:
    """Stops calling what keeps failing, and tries it again after a while. One for each dependency, shared by all callers.

    It opens after `failure_threshold` failures in a row (5, unless a rate is given), or as soon as a rate reaches its share
    (0 to 1) among the last `window_calls` calls, or among those of the last `window_seconds`, once there were
    `minimum_calls`: `failure_rate`, or `slow_call_rate` of calls that took `slow_call_seconds` or more. Open for `timeout`
    seconds, it raises CircuitOpenError instead of calling. The first call after that makes it half-open: `half_open_calls`
    probes are let through, it closes when all have succeeded and opens again when one fails. Each time it opens again without
    having closed, the time grows by `timeout_growth`, up to `max_timeout`. A probe that is cancelled or dropped frees its
    place; one that hangs does so after `probe_timeout` (None: `timeout`), and what it comes to later is ignored.

    `expected_exception` says which errors are the dependency's: a class, a tuple or a predicate. A class of ours matches what
    classifies as it (a builtin or requests ConnectionError is a NetworkError). None: what classification says is of the
    network or may pass. Other errors are `ignored`: they neither open nor close it, and so is the rejection of another
    breaker, for nothing was called. What is no `Exception` (a cancelled task, Ctrl-C) counts as `cancelled`. A coroutine that
    a plain function returns is the call: it counts when it has been awaited.

    Use it as a decorator of functions and coroutine functions, as `with` and `async with`, or by `call` and `acall`. Threads,
    tasks and recursion may share it: no lock is held during a call, and while it is closed none is taken before one.
    Around a retry it counts one call; inside one, each attempt. `name` is a label of metrics (None: the first decorated
    function's, else a number).

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        *,
        failure_threshold: int | Unset | None = UNSET,
        timeout: float = 60.0,
        expected_exception: Condition | None = None,
        failure_rate: float | None = None,
        slow_call_rate: float | None = None,
        slow_call_seconds: float | None = None,
        window_calls: int = 100,
        window_seconds: float | None = None,
        minimum_calls: int = 10,
        half_open_calls: int = 1,
        probe_timeout: float | None = None,
        timeout_growth: float = 1.0,
        max_timeout: float | None = None,
        name: str | None = None,
    ) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise InvalidConfigError(f"CircuitBreaker: name={name!r} is not a text")
        problem = None if expected_exception is None else check_condition(expected_exception)
        if problem:
            raise InvalidConfigError(f"CircuitBreaker: expected_exception: {problem}")
        self.rules = Rules(
            failure_threshold=failure_threshold, timeout=timeout, failure_rate=failure_rate,
            slow_call_rate=slow_call_rate, slow_call_seconds=slow_call_seconds, window_calls=window_calls,
            window_seconds=window_seconds, minimum_calls=minimum_calls, half_open_calls=half_open_calls,
            probe_timeout=probe_timeout, timeout_growth=timeout_growth, max_timeout=max_timeout,
        )  # fmt: skip
        self.number = next(_numbers)
        self.machine = Machine(self.rules, cause)
        self.machine.owner = weakref.ref(self)
        self.blocks = Blocks()
        self._name: str | None = None
        self._calls: Calls | None = None
        self._expected = expected_exception
        self._is_failure = _by_classification if expected_exception is None else test_of(expected_exception, any)
        self._listeners: tuple[Listener, ...] = ()
        self._reported: set[Any] = set()
        if name is not None:
            self.adopt(name)

    # --- Name and state ---------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name, in messages and metrics."""
        return self._name or self.adopt(f"breaker-{self.number}").name

    @property
    def calls(self) -> Calls:
        """The counts of its calls, which it shares with breakers of the same name."""
        return self._calls or self.adopt(self.name).calls

    def adopt(self, name: str) -> Self:
        """Take this name, where it has none yet."""
        if self._name is None:
            self._calls, self._name = calls_of(name), name
            introduce(self)
        return self

    @property
    def state(self) -> State:
        """`closed`, `open`, `half_open` or `isolated`. An open one becomes half-open with the first call after its time."""
        return self.machine.state

    def open(self) -> None:
        """Open it by hand, for its time; where it is open, the time begins again and does not grow."""
        self._changed(self.machine.force("open", clock.current().monotonic()))

    def close(self) -> None:
        """Close it by hand; what it has counted towards opening is forgotten."""
        self._changed(self.machine.force("closed", clock.current().monotonic()))

    def isolate(self) -> None:
        """Reject every call until `close`, `open` or `reset`."""
        self._changed(self.machine.force("isolated", clock.current().monotonic()))

    def reset(self) -> None:
        """Make it as new: `close` it, and what calls under way come to moves nothing."""
        self._changed(self.machine.force("closed", clock.current().monotonic(), anew=True))

    def on_state_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with a StateChange after every change; returns the way to end it. One that raises is logged once.

        It is called in the thread whose call made the change, and no lock is held. What several threads change at the same
        moment may be told in another order: `state` says what holds.
        """
        if not callable(listener):
            raise InvalidConfigError(f"listener={listener!r} cannot be called")
        if is_coroutine_function(listener):
            raise InvalidConfigError(f"listener={listener!r} is a coroutine function; it is called, not awaited")
        self._listeners = (*self._listeners, listener)

        def remove() -> None:
            self._listeners = tuple(known for known in self._listeners if known is not listener)

        return remove

    # --- Calls ---------------------------------------------------------------------------------------------------------

    def __call__(self, function: F) -> F:
        """Decorate a function or a coroutine function. Raises TypeError for what cannot be guarded."""
        guarded: F = decorating.decorated(self, function)
        return guarded

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function now, if the breaker lets it; raises what it raises, or CircuitOpenError."""
        permit = self.acquire()
        try:
            value: Any = function(*args, **kwargs)
        except BaseException as error:
            permit.record(error)
            raise
        if has_to_be_awaited(value):
            return decorating.handed_back(permit, value)  # type: ignore[no-any-return]
        permit.record()
        return value  # type: ignore[no-any-return]

    @overload
    async def acall(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def acall(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def acall(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`call` for what returns an awaitable."""
        permit = self.acquire()
        try:
            value = function(*args, **kwargs)
            if has_to_be_awaited(value):
                value = await value
        except BaseException as error:
            permit.record(error)
            raise
        permit.record()
        return value

    def __enter__(self) -> Permit:
        permit = self.acquire()
        self.blocks.enter(permit, sys._getframe(1))
        return permit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        permit = self.blocks.leave(sys._getframe(1))
        if permit is not None:
            permit.record(error)

    async def __aenter__(self) -> Permit:
        permit = self.acquire()
        self.blocks.enter(permit, sys._getframe(1))
        return permit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        permit = self.blocks.leave(sys._getframe(1))
        if permit is not None:
            permit.record(error)

    # --- By permits ----------------------------------------------------------------------------------------------------

    def acquire(self) -> Permit:
        """Leave for one call, to be given back by its `record`. Raises CircuitOpenError."""
        now = clock.current().monotonic()
        epoch = self.machine.closed_epoch
        if epoch:
            return Permit(self, epoch, 0, now)
        epoch, probe, change = self.machine.acquire(now)
        permit = Permit(self, epoch, probe, now) if epoch else None
        self._changed(change)
        if permit is not None:
            return permit
        error = self._rejection(now)
        self.calls.rejected()
        tell_rejection(self, error, self.machine.tripped_by)
        try:
            raise error
        finally:
            del error  # its traceback holds this frame, which would hold it

    def record(self, epoch: int, probe: int, error: BaseException | None, seconds: float) -> None:
        """Take in how an admitted call ended; what `Permit.record` and the decorators call."""
        outcome: CallOutcome = "success" if error is None else self._outcome(error)
        getattr(self.calls, outcome)()
        if outcome == "success" and not (probe or self.rules.rated or self.machine.failures):
            return  # nothing to move, so no lock either
        limit = self.rules.slow_call_seconds
        slow = limit is not None and seconds >= limit and outcome in {"success", "failure"}
        self._changed(self.machine.record(epoch, probe, outcome, slow, clock.current().monotonic()))

    def drop(self, probe: int) -> None:
        """Free the place of a call of which nothing is known; what `Permit.release` calls, by a finaliser too."""
        self.calls.cancelled()
        if probe:
            self.machine.forget(probe)

    def _outcome(self, error: BaseException) -> CallOutcome:
        if not isinstance(error, Exception):
            return "cancelled"
        if isinstance(error, CircuitOpenError):
            return "ignored"
        try:
            return "failure" if self._is_failure(error) else "ignored"
        except Exception as failure:
            self._report(self._is_failure, failure)
            return "ignored"

    def _rejection(self, now: float) -> CircuitOpenError:
        retry_after = self.machine.retry_after(now)
        when = "until it is closed by hand" if retry_after is None else f"for another {retry_after:.3g} s"
        message = f"circuit breaker {self.name!r} is {self.state.replace('_', '-')}: no call is made {when}"
        return CircuitOpenError(message, retry_after=retry_after, breaker=self.name)

    def _changed(self, change: Transition | None) -> None:
        if change is None:
            return
        told = tell(self, change)
        for listener in self._listeners:
            try:
                refuse_awaitable(listener, listener(told))
            except Exception as failure:
                self._report(listener, failure)

    def _report(self, callback: Callable[..., object], failure: Exception) -> None:
        """Log a user's callback that raised, once."""
        if id(callback) not in self._reported:
            self._reported.add(id(callback))
            name = getattr(callback, "__qualname__", repr(callback))
            say(logging.ERROR, "circuit breaker %s: %s raised, which changes nothing: %s", self.name, name, failure,
                error=failure)  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process it is the breaker of its name there, made with the same options where there is none yet;
        state, counts and listeners stay here."""
        if self._name is None:
            raise TypeError("a circuit breaker without a name cannot be sent to another process or copied: pass name=…")
        from .registry import received

        return received, (self._name, {**self.rules.given, "expected_exception": self._expected})

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self._name or 'without a name'}: {self.state}>"


def _by_classification(error: BaseException) -> bool:
    """A group is the dependency's failure as soon as one of its errors is."""
    return not never_retried(error) and any(
        issubclass(verdict.kind, NetworkError) or _retryable(verdict) for verdict in map(judge, leaves(error))
    )
