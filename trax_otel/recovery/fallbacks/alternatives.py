"""What may answer in an operation's place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ...errors import InvalidConfigError

if TYPE_CHECKING:
    from ...retry.conditions import Condition, Test


class NoAnswer(Enum):
    """The type of `NO_ANSWER`, so that type checkers know it."""

    NO_ANSWER = "no answer"

    def __repr__(self) -> str:
        return "NO_ANSWER"


NO_ANSWER: Final = NoAnswer.NO_ANSWER
"""What an alternative returns that has nothing to say this time: the next one is asked."""


class Alternative:
    """One alternative of a chain: its name, which is bounded (a label of metrics), and what is asked for an answer.

    `points` names the operations that it may stand in for (None: any), `on` the errors that it is good for (None: any).

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    remembers = False
    """Whether it wants to hear of the operation's own good answers."""

    def __init__(self, name: str, points: Iterable[str] | None = None, on: Condition | None = None) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidConfigError(f"name={name!r}: a text is needed")
        if isinstance(points, str):
            raise InvalidConfigError(f"points={points!r}: a list of names is needed, such as [{points!r}]")
        self.name = name
        self._points = None if points is None else frozenset(points)
        self._test = condition("on", on)

    def knows(self, point: str) -> bool:
        """Whether it may stand in for the operation of this name."""
        return self._points is None or point in self._points

    def serves(self, point: str, error: BaseException) -> bool:
        """Whether it may do so where the operation failed in this way."""
        return self.knows(point) and (self._test is None or bool(self._test(error)))

    def answer(self, point: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any | Awaitable[Any]:
        """The value in the place of the operation of this name, an awaitable of it, or `NO_ANSWER`."""
        raise NotImplementedError

    def remember(
        self, point: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], value: Any
    ) -> Any | Awaitable[Any]:
        """Take note of a good answer of the operation's own."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class FunctionAlternative(Alternative):
    """A function, plain or a coroutine function, that takes the operation's arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        points: Iterable[str] | None = None,
        on: Condition | None = None,
    ) -> None:
        if not callable(function) or isinstance(function, type):
            raise InvalidConfigError(
                f"fallback={function!r}: a function that takes the operation's arguments is needed"
            )
        super().__init__(short_name(function) if name is None else name, points, on)
        self._function = function

    def answer(self, point: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any | Awaitable[Any]:
        return self._function(*args, **kwargs)


def alternatives_of(given: Iterable[Callable[..., Any] | Alternative]) -> tuple[Alternative, ...]:
    """Functions as alternatives, with a number where their name is taken; what is one stays. Raises InvalidConfigError where
    two of these have one name."""
    all_of_them = tuple(given)
    taken: set[str] = set()
    for one in all_of_them:
        if isinstance(one, Alternative):
            if one.name in taken:
                raise InvalidConfigError(f"fallback_operations: two are named {one.name!r}; pass name= to one of them")
            taken.add(one.name)
    return tuple(one if isinstance(one, Alternative) else _numbered(one, taken) for one in all_of_them)


def _numbered(function: Callable[..., Any], taken: set[str]) -> Alternative:
    made = FunctionAlternative(function)
    own, number = made.name, 1
    while made.name in taken:
        number += 1
        made.name = f"{own}-{number}"
    taken.add(made.name)
    return made


def short_name(function: Any) -> str:
    """A function's own name, without its class and module."""
    from ...retry.functions import name_of

    return name_of(function).rpartition(".")[2]


def condition(argument: str, given: Condition | None) -> Test | None:
    """A condition as one function. Raises InvalidConfigError, which names the argument."""
    from ...retry.conditions import check_condition, test_of

    problem = None if given is None else check_condition(given)
    if problem is not None:
        raise InvalidConfigError(f"{argument}: {problem}")
    return None if given is None else test_of(given)
