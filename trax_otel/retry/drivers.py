"""Run a plan: one driver for synchronous callers, one for asynchronous ones.

A driver works outside any `except` block, sends every outcome into the plan, closes the plan in `finally` and keeps no
reference to an error that it raises: the caller sees the error as if nothing had stood between, and no reference cycle
keeps its frames alive.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Protocol

from .. import clock
from ..errors.awaiting import has_to_be_awaited, not_awaited, watched
from .limit import limited
from .plan import Call, Effect, Outcome, Plan, Sleep

POLL_SECONDS: Final = 0.05
"""How often a sleep looks at the caller's own stop event."""


class Pausable(Protocol):
    """What a plan has made current or imposed, which can be lifted while the plan pauses."""

    def suspend(self) -> None:
        """Lift it."""
        ...

    def resume(self) -> None:
        """Undo `suspend`."""
        ...


def run(plan: Plan) -> Any:
    """Run the plan to its end in this thread: its value, or its error raised.

    Raises TypeError where a function hands back an awaitable, which nobody here could await.
    """
    outcome = _run(plan)
    try:
        if outcome.error is None:
            return outcome.value
        raise outcome.error
    finally:
        del outcome


async def run_async(plan: Plan) -> Any:
    """Run the plan to its end in this task. What a function returns is awaited where it is awaitable."""
    outcome = await _run_async(plan)
    try:
        if outcome.error is None:
            return outcome.value
        raise outcome.error
    finally:
        del outcome


def run_or_hand_back(plan: Plan, pausable: Pausable) -> Any:
    """`run` for a function that may hand back an awaitable, which is the call then: so does this, and the plan goes on where
    that is awaited. In between nothing of it is in force."""
    outcome, handed = _run_until_awaitable(plan)
    try:
        if outcome is not None:
            if outcome.error is None:
                return outcome.value
            raise outcome.error
    finally:
        del outcome
    pausable.suspend()
    try:
        return watched(handed, partial(_go_on, plan, pausable))
    except BaseException:
        pausable.resume()
        plan.close()
        raise


async def _go_on(plan: Plan, pausable: Pausable, value: Any) -> Any:
    pausable.resume()
    outcome = await _run_async(plan, Call(lambda: value))
    try:
        if outcome.error is None:
            return outcome.value
        raise outcome.error
    finally:
        del outcome


def _run(plan: Plan) -> Outcome:
    try:
        effect = next(plan)
        while True:
            effect = plan.send(perform_call(effect) if type(effect) is Call else sleep(effect))  # type: ignore[arg-type]
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # a local of this frame would hold the error that holds it
    finally:
        plan.close()


def _run_until_awaitable(plan: Plan) -> tuple[Outcome | None, Any]:
    """The outcome of the whole; or None with the awaitable that a call handed back, and the plan waits for what that comes
    to."""
    unfinished = False
    outcome: Outcome | None
    try:
        effect = next(plan)
        while True:
            if type(effect) is Call:
                outcome = perform_call(effect, refuses=False)
                if has_to_be_awaited(outcome.value):
                    unfinished = True
                    return None, outcome.value
            else:
                outcome = sleep(effect)  # type: ignore[arg-type]
            effect = plan.send(outcome)
    except StopIteration as done:
        outcome = None  # its frames lead here
        return done.value, None
    finally:
        if not unfinished:
            plan.close()


async def _run_async(plan: Plan, effect: Effect | None = None) -> Outcome:
    """Run it from the beginning, or from an effect that it waits for."""
    try:
        if effect is None:
            effect = next(plan)
        while True:
            effect = plan.send(await (_await_call(effect) if isinstance(effect, Call) else sleep_async(effect)))
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        plan.close()


# --- Effects --------------------------------------------------------------------------------------


def perform_call(effect: Call, *, refuses: bool = True) -> Outcome:
    """Call the function here and now; an awaitable that it hands back is refused, unless the caller takes it."""
    try:
        value = effect.function()
    except BaseException as error:  # whatever it is, the plan decides; its traceback begins in the user's function
        return Outcome(None, error.with_traceback(error.__traceback__.tb_next))  # type: ignore[union-attr]
    if refuses and has_to_be_awaited(value):
        return Outcome(None, not_awaited(effect.function, value))
    return Outcome(value)


async def _await_call(effect: Call) -> Outcome:
    try:
        value = effect.function()
        if has_to_be_awaited(value):
            value = await (value if effect.timeout is None else limited(value, effect.timeout))
    except BaseException as error:
        return Outcome(None, without_frame(error))
    return Outcome(value)


def sleep(effect: Sleep) -> Outcome:
    """Sleep in this thread."""
    if effect.stop is None:
        return Outcome(clock.current().sleep(effect.seconds))
    left = effect.seconds
    while not effect.stop():
        if left <= 0:
            return Outcome(True)
        if not clock.current().sleep(min(left, POLL_SECONDS)):
            break
        left -= POLL_SECONDS
    return Outcome(False)


async def sleep_async(effect: Sleep) -> Outcome:
    """Sleep in this task. A cancellation is an outcome like others: the plan ends what it has begun, then it goes on."""
    try:
        if effect.stop is None:
            return Outcome(await clock.current().sleep_async(effect.seconds))
        left = effect.seconds
        while not effect.stop():
            if left <= 0:
                return Outcome(True)
            if not await clock.current().sleep_async(min(left, POLL_SECONDS)):
                break
            left -= POLL_SECONDS
    except BaseException as error:
        return Outcome(None, without_frame(error))
    return Outcome(False)


def without_frame(error: BaseException) -> BaseException:
    """The error without the frame that caught it: its traceback begins where the user's function does."""
    trace = error.__traceback__
    return error.with_traceback(None if trace is None else trace.tb_next)
