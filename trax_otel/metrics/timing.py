"""Timing: a block, a function, a coroutine or a generator as an operation, with its duration at hand."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from .. import semconv
from ..errors.awaiting import SETTLED, has_to_be_awaited, watched_from_aside
from .generators import timed_async_generator, timed_generator
from .operation import Operation
from .usage import MEGABYTE

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

F = TypeVar("F")

MILLISECONDS: Final = 1e3


class Timer(Operation):
    """An operation whose figures can be read inside the block (so far) and after it. For `with` and for `async with`.

    `memory_mb`, `memory_delta_mb`, `cpu_s` and `cpu_percent` are the whole process's, other threads included, and None
    unless resources are measured (`resources=True`, debug mode, or the setting `metrics.operation_resources`).
    """

    __slots__ = ()

    async def __aenter__(self) -> Self:
        return self.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)

    @property
    def duration_ms(self) -> float:
        """Milliseconds: so far inside the block, in all after it."""
        return self.duration_s * MILLISECONDS

    @property
    def memory_mb(self) -> float | None:
        """Resident memory in MB (1 048 576 bytes): now inside the block, at its end after it."""
        return None if self.usage is None else self.usage.memory / MEGABYTE

    @property
    def memory_delta_mb(self) -> float | None:
        """What resident memory grew by, in MB."""
        return None if self.usage is None else self.usage.memory_delta / MEGABYTE

    @property
    def cpu_s(self) -> float | None:
        """CPU seconds that the process used."""
        return None if self.usage is None else self.usage.cpu_s

    @property
    def cpu_percent(self) -> float | None:
        """CPU use as a percentage of one CPU; above 100 where several threads or C code used more."""
        if self.usage is None:
            return None
        seconds = self.duration_s
        return 100 * self.usage.cpu_s / seconds if seconds > 0 else 0.0


def timing_context(name: str, attributes: Mapping[str, Any] | None = None, *, resources: bool | None = None) -> Timer:
    """Time a block as the operation `name`: `with timing_context("resize") as timer: …`.

    `name` groups runs: keep what varies (ids, file names) in `attributes`, which go on the span alone. `resources=True`
    measures the process's CPU time and memory too. Exceptions pass through. An operation needs no set-up; with a tracer
    provider set it is a span, with a meter provider a histogram, and `export_all_metrics()` always knows it.
    """
    return Timer(name, attributes, None, resources)


def async_timing_context(
    name: str, attributes: Mapping[str, Any] | None = None, *, resources: bool | None = None
) -> Timer:
    """`timing_context` for `async with`. A cancelled block has the outcome `cancelled`, which is no error."""
    return Timer(name, attributes, None, resources)


@overload
def timing_decorator(name: str | None = None, /, *, attributes: Mapping[str, Any] | None = None,
                     resources: bool | None = None) -> Callable[[F], F]: ...  # fmt: skip
@overload
def timing_decorator(function: F, /) -> F: ...
def timing_decorator(
    name: Any = None, /, *, attributes: Mapping[str, Any] | None = None, resources: bool | None = None
) -> Any:
    """Time every call of a function: `@timing_decorator`, `@timing_decorator("name")`.

    Works on functions, methods, coroutine functions, generators and async generators (timed from the first value
    asked for until their end), above or below `@staticmethod` and `@classmethod`. Without a name the function's
    qualified name serves. Raises TypeError where the decorated thing is no function.
    """
    if name is None or isinstance(name, str):
        return functools.partial(_decorate, name, attributes, resources, False)
    return _decorate(None, attributes, resources, False, name)


@overload
def async_timing_decorator(name: str | None = None, /, *, attributes: Mapping[str, Any] | None = None,
                           resources: bool | None = None) -> Callable[[F], F]: ...  # fmt: skip
@overload
def async_timing_decorator(function: F, /) -> F: ...
def async_timing_decorator(
    name: Any = None, /, *, attributes: Mapping[str, Any] | None = None, resources: bool | None = None
) -> Any:
    """`timing_decorator` for what is awaited; also for plain functions that return an awaitable, timed until its
    end."""
    if name is None or isinstance(name, str):
        return functools.partial(_decorate, name, attributes, resources, True)
    return _decorate(None, attributes, resources, True, name)


def _decorate(
    name: str | None, attributes: Mapping[str, Any] | None, resources: bool | None, awaited: bool, target: Any
) -> Any:
    if isinstance(target, (staticmethod, classmethod)):
        inner = _decorate(name, attributes, resources, awaited, target.__func__)
        return type(target)(inner)
    if inspect.isclass(target) or not callable(target):
        raise TypeError(f"only functions and methods can be timed, not {target!r}: decorate the methods of a class")
    title = name if name is not None else getattr(target, "__qualname__", type(target).__qualname__)
    module = getattr(target, "__module__", None)
    on_span = {
        semconv.CODE_FUNCTION_NAME: f"{module}.{getattr(target, '__qualname__', title)}" if module else title,
        **(attributes or {}),
    }

    def timer() -> Timer:
        return Timer(title, on_span, None, resources)

    return functools.wraps(target)(_wrapper(target, timer, awaited))


def _wrapper(function: Callable[..., Any], timer: Callable[[], Timer], awaited: bool) -> Callable[..., Any]:
    """What stands in for the function: of the same sort, since frameworks ask `iscoroutinefunction` and its
    siblings."""
    sort: Any = (
        function if inspect.isroutine(function) or isinstance(function, functools.partial) else _call_of(function)
    )
    if inspect.isgeneratorfunction(sort):
        return timed_generator(function, timer)
    if inspect.isasyncgenfunction(sort):
        return timed_async_generator(function, timer)
    if inspect.iscoroutinefunction(sort):

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with timer():
                return await function(*args, **kwargs)

        return coroutine
    if awaited:

        async def maybe_coroutine(*args: Any, **kwargs: Any) -> Any:
            with timer():
                result = function(*args, **kwargs)
                return await result if inspect.isawaitable(result) else result

        return maybe_coroutine

    def plain(*args: Any, **kwargs: Any) -> Any:
        operation = timer().begin()
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            operation.end(error)
            raise
        if type(value) in SETTLED or not has_to_be_awaited(value):
            operation.end()
            return value
        operation.suspend()
        return watched_from_aside(value, operation.end, functools.partial(_timed, operation))

    return plain


async def _timed(operation: Operation, value: Any) -> Any:
    """What a plain function handed back to be awaited: the operation ends when this does."""
    operation.resume()
    try:
        value = await value
    except BaseException as error:
        operation.end(error)
        raise
    operation.end()
    return value


def _call_of(instance: object) -> Any:
    return type(instance).__call__
