"""`FallbackStrategy`: an operation and its alternatives, by itself or as a strategy of a `RecoveryManager`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import InvalidConfigError
from .. import driving
from ..base import DEFAULT_PRIORITY, RecoveryContext, RecoveryStrategy
from ..limits import GivenLimits
from .alternatives import Alternative, alternatives_of, condition, short_name

if TYPE_CHECKING:
    from ...retry.conditions import Condition
    from ...retry.plan import Plan
    from .chain import Chain


class FallbackStrategy(RecoveryStrategy):
    """Calls `primary_operation`, and where it fails `fallback_operations` in order, each with the same arguments.

    `await execute(…)` and `execute_sync(…)` do all of that. In a `RecoveryManager` the operation has failed already, so
    `recover` asks the alternatives alone, with the context's arguments. Functions may be plain ones or coroutine functions;
    a plain one runs here and now. `CachedFallback` answers with what the operation gave before.

    `on` says which errors are fallen back from: a class, a tuple of classes, or a function of the error (None: any
    `Exception`). MemoryError, RecursionError and cancellation never are. `operation` is the name in telemetry (None: the
    primary's own). What is not passed of `enabled`, `max_fallbacks` (how many alternatives may fail before it gives up) and
    `timeout` (seconds for all alternatives together; the primary has no limit) is read from section `recovery` of the
    settings. Coroutines are cancelled when the time is over; a plain function cannot be interrupted.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        primary_operation: Callable[..., Any],
        fallback_operations: Iterable[Callable[..., Any] | Alternative],
        *,
        name: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        on: Condition | None = None,
        operation: str | None = None,
        enabled: bool | None = None,
        max_fallbacks: int | None = None,
        timeout: float | None = None,
    ) -> None:
        from .telemetry import declare_fallbacks

        if not callable(primary_operation) or isinstance(primary_operation, type):
            raise InvalidConfigError(f"primary_operation={primary_operation!r}: a function is needed")
        self._alternatives = alternatives_of(fallback_operations)
        if not self._alternatives:
            raise InvalidConfigError("fallback_operations is empty: at least one alternative is needed")
        self._primary = primary_operation
        self.operation = operation or short_name(primary_operation)
        self.name = name or f"{self.operation}_fallback"
        self.priority = priority
        self._test = condition("on", on)
        self._limits = GivenLimits(type(self).__name__, enabled, max_fallbacks, timeout)
        declare_fallbacks(self.operation, self.name, self.fallbacks)

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """The names of the alternatives, in order."""
        return tuple(alternative.name for alternative in self._alternatives)

    # --- By itself ---------------------------------------------------------------------------------------------------------

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """The operation's value, or that of the first alternative that answers.

        Raises:
            RecoveryError: TRAX-007, nothing answered; `causes` and `__cause__` have every error.
            BaseException: the operation's own error, where it is none to fall back from.
        """
        return await driving.run_async(self._execution(args, kwargs))

    def execute_sync(self, *args: Any, **kwargs: Any) -> Any:
        """`execute` for code without an event loop; an alternative that has to be awaited counts as failed."""
        return driving.run(self._execution(args, kwargs))

    # --- As a strategy of a manager ----------------------------------------------------------------------------------------

    def applies(self, context: RecoveryContext) -> bool:
        return self._chain().falls_back(context.error)

    def recover(self, context: RecoveryContext) -> Awaitable[Any]:
        return driving.run_async(self._answers(context))

    def recover_sync(self, context: RecoveryContext) -> Any:
        """`recover` for a synchronous caller."""
        return driving.run(self._answers(context))

    def __repr__(self) -> str:
        return f"FallbackStrategy({self.operation!r}, fallbacks={list(self.fallbacks)})"

    def _execution(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Plan:
        from .chain import execution

        return execution(self._chain(), args, kwargs, partial(self._primary, *args, **kwargs))

    def _answers(self, context: RecoveryContext) -> Plan:
        from .chain import answers

        return answers(self._chain(), context)

    def _chain(self) -> Chain:
        from .chain import Chain

        return Chain(self.name, self.operation, self, self._alternatives, self._test, self._limits.resolve())


async def create_fallback_strategy(
    primary_operation: Callable[..., Any],
    fallback_operations: Iterable[Callable[..., Any] | Alternative],
    *,
    name: str | None = None,
    priority: int = DEFAULT_PRIORITY,
    on: Condition | None = None,
    operation: str | None = None,
    enabled: bool | None = None,
    max_fallbacks: int | None = None,
    timeout: float | None = None,
) -> FallbackStrategy:
    """A `FallbackStrategy`; see there for the arguments. It is awaited only so that asynchronous set-up code reads evenly:
    nothing waits, and synchronous code makes `FallbackStrategy(…)`."""
    return FallbackStrategy(
        primary_operation, fallback_operations, name=name, priority=priority, on=on, operation=operation, enabled=enabled,
        max_fallbacks=max_fallbacks, timeout=timeout,
    )  # fmt: skip
