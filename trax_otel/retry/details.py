"""What callbacks, statistics and notes know of a retried call."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from ..config import Section
from ..signals.stacktrace import describe

StopReason = Literal[
    "attempts", "not_retryable", "deadline", "budget", "retry_after", "rejected", "stopped", "cancelled"
]  # fmt: skip
_NOTE: Final = "trax_otel: "
_NOTES: Final[bool] = hasattr(BaseException, "add_note")
_REASONS: Final[dict[str, str]] = {
    "attempts": "no attempt is left",
    "not_retryable": "the error is not retryable",
    "deadline": "the next wait would pass the deadline",
    "budget": "the shared budget of repeats is used up",
    "retry_after": "the peer asked for a longer wait than is allowed",
    "rejected": "a circuit breaker rejected the call",
    "stopped": "it was told to stop",
    "cancelled": "it was cancelled",
}


class FailedAttempt(NamedTuple):
    """One attempt that failed: its number from 1, what it failed with, and the wait after it in seconds (None: the last)."""

    number: int
    failure: str
    delay: float | None


class RetryDetails(Section):
    """Where a retried call stands. `elapsed` and delays are seconds; `attempt` counts from 1.

    `error` is what the attempt failed with, `result` what it returned, `delay` the wait that comes next, `reason` why no
    further attempt is made (`StopReason`), `delays` the waits so far.
    """

    name: str
    attempt: int
    elapsed: float
    error: BaseException | None = None
    result: Any = None
    delay: float | None = None
    reason: StopReason | None = None
    delays: tuple[float, ...] = ()

    @property
    def slept(self) -> float:
        """All waits together, in seconds."""
        return sum(self.delays)


Failure = tuple["BaseException | None", Any, "float | None"]
"""What an attempt failed with (an error, or else a result that was refused), and the wait after it."""


def _history(failures: list[Failure]) -> tuple[FailedAttempt, ...]:
    return tuple(
        FailedAttempt(number, f"returned {type(result).__name__}" if error is None else describe(error), delay)
        for number, (error, result, delay) in enumerate(failures, 1)
    )


def attach_history(error: BaseException, name: str, failures: list[Failure], reason: str, detail: str) -> None:
    """Put `attempts` on the error and say in a note how it came about (Python 3.10 has no notes).

    One note for each retry that gave the error up: an object that is raised again gets no second one.
    """
    history = _history(failures)
    try:
        error.attempts = history  # type: ignore[attr-defined]
        if _NOTES:
            opening = f"{_NOTE}{name}: "
            notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith(opening)]
            error.__notes__ = [*notes, opening + _story(history, reason, detail)]  # type: ignore[attr-defined]
    except Exception:  # an error whose class refuses attributes
        return


def _story(history: tuple[FailedAttempt, ...], reason: str, detail: str) -> str:
    calls = "1 attempt" if len(history) == 1 else f"{len(history)} attempts"
    lines = [f"{calls}; {_REASONS[reason]}{detail}"]
    for number, failure, delay in history:
        wait = "" if delay is None else f", then waited {delay:.3g} s"
        lines.append(f"  {number}: {failure}{wait}")
    return "\n".join(lines)
