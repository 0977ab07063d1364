"""`FallbackManager`: alternatives that stand in for any operation run under it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ... import config, lifecycle
from ...errors import InvalidConfigError
from .. import driving
from ..base import DEFAULT_PRIORITY
from ..limits import GivenLimits
from .alternatives import Alternative, FunctionAlternative, condition, short_name

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    from ...retry.conditions import Condition
    from ...retry.plan import Plan

    P = ParamSpec("P")

T = TypeVar("T")
_lock = lifecycle.ForkSafeLock()
"""Held while a manager's alternatives change."""


class FallbackManager:
    """Runs operations whose alternatives were added beforehand: a call of its own (`execute_with_fallbacks`), or each call of
    a function marked `@fallback_point` inside `fallback_context(manager)`.

    An alternative gets the operation's arguments; of one priority they are asked in the order of adding. `points` of an
    alternative names the operations that it may stand in for; without it, it stands in for every one run under this
    manager. What none stands in for fails as it would without a manager. `on`, `enabled`, `max_fallbacks` and `timeout` are
    those of `FallbackStrategy`. Threads and tasks may share a manager; a call under way keeps the alternatives that it
    began with.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        *,
        name: str = "fallback",
        on: Condition | None = None,
        enabled: bool | None = None,
        max_fallbacks: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self.name = name
        self._test = condition("on", on)
        self._limits = GivenLimits(type(self).__name__, enabled, max_fallbacks, timeout)
        self._alternatives: tuple[Alternative, ...] = ()
        self._priorities: dict[str, float] = {}
        self._declared: set[str] = set()

    # --- Alternatives ------------------------------------------------------------------------------------------------------

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """The names of the alternatives, in the order in which they are asked."""
        return tuple(alternative.name for alternative in self._alternatives)

    def add_fallback(
        self,
        fallback: Callable[..., Any] | Alternative,
        *,
        name: str | None = None,
        points: Iterable[str] | None = None,
        on: Condition | None = None,
        priority: float = DEFAULT_PRIORITY,
    ) -> None:
        """Add an alternative behind those of its priority (lower goes first): a function of the operation's arguments, or one
        that is made already (`CachedFallback(…)`, which has its own name, points and condition).

        Raises:
            InvalidConfigError: an argument has a value that is not allowed, or another alternative has this name.
        """
        if isinstance(fallback, Alternative):
            if (name, points, on) != (None, None, None):
                raise InvalidConfigError(f"{fallback!r} has its own name, points and condition: pass them there")
            added = fallback
        else:
            added = FunctionAlternative(fallback, name, points, on)
        if isinstance(priority, bool) or not isinstance(priority, (int, float)) or priority != priority:
            raise InvalidConfigError(f"priority={priority!r}: a number is needed (lower goes first)")
        with _lock:
            if added.name in self.fallbacks:
                raise InvalidConfigError(
                    f"name={added.name!r}: there is such a fallback already; remove it first or pass name="
                )
            self._priorities[added.name] = priority
            self._alternatives = tuple(sorted((*self._alternatives, added), key=self._priority))
            self._declared.clear()

    def remove_fallback(self, name: str) -> bool:
        """Take an alternative out; False where it was not there."""
        with _lock:
            left = tuple(known for known in self._alternatives if known.name != name)
            removed = len(left) < len(self._alternatives)
            self._alternatives = left
        return removed

    # --- Calls -------------------------------------------------------------------------------------------------------------

    @overload
    async def execute_with_fallbacks(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def execute_with_fallbacks(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def execute_with_fallbacks(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """The function's value, or that of the first alternative that answers; it may be plain or a coroutine function.

        Raises:
            RecoveryError: TRAX-007, nothing answered; `causes` and `__cause__` have every error.
            BaseException: the function's own error, where it is none to fall back from.
        """
        return await driving.run_async(
            self.plan(short_name(function), args, kwargs, partial(function, *args, **kwargs))
        )

    def execute_with_fallbacks_sync(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`execute_with_fallbacks` for code without an event loop; what has to be awaited counts as failed."""
        call = partial(function, *args, **kwargs)
        return driving.run(self.plan(short_name(function), args, kwargs, call))  # type: ignore[no-any-return]

    def plan(
        self, operation: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], primary: Callable[[], Any]
    ) -> Plan:
        """One call as a plan for retry's drivers; `operation` is its name in telemetry and for `points`."""
        from .chain import Chain, execution
        from .telemetry import declare_fallbacks

        alternatives = self._alternatives
        if operation not in self._declared and len(self._declared) < config.settings().metrics.cardinality_limit:
            self._declared.add(operation)
            declare_fallbacks(operation, self.name, [alternative.name for alternative in alternatives])
        chain = Chain(self.name, operation, self, alternatives, self._test, self._limits.resolve())
        return execution(chain, args, kwargs, primary)

    def _priority(self, alternative: Alternative) -> float:
        return self._priorities[alternative.name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, fallbacks={list(self.fallbacks)})"
