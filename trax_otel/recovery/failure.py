"""What is raised where nothing recovered: one error with every cause."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..errors import RecoveryError
from ..signals.stacktrace import describe

if TYPE_CHECKING:
    from .base import RecoveryContext

MAX_CHAIN: Final = 32

if sys.version_info < (3, 11):

    class CauseGroup(Exception):  # noqa: N818 — named like what it stands in for
        """What `BaseExceptionGroup` is from Python 3.11 on: several errors as one, in `exceptions`."""

        def __init__(self, message: str, errors: Sequence[BaseException]) -> None:
            super().__init__(message, tuple(errors))
            self.message = message
            self.exceptions = tuple(errors)

        def __str__(self) -> str:
            lines = [f"{self.message} ({len(self.exceptions)} sub-exceptions)", *map(describe, self.exceptions)]
            return "\n  ".join(lines)

else:
    CauseGroup = builtins.BaseExceptionGroup


def recovery_failed(context: RecoveryContext, reason: str, errors: Sequence[BaseException]) -> RecoveryError:
    """TRAX-007. `causes` are the error that was to be recovered from and one for each strategy that failed, in order;
    `__cause__` is a group of them, and `original_error` the first."""
    original = context.error
    causes: list[BaseException] = [original]
    for error in errors:
        if not any(error is known for known in causes):  # a strategy may raise again what it was given
            _detach(error, original)
            causes.append(error)
    message = f"recovery of {context.operation!r} failed: {reason}"
    failed = RecoveryError(message, original_error=original, context={"operation": context.operation})
    failed.causes = tuple(causes)
    failed.__cause__ = CauseGroup(f"why {context.operation!r} could not be recovered", causes)
    return failed


def _detach(error: BaseException, original: BaseException) -> None:
    """Strategies run while the original error is handled, so each of theirs has it as context; once in the group is
    enough for the reader."""
    link: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if link is None:
            return
        if link.__context__ is original and link.__cause__ is not original:
            link.__context__ = None
        link = link.__context__ if link.__cause__ is None else link.__cause__
