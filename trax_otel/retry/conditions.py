"""What is retried: by class, by predicate, or by what classification says.

Some things never are, whatever was asked for: what is no `Exception` (KeyboardInterrupt, a cancelled task), MemoryError and
RecursionError. A library's way to steer (a job's time limit) is retried only where its own class is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import TraxError
from ..errors.awaiting import is_coroutine_function, refuse_awaitable
from ..errors.classification import judge
from ..errors.control_flow import FATAL, leaves, members, never_retried, passes

Classes = type[BaseException] | tuple[type[BaseException], ...]
Condition = Classes | Callable[[Exception], bool]
Test = Callable[[BaseException], bool]
Quantifier = Callable[[Any], bool]


def matches(error: BaseException, classes: Classes, quantifier: Quantifier = all) -> bool:
    """Whether the error, or what classification makes of it, is of one of the classes: a builtin or requests
    ConnectionError is a NetworkError. A group is where `all` (or, if so given, `any`) of its leaves are."""
    if isinstance(error, classes):
        return True
    if isinstance(error, TraxError):
        return False
    if members(error):
        return quantifier(matches(leaf, classes) for leaf in leaves(error))
    if not isinstance(classes, tuple):
        classes = (classes,)
    return any(issubclass(kind, TraxError) for kind in classes) and issubclass(judge(error).kind, classes)


def test_of(condition: Condition, quantifier: Quantifier = all) -> Test:  # noqa: PT028 — no test of pytest's
    """The condition as one function, which is false for what is never retried. `quantifier` says how many leaves of a group
    must be of the classes. The function raises what a predicate raises, and a TypeError where that has to be awaited."""
    if not isinstance(condition, (type, tuple)):
        return _predicate(condition)
    classes = condition
    named = tuple(kind for kind in (classes if isinstance(classes, tuple) else (classes,)) if passes(kind))

    def of_classes(error: BaseException) -> bool:
        if isinstance(error, named):
            return True
        return matches(error, classes, quantifier) and not never_retried(error)

    return of_classes


def _predicate(condition: Callable[[Exception], bool]) -> Test:
    def holds(error: BaseException) -> bool:
        return not never_retried(error) and bool(refuse_awaitable(condition, condition(error)))  # type: ignore[arg-type]

    holds.__module__ = condition.__module__  # by which it is named where it raises
    holds.__qualname__ = getattr(condition, "__qualname__", type(condition).__qualname__)
    return holds


def check_condition(condition: object) -> str | None:
    """What is wrong with a `retry_on` argument, or None."""
    classes = condition if isinstance(condition, tuple) else (condition,)
    if all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in classes):
        refused = [kind.__name__ for kind in classes if isinstance(kind, type) and _cannot_be_asked_for(kind)]
        if refused:
            return f"{', '.join(refused)} is never retried"
        return None if classes else "an empty tuple retries nothing; max_retries=0 says so"
    if not callable(condition) or isinstance(condition, type):
        return f"{condition!r} is not an exception class, a tuple of them, or a function of the error"
    if is_coroutine_function(condition):
        return f"{condition!r} is a coroutine function; it is called, not awaited"
    return None


def _cannot_be_asked_for(kind: type) -> bool:
    return not issubclass(kind, Exception) or issubclass(kind, FATAL)
