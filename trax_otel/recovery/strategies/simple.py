"""A function as a strategy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ...errors import InvalidConfigError
from ..base import DEFAULT_PRIORITY, RecoveryContext, RecoveryStrategy

if TYPE_CHECKING:
    from ...retry.conditions import Condition


class CallableStrategy(RecoveryStrategy):
    """Recovers by calling `function(context)`, plain or a coroutine function.

    `on` says of which errors: a class, a tuple of classes (of ours also by classification: a requests ConnectionError is a
    NetworkError), or a function of the error; None: of all. `name` is the function's unless given.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        function: Callable[[RecoveryContext], Any | Awaitable[Any]],
        *,
        on: Condition | None = None,
        priority: int = DEFAULT_PRIORITY,
        name: str | None = None,
    ) -> None:
        from ...retry.conditions import check_condition, test_of

        if not callable(function):
            raise InvalidConfigError(f"function={function!r}: a function of the context is needed")
        problem = None if on is None else check_condition(on)
        if problem is not None:
            raise InvalidConfigError(f"on: {problem}")
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        self.priority = priority
        self._function = function
        self._test = None if on is None else test_of(on)

    def applies(self, context: RecoveryContext) -> bool:
        return self._test is None or bool(self._test(context.error))

    def recover(self, context: RecoveryContext) -> Any | Awaitable[Any]:
        return self._function(context)

    def __repr__(self) -> str:
        return f"CallableStrategy({self.name!r}, priority={self.priority})"
