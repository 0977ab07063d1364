"""A block that is retried: `for attempt in retrying(…): with attempt: …`.

The plan is the same as everywhere; here the loop's body is the call, and the loop asks for what comes next. A loop may be left
at any point (`break`, `return`, an error of the body's own, a generator that is closed): between attempts nothing of it is
in force, and as only the loop itself holds the plan, leaving ends it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .. import errors
from .drivers import sleep, sleep_async
from .plan import Call, Effect, Outcome, Plan, Sleep
from .policy import Policy, Run

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .details import RetryDetails


class Attempts:
    """The attempts of one retried block, one after another; waits happen between them."""

    __slots__ = ("__weakref__", "_effect", "_open", "_plan", "_policy", "_run")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._run: Run | None = None
        self._plan: Plan | None = None
        self._effect: Effect | None = None
        self._open = False

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Attempt:
        try:
            if isinstance(self._go_on(), Sleep):
                self._waited(sleep(self._effect))  # type: ignore[arg-type]
            return self._attempt(StopIteration)
        except BaseException:
            self.close()
            raise
        finally:
            self._pause()

    async def __anext__(self) -> Attempt:
        try:
            if isinstance(self._go_on(), Sleep):
                self._waited(await sleep_async(self._effect))  # type: ignore[arg-type]
            return self._attempt(StopAsyncIteration)
        except BaseException:
            self.close()
            raise
        finally:
            self._pause()

    def _go_on(self) -> Effect | None:
        """Take up the plan; what it asks for."""
        if self._open:
            raise RuntimeError("the loop's body has to be inside `with attempt:`")
        if self._run is None:  # the first: only now does the operation begin
            self._run = Run(self._policy, self._policy.operation())
            self._plan = self._run.plan(_the_body)
            self._effect = next(self._plan)
        elif self._plan is not None:
            self._run.resume()
        return self._effect

    def _attempt(self, end: type[Exception]) -> Attempt:
        if not isinstance(self._effect, Call):
            raise end
        assert self._run is not None
        self._open = True
        return Attempt(self, self._run)

    def _pause(self) -> None:
        if self._run is not None:
            self._run.suspend()

    def _waited(self, outcome: Outcome) -> None:
        """Go on after a wait. What ended the whole during it is raised: a cancellation, or the block's error where it was
        told to stop."""
        ended = self._send(outcome)
        if ended is not None and ended.error is not None:
            try:
                raise ended.error
            finally:
                del ended, outcome

    def begin(self) -> None:
        """The block begins: what the plan has made current or imposed holds inside."""
        if not self._open or self._run is None:
            raise RuntimeError("each attempt is for one `with` block, within its own round of the loop")
        self._run.resume()

    def record(self, outcome: Outcome) -> bool:
        """Take the outcome of the body; True where the block will be tried again or there is no error."""
        self._open = False
        try:
            ended = self._send(outcome)
        finally:
            self._pause()
        return ended is None or ended.error is None

    def _send(self, outcome: Outcome) -> Outcome | None:
        """Go on with the plan; its outcome where that was its end."""
        plan = self._plan
        if plan is None:
            return None
        try:
            self._effect = plan.send(outcome)
            return None
        except StopIteration as done:
            self._plan = self._effect = None
            return done.value  # type: ignore[no-any-return]

    def close(self) -> None:
        """End it before its time; being freed does the same."""
        plan, self._plan, self._effect = self._plan, None, None
        if plan is not None:
            plan.close()


class Attempt:
    """One run of the body. `number` counts from 1."""

    __slots__ = ("_attempts", "_result", "_run", "number")

    def __init__(self, attempts: Attempts, run: Run) -> None:
        self._attempts = weakref.ref(attempts)  # the variable of a loop outlives it, and must not keep it open
        self._run = run
        self._result: Any = None
        self.number = run.number

    @property
    def details(self) -> RetryDetails:
        """Where the retried block stands."""
        return self._run.details()

    def set_result(self, result: Any) -> None:
        """What `retry_on_result` is asked about."""
        self._result = result

    def __enter__(self) -> Self:
        attempts = self._attempts()
        if attempts is None:
            raise RuntimeError("the loop of this attempt has been left")
        attempts.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        attempts = self._attempts()
        if attempts is None:
            return False
        again = attempts.record(Outcome(self._result, error))
        return again and error is not None


def _the_body() -> Any:
    raise errors.ProcessingError("the body of the loop is the call")
