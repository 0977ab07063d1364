"""What callbacks, statistics and notes know of a retried call."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from ..config import UNSET, Section
from ..signals.stacktrace import line_of, message_of

if TYPE_CHECKING:
    from typing_extensions import Self

StopReason = Literal[
    "attempts", "not_retryable", "deadline", "budget", "retry_after", "rejected", "stopped", "cancelled"
]  # fmt: skip
KEPT_ATTEMPTS: Final = 50
"""Of the failed attempts of a call so many are kept from its beginning, and so many from its end."""
KEPT_CHARACTERS: Final = 500
"""What is kept of each one's message."""
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
    further attempt is made (`StopReason`), `delays` the waits so far (of very many the first and the last), `slept` all of them
    together.
    """

    name: str
    attempt: int
    elapsed: float
    error: BaseException | None = None
    result: Any = None
    delay: float | None = None
    reason: StopReason | None = None
    delays: tuple[float, ...] = ()
    slept: float = 0.0


Failure = tuple[int, type, "str | None", "float | None"]
"""What is kept of a failed attempt: its number, the class of its error and the message (None: of its result), and the wait
after it."""


class History:
    """The failed attempts of one call, as text of bounded length: the errors themselves would keep the frames that they
    crossed alive. Of many attempts the first and the last are kept."""

    __slots__ = ("_first", "_last", "count", "slept")

    def __init__(self) -> None:
        self._first: list[Failure] = []
        self._last: deque[Failure] | None = None
        self.count = 0
        self.slept = 0.0

    def add(self, error: BaseException | None, result: Any, delay: float | None) -> None:
        """An attempt failed with an error, or with a result that was refused; `delay` is the wait after it."""
        self.count = number = self.count + 1
        message = "" if error is None else message_of(error)
        if len(message) > KEPT_CHARACTERS:
            message = f"{message[:KEPT_CHARACTERS]}… ({len(message) - KEPT_CHARACTERS} characters left out)"
        failure = (number, type(result if error is None else error), None if error is None else message, delay)
        if number <= KEPT_ATTEMPTS:
            self._first.append(failure)
        else:
            if self._last is None:
                self._last = deque(maxlen=KEPT_ATTEMPTS)
            self._last.append(failure)
        if delay:
            self.slept += delay

    def interrupted(self) -> None:
        """The wait after the last attempt was not over when it ended."""
        kept: Any = self._last or self._first
        if kept:
            *last, delay = kept.pop()
            self.slept -= delay or 0.0
            kept.append((*last, None))

    def attempts(self) -> tuple[FailedAttempt, ...]:
        """What is kept of them."""
        return tuple(
            FailedAttempt(number, f"returned {kind.__name__}" if message is None else line_of(kind, message), delay)
            for number, kind, message, delay in (*self._first, *(self._last or ()))
        )

    def delays(self) -> tuple[float, ...]:
        """The waits that are kept, in seconds."""
        return tuple(delay for *_, delay in (*self._first, *(self._last or ())) if delay is not None)


class AttachedAttempts(tuple[FailedAttempt, ...]):  # noqa: SLOT001 — a tuple can have none
    """What `error.attempts` holds. `order` tells whether it was attached within a call or before it."""

    order: int

    def __new__(cls, attempts: Iterable[FailedAttempt], order: int = -1) -> Self:
        made = super().__new__(cls, attempts)
        made.order = order
        return made

    def __reduce__(self) -> tuple[Any, ...]:  # an order holds in its own process only
        return AttachedAttempts, (tuple(self),)


next_order: Final[Callable[[], int]] = itertools.count().__next__
"""A number for a call that begins, or for a history that is attached: the later the higher."""


def attach_history(error: BaseException, name: str, history: History, began: int, reason: str, detail: str) -> None:
    """Put `attempts` on the error and say in a note how it came about (Python 3.10 has no notes).

    An attribute `attempts` that the error has already is left alone: the user's own, and that of a retry inside this call,
    which began as number `began`. Each retry that gives the error up has a note, and one only.
    """
    try:
        known = getattr(error, "attempts", UNSET)
        if known is UNSET or (isinstance(known, AttachedAttempts) and known.order < began):
            error.attempts = AttachedAttempts(history.attempts(), next_order())  # type: ignore[attr-defined]
        if _NOTES:
            opening = f"{_NOTE}{name}: "
            notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith(opening)]
            error.__notes__ = [*notes, opening + _story(history, reason, detail)]  # type: ignore[attr-defined]
    except Exception:  # an error whose class refuses attributes
        return


def _story(history: History, reason: str, detail: str) -> str:
    calls = "1 attempt" if history.count == 1 else f"{history.count} attempts"
    lines = [f"{calls}; {_REASONS[reason]}{detail}"]
    before = 0
    for number, failure, delay in history.attempts():
        if number > before + 1:
            lines.append(f"  … {number - before - 1} attempts left out …")
        before = number
        wait = "" if delay is None else f", then waited {delay:.3g} s"
        lines.append(f"  {number}: {failure}{wait}")
    return "\n".join(lines)
