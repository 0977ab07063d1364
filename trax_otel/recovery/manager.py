"""`RecoveryManager`: strategies by priority, under one deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import config, lifecycle
from ..errors import InvalidConfigError
from . import driving
from .base import DEFAULT_PRIORITY, RecoveryContext, RecoveryStrategy
from .limits import GivenLimits
from .strategies.simple import CallableStrategy

if TYPE_CHECKING:
    from ..retry.conditions import Condition
    from ..retry.plan import Plan

F = TypeVar("F", bound=Callable[[RecoveryContext], Any | Awaitable[Any]])

_lock = lifecycle.ForkSafeLock()
"""Held while a manager's strategies change."""


class RecoveryManager:
    """Tries strategies in order of priority until one answers for an operation that failed.

    What is not passed (None) falls through to the section `recovery` of file and environment when it is first needed:
    `enabled`, whether anything is tried at all; `max_fallbacks`, how many strategies may fail before it gives up (those
    that only clear the ground do not count); `timeout`, seconds for all of them together. Coroutines are cancelled when the
    time is over. A plain function cannot be interrupted: the time is looked at before each strategy.

    `operations` are the names of operations that are known beforehand: their counters exist from the start.
    Threads and tasks may share a manager; a recovery under way keeps the strategies that it began with.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        *,
        enabled: bool | None = None,
        max_fallbacks: int | None = None,
        timeout: float | None = None,
        strategies: Iterable[RecoveryStrategy] = (),
        operations: Iterable[str] = (),
    ) -> None:
        self._limits = GivenLimits(type(self).__name__, enabled, max_fallbacks, timeout)
        self._strategies: tuple[RecoveryStrategy, ...] = ()
        self._declared: set[tuple[str, str]] = set()
        self._operations = tuple(operations)
        for strategy in strategies:
            self.add_strategy(strategy)

    # --- Strategies ----------------------------------------------------------------------------------------------------

    @property
    def strategies(self) -> tuple[RecoveryStrategy, ...]:
        """The strategies in the order in which they are tried."""
        return self._strategies

    def add_strategy(self, strategy: RecoveryStrategy) -> None:
        """Add a strategy behind those of its priority.

        Raises:
            InvalidConfigError: it lacks what a strategy needs, or another one has its name.
        """
        problem = _problem(strategy)
        if problem is not None:
            raise InvalidConfigError(f"strategy={strategy!r}: {problem}")
        with _lock:
            if any(known.name == strategy.name for known in self._strategies):
                raise InvalidConfigError(
                    f"strategy={strategy!r}: there is one named {strategy.name!r} already; remove it first or give this "
                    "one another name"
                )
            self._strategies = tuple(sorted([*self._strategies, strategy], key=lambda known: known.priority))
        for operation in self._operations:
            self._declare(operation)

    def remove_strategy(self, strategy: RecoveryStrategy | str) -> bool:
        """Take a strategy out, by itself or by its name; False where it was not there."""
        with _lock:
            left = tuple(known for known in self._strategies if known is not strategy and known.name != strategy)
            removed = len(left) < len(self._strategies)
            self._strategies = left
        return removed

    def strategy(
        self, *, on: Condition | None = None, priority: int = DEFAULT_PRIORITY, name: str | None = None
    ) -> Callable[[F], F]:
        """A decorator that adds a function of the context as a strategy: `@manager.strategy(on=NetworkError)`. See
        `CallableStrategy`."""

        def add(function: F) -> F:
            self.add_strategy(CallableStrategy(function, on=on, priority=priority, name=name))
            return function

        return add

    # --- Recovery ------------------------------------------------------------------------------------------------------

    async def attempt_recovery(self, context: RecoveryContext) -> Any:
        """The value of the first strategy that answers; None where strategies only cleared the ground and none failed.

        Strategies may be coroutine functions or plain ones, which run here and now. Cancelling the task cancels the
        strategy at work, and goes on.

        Raises:
            RecoveryError: TRAX-007, nothing answered; `causes` and `__cause__` have the error of each strategy.
            BaseException: `context.error` itself, where recovery is switched off or where it is no `Exception`.
        """
        return await driving.run_async(self._plan(context, awaits=True))

    def attempt_recovery_sync(self, context: RecoveryContext) -> Any:
        """`attempt_recovery` for code without an event loop; a strategy that has to be awaited counts as failed."""
        return driving.run(self._plan(context, awaits=False))

    def _plan(self, context: RecoveryContext, awaits: bool) -> Plan:
        from .attempt import recovery

        if not isinstance(context, RecoveryContext):
            raise InvalidConfigError(f"context={context!r}: a RecoveryContext is needed")
        self._declare(context.operation)
        return recovery(self._strategies, context, self._limits.resolve(), awaits)

    def _declare(self, operation: str) -> None:
        from . import telemetry

        new = [known.name for known in self._strategies if (operation, known.name) not in self._declared]
        if new and len(self._declared) < config.settings().metrics.cardinality_limit:
            self._declared.update((operation, name) for name in new)
            telemetry.declare(operation, new)


def _problem(strategy: Any) -> str | None:
    from ..errors.awaiting import is_coroutine_function

    if isinstance(strategy, type):
        return f"it is a class; add an object of it: {strategy.__name__}(…)"
    if callable(strategy) and not hasattr(strategy, "recover"):
        return "it is a function; add CallableStrategy(function), or decorate it by @manager.strategy()"
    name, priority = getattr(strategy, "name", None), getattr(strategy, "priority", None)
    if not isinstance(name, str) or not name:
        return f"its name is {name!r}, and a text is needed"
    if isinstance(priority, bool) or not isinstance(priority, (int, float)):
        return f"its priority is {priority!r}, and a number is needed (lower goes first)"
    for method in ("applies", "recover"):
        if not callable(getattr(strategy, method, None)):
            return f"it has no method {method}(context)"
    if is_coroutine_function(getattr(strategy, "applies", None)):
        return "applies is a coroutine function; it is called, not awaited"
    return None
