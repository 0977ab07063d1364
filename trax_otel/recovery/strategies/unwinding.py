"""Take back what was done, the last first, whatever fails on the way: the plan under rollback and cleanup."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from ... import semconv
from ...errors import RecoveryError
from ...retry.plan import Call, Effect, Outcome, Plan
from ...signals.stacktrace import describe, exc_info
from ..telemetry import Step

_logger = logging.getLogger(__name__)


class Action(NamedTuple):
    """Something to do on the way back: a function, or a plan where it has to wait."""

    name: str
    function: Callable[[], Any] | None = None
    plan: Callable[[], Plan] | None = None


class Unwound(NamedTuple):
    """What came of it: how many actions were carried out, and the error of each that failed, by its name."""

    done: int
    failures: tuple[tuple[str, BaseException], ...]

    def told(self) -> tuple[str, ...]:
        """The failures as texts, which keep no frames alive."""
        return tuple(f"{name}: {describe(error)}" for name, error in self.failures)


def unwind(title: str, actions: list[Action]) -> Plan:
    """Carry the actions out, the last first, each taken from the list before it begins. The outcome's value is `Unwound`.

    A failure is logged and does not hold up the others, nor does what is no `Exception` (a cancelled task, Ctrl-C): that
    becomes the outcome's error when all are done.
    """
    if not actions:
        return Outcome(Unwound(0, ()))
    step = Step(semconv.RECOVERY_CLEANUP_SPAN, {semconv.OPERATION_NAME: title})
    done = 0
    failures: list[tuple[str, BaseException]] = []
    interruption: BaseException | None = None
    try:
        while actions:
            action = actions.pop()
            outcome = yield from _carry_out(action)
            error = outcome.error
            if error is None:
                done += 1
                continue
            failures.append((action.name, error))
            if isinstance(error, Exception):
                step.record(error)
            elif interruption is None:
                interruption = error
            _logger.error(
                "%s: %s failed, the others go on: %s", title, action.name, describe(error), exc_info=exc_info(error)
            )
        step.set(semconv.RECOVERY_ROLLED_BACK, done)
        step.end("cancelled" if interruption is not None else "failed" if failures else "recovered", _first(failures))
        return Outcome(Unwound(done, tuple(failures)), interruption)
    finally:
        step.end("cancelled")
        del failures, interruption  # tracebacks lead here: no cycle may keep them alive


def _carry_out(action: Action) -> Generator[Effect, Outcome, Outcome]:
    if action.plan is None:
        assert action.function is not None
        return (yield Call(action.function))
    try:
        return (yield from action.plan())
    except Exception as error:  # a plan of ours that met something unforeseen
        return Outcome(None, error)


def _first(failures: list[tuple[str, BaseException]]) -> BaseException | None:
    return failures[0][1] if failures else None


def failed(title: str, unwound: Unwound) -> RecoveryError:
    """TRAX-007 for a strategy whose way back was not whole; `causes` are the failures."""
    causes = tuple(error for _, error in unwound.failures)
    error = RecoveryError(
        f"{title}: {len(causes)} of {unwound.done + len(causes)} actions failed: {'; '.join(unwound.told())}"
    )
    error.causes = causes
    error.__cause__ = causes[0]
    return error


def attach(error: BaseException | None, title: str, failures: tuple[str, ...]) -> None:
    """Let the error that ended a block say what of the way back failed: `cleanup_failures`, and a note for each (from
    Python 3.11 on)."""
    if error is None or not failures:
        return
    told = tuple(f"{title} failed: {failure}" for failure in failures)
    try:
        error.cleanup_failures = (*getattr(error, "cleanup_failures", ()), *told)  # type: ignore[attr-defined]
        add_note = getattr(error, "add_note", None)
        if add_note is not None:
            for line in told:
                add_note(line)
    except Exception:  # an error whose class refuses attributes
        return
