"""`error_handler`: classify, record once, log once, re-raise."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from ..signals import record_error
from .facts import error_facts

Function = TypeVar("Function", bound=Callable[..., Any])

_LOGGED: Final = "__trax_logged__"
_logger = logging.getLogger(__name__)


class _Handling:
    """What one decorated function does with its errors."""

    def __init__(
        self,
        name: str,
        reraise: bool,
        default: Any,
        logger: logging.Logger | None,
        on_error: Callable[[BaseException], object] | None,
    ) -> None:
        self.name = name
        self.reraise = reraise
        self.default = default
        self.logger = logger
        self.on_error = on_error

    def handle(self, error: Exception) -> None:
        facts = error_facts(error)
        record_error(error, facts)
        self._log_once(error, facts.code)
        if self.on_error is None:
            return
        try:
            self.on_error(error)
        except Exception:  # a callback's failure must not hide the error it was told of
            _logger.warning("the on_error callback of %s raised", self.name, exc_info=True)

    def _log_once(self, error: Exception, code: str) -> None:
        marks = getattr(error, "__dict__", {})
        if marks.get(_LOGGED):
            return
        marks[_LOGGED] = True
        logger = self.logger or logging.getLogger(self.name.rpartition(".")[0] or self.name)
        extra = {"error_code": code, "error_type": type(error).__name__, "operation": self.name}
        logger.error("%s failed: %s", self.name, code, exc_info=error, extra=extra)


@overload
def error_handler(function: Function, /) -> Function: ...


@overload
def error_handler(
    *,
    operation: str | None = None,
    reraise: bool = True,
    default: Any = None,
    logger: logging.Logger | None = None,
    on_error: Callable[[BaseException], object] | None = None,
) -> Callable[[Function], Function]: ...


def error_handler(
    function: Function | None = None,
    /,
    *,
    operation: str | None = None,
    reraise: bool = True,
    default: Any = None,
    logger: logging.Logger | None = None,
    on_error: Callable[[BaseException], object] | None = None,
) -> Any:
    """Decorate a function, method, coroutine function, generator or async generator so that its errors are told.

    Each error is classified, recorded on the current span and counted once, logged once with its code however many handlers
    it crosses, and raised again as it is. With `reraise=False` the call returns `default` instead (a generator ends). What
    is no `Exception` (cancellation, exits) passes untouched. `on_error` is called with each error; if it raises, that is
    logged. Raises TypeError for what is no function.
    """
    if function is None:
        return functools.partial(
            _decorate, operation=operation, reraise=reraise, default=default, logger=logger, on_error=on_error
        )
    return _decorate(function, operation=operation, reraise=reraise, default=default, logger=logger, on_error=on_error)


def _decorate(function: Any, *, operation: str | None, **options: Any) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_decorate(function.__func__, operation=operation, **options))
    if not callable(function) or inspect.isclass(function):
        raise TypeError(f"error_handler decorates functions, not {function!r}")
    name = operation or f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    handling = _Handling(name, **options)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, handling)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, handling)
    if inspect.isgeneratorfunction(function):
        return _generator(function, handling)
    return _plain(function, handling)


def _plain(function: Any, handling: _Handling) -> Any:
    @functools.wraps(function)
    def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            handling.handle(error)
            if handling.reraise:
                raise
            return handling.default

    return handled


def _coroutine(function: Any, handling: _Handling) -> Any:
    @functools.wraps(function)
    async def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except Exception as error:
            handling.handle(error)
            if handling.reraise:
                raise
            return handling.default

    return handled


def _generator(function: Any, handling: _Handling) -> Any:
    @functools.wraps(function)
    def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            return (yield from function(*args, **kwargs))
        except Exception as error:
            handling.handle(error)
            if handling.reraise:
                raise
            return handling.default

    return handled


def _async_generator(function: Any, handling: _Handling) -> Any:
    @functools.wraps(function)
    async def handled(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        sent: Any = None
        try:
            while True:
                try:
                    value = await inner.asend(sent)
                except StopAsyncIteration:
                    return
                try:
                    sent = yield value
                except GeneratorExit:
                    raise
                except BaseException as thrown:
                    value = await inner.athrow(thrown)
                    sent = yield value
        except Exception as error:
            handling.handle(error)
            if handling.reraise:
                raise
        finally:
            await inner.aclose()

    return handled
