"""The correlation id and the bound fields of one request or job, as context managers and decorators.

Both live in the OTel Context (see `signals.correlation`), so they cross into tasks, executors and threads with the trace,
and reach every log record, span and error made inside.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .. import config, signals

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context

Function = TypeVar("Function", bound=Callable[..., Any])
Headers = Mapping[str, Any] | Iterable[tuple[Any, Any]]


class _Scope(ABC):
    """Attaches on enter, detaches on exit; as a decorator every call gets a scope of its own."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens: list[Token[Context]] = []

    @abstractmethod
    def _attach(self) -> Token[Context]: ...

    @abstractmethod
    def _fresh(self) -> _Scope: ...

    def _entered(self) -> object:
        return self

    def __enter__(self) -> Any:
        self._tokens.append(self._attach())
        return self._entered()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tokens:
            signals.detach(self._tokens.pop())

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Function) -> Function:
        fresh = self._fresh
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*arguments: Any, **keywords: Any) -> Any:
                with fresh():
                    return await function(*arguments, **keywords)

            return cast("Function", run_async)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            # A generator runs in its caller's context between yields: a scope around it would leak into the caller.
            raise TypeError(
                f"{type(self).__name__} cannot decorate the generator {function.__qualname__}: use it inside"
            )

        @functools.wraps(function)
        def run(*arguments: Any, **keywords: Any) -> Any:
            with fresh():
                return function(*arguments, **keywords)

        return cast("Function", run)


class correlation_context(_Scope):  # noqa: N801 - used like a function, as contextlib's are
    """Give everything inside one correlation id; works with `with`, `async with` and as a decorator.

    The id is `correlation_id` where that is given and valid, else what `headers` carry, else a new one. As a decorator
    without an id, each call gets a new one. Entering yields the id.
    """

    __slots__ = ("_headers", "_id", "_wanted")

    def __init__(self, correlation_id: str | None = None, *, headers: Headers | None = None) -> None:
        super().__init__()
        self._wanted = correlation_id
        self._headers = headers
        self._id: str | None = None

    def _fresh(self) -> correlation_context:
        return correlation_context(self._wanted, headers=self._headers)

    def _attach(self) -> Token[Context]:
        self._id = (
            signals.valid_correlation_id(self._wanted)
            or (correlation_id_from_headers(self._headers) if self._headers is not None else None)
            or signals.new_correlation_id()
        )
        return signals.attach_correlation(id=self._id)

    def _entered(self) -> str | None:
        return self._id


class bind(_Scope):  # noqa: N801 - used like a function
    """Put fields (user, tenant, job …) on every log record, span and error inside; `with`, `async with`, decorator.

    Nested blocks add to what the outer ones bound; an inner value of the same name holds until its block ends.
    """

    __slots__ = ("_fields",)

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self._fields = fields

    def _fresh(self) -> bind:
        return bind(**self._fields)

    def _attach(self) -> Token[Context]:
        return signals.attach_correlation(fields=self._fields)


def current_correlation_id() -> str | None:
    """The correlation id in force, if there is one."""
    return signals.current_correlation().id


def bound_fields() -> Mapping[str, Any]:
    """The fields in force; read-only."""
    return signals.current_correlation().fields


def correlation_id_from_headers(headers: Headers) -> str | None:
    """The valid correlation id that inbound headers carry, or None; never raises.

    Takes a mapping of headers, a WSGI environ, an ASGI scope, or pairs of names and values (str or bytes). Which headers are
    asked, the first found winning, is a setting (`runtime.correlation_headers`).
    """
    wanted = [name.lower() for name in config.settings().runtime.correlation_headers]
    try:
        found = _read(headers, wanted)
    except Exception:  # headers of a foreign kind that cannot be read: the same as none
        return None
    for name in wanted:
        valid = signals.valid_correlation_id(found.get(name))
        if valid:
            return valid
    return None


def _read(headers: Any, wanted: list[str]) -> dict[str, str]:
    if isinstance(headers, Mapping):
        inner = headers.get("headers")
        asgi_scope = "type" in headers and inner is not None and not isinstance(inner, (str, bytes))
        pairs: Any = inner if asgi_scope else headers.items()
    else:
        pairs = headers
    found: dict[str, str] = {}
    for name, value in pairs:
        key = _text(name).lower().replace("_", "-").removeprefix("http-")
        if key in wanted:
            found.setdefault(key, _text(value).strip())
    return found


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""
