"""`fallback_context` and `@fallback_point`: a manager answers for the operations that are marked, inside a block."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextvars import Token
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ...errors import InvalidConfigError, error_facts
from ...signals import record_error
from .. import driving
from . import ambient
from .ambient import current
from .manager import FallbackManager

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import ParamSpec, Self

    P = ParamSpec("P")

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class AsyncFallbacks(Protocol):
    """What `async with fallback_context(…)` gives: what `execute` returns has to be awaited."""

    manager: FallbackManager

    @overload
    def execute(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
    @overload
    def execute(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
    def execute(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """See `fallback_context.execute`."""
        ...


class fallback_context:  # noqa: N801 — used like a function
    """`with fallback_context(manager) as fallbacks:` and `async with`: inside, the manager answers for calls of functions
    marked `@fallback_point` that fail, and `fallbacks.execute(function, …)` runs any other function under it.

    The innermost block counts. Tasks begun inside, and `asyncio.to_thread`, are inside; a thread is not, unless it was
    given the context. While an alternative runs, its manager does not answer for it. What the block itself raises is
    recorded on the current span and goes on.

    Raises:
        InvalidConfigError: `manager` is not a FallbackManager.
    """

    __slots__ = ("_asynchronous", "_token", "manager")

    def __init__(self, manager: FallbackManager) -> None:
        if not isinstance(manager, FallbackManager):
            raise InvalidConfigError(f"manager={manager!r}: a FallbackManager is needed")
        self.manager = manager
        self._asynchronous = False
        self._token: Token[ambient.Ambient | None] | None = None

    def execute(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's value, or that of the first alternative that answers; inside `async with` an awaitable of it.

        Raises:
            RecoveryError: TRAX-007, nothing answered.
            RuntimeError: used outside of its block.
        """
        if self._token is None:
            raise RuntimeError("fallback_context: execute() belongs inside its `with` or `async with` block")
        if self._asynchronous:
            return self.manager.execute_with_fallbacks(function, *args, **kwargs)  # type: ignore[return-value]
        return self.manager.execute_with_fallbacks_sync(function, *args, **kwargs)

    def _begin(self, asynchronous: bool) -> Self:
        if self._token is not None:
            raise RuntimeError("fallback_context: this block is entered already; each needs its own")
        self._asynchronous = asynchronous
        self._token = ambient.enter(self.manager)
        return self

    def _end(self, error: BaseException | None) -> None:
        token, self._token = self._token, None
        ambient.back(token)
        if isinstance(error, Exception):
            record_error(error, error_facts(error))

    def __enter__(self) -> Self:
        return self._begin(asynchronous=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(error)

    async def __aenter__(self) -> AsyncFallbacks:
        return self._begin(asynchronous=True)  # type: ignore[return-value]  # what `execute` gives is to be awaited

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(error)


@overload
def fallback_point(function: F, /) -> F: ...
@overload
def fallback_point(*, name: str | None = None) -> Callable[[F], F]: ...
def fallback_point(function: Any = None, /, *, name: str | None = None) -> Any:
    """Mark an operation that the manager of the surrounding `fallback_context` answers for where it fails; outside of any
    block the call is the function's own. For functions, coroutine functions and methods, whose alternatives get the
    arguments without `self`; those of a plain function must be plain functions too. `name` (else the function's own name)
    is what an alternative's `points` and telemetry say.

    Raises:
        TypeError: it is a class or a generator function.
    """
    if function is None:
        return lambda decorated: _point(decorated, name)
    return _point(function, name)


def _point(function: Any, name: str | None) -> Any:
    from ...errors.awaiting import is_coroutine_function
    from ...retry.functions import name_of, refuse_what_cannot_be_retried

    inner = getattr(function, "__func__", function)  # of a classmethod or staticmethod
    if isinstance(inner, type):
        raise TypeError(f"{inner.__name__} is a class: mark the function that uses it")
    refuse_what_cannot_be_retried(inner)
    kind = _AsyncPoint if is_coroutine_function(inner) else _Point
    return kind(function, inner, name or name_of(inner).rpartition(".")[2])


class _Point:
    """A marked function. As an attribute of a class it gives bound methods, whose alternatives do not get `self`."""

    def __init__(self, function: Any, inner: Any, name: str) -> None:
        functools.update_wrapper(self, inner)
        self._function = inner
        self._name = name
        self._of_class = isinstance(function, classmethod)
        binds = not isinstance(function, staticmethod) and hasattr(function, "__get__")
        self._method = self._made_method(_unbound(inner)) if binds else None

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        method = self._method
        if method is None:
            return self
        if self._of_class:
            return MethodType(method, owner)
        return self if instance is None else MethodType(method, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inside = current()
        if inside is None:
            return self._function(*args, **kwargs)
        return driving.run(inside.manager.plan(self._name, args, kwargs, partial(self._function, *args, **kwargs)))

    def _made_method(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(self._function)
        def method(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
            inside = current()
            if inside is None:
                return function(owner, *args, **kwargs)
            call = partial(function, owner, *args, **kwargs)
            return driving.run(inside.manager.plan(self._name, args, kwargs, call))

        return method

    def __reduce__(self) -> str:  # by its name, as functions are: other processes may be sent one
        return str(getattr(self, "__qualname__", self._name))

    def __repr__(self) -> str:
        return f"<fallback point {self._function!r}>"


class _AsyncPoint(_Point):
    """The same for coroutine functions."""

    def __init__(self, function: Any, inner: Any, name: str) -> None:
        from .marks import mark_as_coroutine_function

        super().__init__(function, inner, name)
        mark_as_coroutine_function(self)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inside = current()
        if inside is None:
            return await self._function(*args, **kwargs)
        call = partial(self._function, *args, **kwargs)
        return await driving.run_async(inside.manager.plan(self._name, args, kwargs, call))

    def _made_method(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(self._function)
        async def method(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
            inside = current()
            if inside is None:
                return await function(owner, *args, **kwargs)
            call = partial(function, owner, *args, **kwargs)
            return await driving.run_async(inside.manager.plan(self._name, args, kwargs, call))

        return method


def _unbound(inner: Any) -> Callable[..., Any]:
    """Called with the object first. What is no function, but binds, binds as it likes."""
    if isinstance(inner, FunctionType):
        return inner

    def bound_first(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
        return inner.__get__(owner, type(owner))(*args, **kwargs)

    return bound_first
