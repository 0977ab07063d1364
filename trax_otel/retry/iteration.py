"""A block that is retried: `for attempt in retrying(…): with attempt: …`.

The plan is the same as everywhere; here the loop's body is the call, and the loop asks for what comes next.
"""

from __future__ import annotations

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

    __slots__ = ("_effect", "_open", "_plan", "_policy", "_run")

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
        if self._next_is_attempt():
            return self._attempt()
        if isinstance(self._effect, Sleep):
            self._send(sleep(self._effect))
        if isinstance(self._effect, Call):
            return self._attempt()
        raise StopIteration

    async def __anext__(self) -> Attempt:
        if self._next_is_attempt():
            return self._attempt()
        if isinstance(self._effect, Sleep):
            self._send(await sleep_async(self._effect))
        if isinstance(self._effect, Call):
            return self._attempt()
        raise StopAsyncIteration

    def _next_is_attempt(self) -> bool:
        if self._open:
            self.close()
            raise RuntimeError("the loop's body has to be inside `with attempt:`")
        if self._run is None:  # the first: only now does the operation begin
            self._run = Run(self._policy, self._policy.operation())
            self._plan = self._run.plan(_the_body)
            self._effect = next(self._plan)
        return isinstance(self._effect, Call)

    def _attempt(self) -> Attempt:
        assert self._run is not None
        self._open = True
        return Attempt(self, self._run)

    def record(self, outcome: Outcome) -> bool:
        """Take the outcome of the body; True where the block will be tried again or there is no error."""
        self._open = False
        ended = self._send(outcome)
        return ended is None or ended.error is None

    def _send(self, outcome: Outcome) -> Outcome | None:
        """Go on with the plan; its outcome where that was its end. An error after a wait is raised here."""
        plan = self._plan
        if plan is None:
            return None
        try:
            self._effect = plan.send(outcome)
            return None
        except StopIteration as done:
            self._plan = self._effect = None
            ended: Outcome = done.value
        if ended.error is not None and ended.error is not outcome.error:
            try:
                raise ended.error  # told to stop while it waited
            finally:
                del ended, outcome
        return ended

    def close(self) -> None:
        """End it before its time."""
        plan, self._plan, self._effect = self._plan, None, None
        if plan is not None:
            plan.close()

    def __del__(self) -> None:
        self.close()


class Attempt:
    """One run of the body. `number` counts from 1."""

    __slots__ = ("_attempts", "_result", "_run", "number")

    def __init__(self, attempts: Attempts, run: Run) -> None:
        self._attempts = attempts
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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        again = self._attempts.record(Outcome(self._result, error))
        return again and error is not None


def _the_body() -> Any:
    raise errors.ProcessingError("the body of the loop is the call")
