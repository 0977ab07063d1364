"""`error_handler`: classify, record once, log once, re-raise."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from opentelemetry.trace import get_current_span

from .. import lifecycle
from ..signals import ErrorFacts, bears, note, noted, record_error
from ..signals.stacktrace import exc_info
from .awaiting import SETTLED, has_to_be_awaited, is_coroutine_function, refuse_awaitable, watched_from_aside
from .control_flow import is_time_limit, steers
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

    def told(self, error: BaseException | None) -> None:
        """What a Task or Future came to, which keeps its outcome."""
        if error is not None:
            self.handle(error)

    def handle(self, error: BaseException) -> bool:
        """Tell of an error; whether it is answered by the default. Never raises, whatever the error's attributes do."""
        if not isinstance(error, Exception) or steers(type(error)):
            return False
        facts = error_facts(error)
        # Where no span tells of it, the line in the log does.
        told_by_span = bears(get_current_span())
        for tell in (record_error, self._log_once) if told_by_span else (self._log_once, record_error):
            try:
                tell(error, facts)
            except Exception as failure:  # an error whose attributes raise, a filter or handler of the application's
                lifecycle.report(f"telling of an error of {self.name} failed: {type(failure).__name__}")
        if self.on_error is not None:
            try:
                refuse_awaitable(self.on_error, self.on_error(error))
            except Exception:  # a callback's failure must not hide the error it was told of
                _logger.warning("the on_error callback of %s raised", self.name, exc_info=True)
        return not (self.reraise or is_time_limit(type(error)))

    def _log_once(self, error: Exception, facts: ErrorFacts) -> None:
        if noted(error, _LOGGED):
            return
        note(error, _LOGGED)
        logger = self.logger or logging.getLogger(self.name.rpartition(".")[0] or self.name)
        extra = {"error_code": facts.code, "error_type": type(error).__name__, "operation": self.name}
        logger.error("%s failed: %s", self.name, facts.code, exc_info=exc_info(error), extra=extra)


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
    is no `Exception` (cancellation, exits) and what libraries steer by passes untouched; a job's time limit is told, and
    always raised. `on_error` is called with each error; if it raises, that is logged. What a plain function hands back to be
    awaited is handled when it is; a Task or Future keeps its outcome, and is only told of. Raises TypeError for what is no
    function.
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
    if is_coroutine_function(options["on_error"]):
        raise TypeError(f"on_error={options['on_error']!r} is a coroutine function; it is called, not awaited")
    name = operation or f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    handling = _Handling(name, **options)
    if is_coroutine_function(function):
        return _coroutine(function, handling)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, handling)
    if inspect.isgeneratorfunction(function):
        return _generator(function, handling)
    return _plain(function, handling)


def _plain(function: Any, handling: _Handling) -> Any:
    watching = functools.partial(_awaited, handling)

    @functools.wraps(function)
    def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            value = function(*args, **kwargs)
        except Exception as error:
            if handling.handle(error):
                return handling.default
            raise
        if type(value) in SETTLED or not has_to_be_awaited(value):
            return value
        return watched_from_aside(value, handling.told, watching)

    return handled


async def _awaited(handling: _Handling, value: Any) -> Any:
    try:
        return await value
    except Exception as error:
        if handling.handle(error):
            return handling.default
        raise


def _coroutine(function: Any, handling: _Handling) -> Any:
    @functools.wraps(function)
    async def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except Exception as error:
            if handling.handle(error):
                return handling.default
            raise

    return handled


def _generator(function: Any, handling: _Handling) -> Any:
    @functools.wraps(function)
    def handled(*args: Any, **kwargs: Any) -> Any:
        try:
            return (yield from function(*args, **kwargs))
        except Exception as error:
            if handling.handle(error):
                return handling.default
            raise

    return handled


def _async_generator(function: Any, handling: _Handling) -> Any:
    """What `yield from` does, for async generators: what is sent and thrown in passes through."""

    @functools.wraps(function)
    async def handled(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        step, argument = inner.asend, None
        try:
            while True:
                try:
                    value = await step(argument)
                except StopAsyncIteration:  # it ended, or swallowed what was thrown in
                    return
                try:
                    step, argument = inner.asend, (yield value)
                except GeneratorExit:
                    raise
                except BaseException as thrown:
                    step, argument = inner.athrow, thrown
        except Exception as error:
            argument = None  # what was thrown in and comes out again would hold this frame, and the frame it
            if not handling.handle(error):
                raise
        finally:
            await inner.aclose()

    return handled
