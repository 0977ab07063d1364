"""One failure counts once, though an answer and the exceptions that follow from it are told in several places of a trace.

A client's 503 is an error when its span ends; the `HTTPError` that the caller then raises is the same one, and so is the 500 that
the server gives for it. Kept for the newest traces of this process alone, without a lock: a miss counts twice at worst.
"""

from __future__ import annotations

from typing import Final

MAX_TRACES: Final = 1_024

_answers: dict[tuple[int, str], int] = {}
_failed: dict[int, None] = {}


def note_answer(trace_id: int, code: str) -> None:
    """An answer of this trace was counted under a code."""
    _answers[trace_id, code] = _answers.get((trace_id, code), 0) + 1
    _forget_oldest(_answers)
    note_failure(trace_id)


def note_failure(trace_id: int) -> None:
    """Something of this trace was counted as an error."""
    _failed[trace_id] = None
    _forget_oldest(_failed)


def follows_from_answer(trace_id: int, code: str) -> bool:
    """Whether an exception tells of an answer that was counted already; each answer stands for one exception."""
    left = _answers.pop((trace_id, code), 0)
    if left > 1:
        _answers[trace_id, code] = left - 1
    return left > 0


def has_failed(trace_id: int) -> bool:
    """Whether something of this trace was counted already."""
    return trace_id in _failed


def forget() -> None:
    """Know nothing of any trace."""
    _answers.clear()
    _failed.clear()


def _forget_oldest(known: dict[tuple[int, str], int] | dict[int, None]) -> None:
    while len(known) > MAX_TRACES:
        try:
            known.pop(next(iter(known)), None)  # type: ignore[call-overload]
        except (StopIteration, RuntimeError):  # another thread was quicker
            return
