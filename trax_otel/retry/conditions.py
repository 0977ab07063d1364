"""What is retried: by class, by predicate, or by what classification says.

Some things never are, whatever was asked for: what is no `Exception` (KeyboardInterrupt, a cancelled task), another
library's way to steer, MemoryError and RecursionError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..errors import TraxError, error_code
from ..errors.classification import is_control_flow, judge
from ..errors.verdict import Verdict

Condition = type[BaseException] | tuple[type[BaseException], ...] | Callable[[Exception], bool]
Test = Callable[[BaseException], bool]


_never: Final[dict[type, bool]] = {}


def never_retried(kind: type) -> bool:
    """Whether errors of this class are never retried."""
    found = _never.get(kind)
    if found is None:
        found = _never[kind] = not issubclass(kind, Exception) or is_control_flow(kind)
    return found


def matches(error: BaseException, classes: type[BaseException] | tuple[type[BaseException], ...]) -> bool:
    """Whether the error, or what classification makes of it, is of one of the classes: a builtin or requests
    ConnectionError is a NetworkError."""
    if isinstance(error, classes):
        return True
    if isinstance(error, TraxError):
        return False
    if not isinstance(classes, tuple):
        classes = (classes,)
    return any(issubclass(kind, TraxError) for kind in classes) and issubclass(judge(error).kind, classes)


def retryable_by(verdict: Verdict) -> bool:
    """The default: whether classification says that the same call may succeed when made again."""
    if verdict.retryable is not None:
        return verdict.retryable
    registered = error_code(verdict.kind.default_code)
    return registered is not None and registered.retryable


def test_of(condition: Condition) -> Test:
    """The condition as one function."""
    if isinstance(condition, (type, tuple)):
        classes = condition
        return lambda error: matches(error, classes)
    return condition  # type: ignore[return-value]


def check_condition(condition: object) -> str | None:
    """What is wrong with a `retry_on` argument, or None."""
    classes = condition if isinstance(condition, tuple) else (condition,)
    if all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in classes):
        refused = [kind.__name__ for kind in classes if isinstance(kind, type) and never_retried(kind)]
        if refused and condition != ():
            return f"{', '.join(refused)} is never retried"
        return None if classes else "an empty tuple retries nothing; max_retries=0 says so"
    if callable(condition) and not isinstance(condition, type):
        return None
    return f"{condition!r} is not an exception class, a tuple of them, or a function of the error"
