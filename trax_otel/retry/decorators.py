"""`retry` and `async_retry`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .. import errors
from ..errors.awaiting import SETTLED, has_to_be_awaited, is_coroutine_function, watched
from ..signals import observed
from .base import RetryConfig, configured
from .drivers import run_async, run_or_hand_back, without_frame
from .functions import name_of, refuse_what_cannot_be_retried
from .plan import Outcome
from .policy import Policy, Run
from .telemetry import begin_operation

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..metrics.operation import Operation
    from .options import RetryOptions

F = TypeVar("F", bound=Callable[..., Any])


@overload
def retry(function: F, /) -> F: ...
@overload
def retry(config: RetryConfig | None = None, /, **options: Unpack[RetryOptions]) -> Callable[[F], F]: ...
def retry(config: Any = None, /, **options: Any) -> Any:
    """Call a function again when it fails in a way that may pass: `@retry`, `@retry(max_retries=3)`, `@retry(config)`.

    Takes what `RetryConfig` takes. Coroutine functions are recognised. The last error itself is raised, with what
    happened in its `attempts` and in a note.

    Raises:
        InvalidConfigError: an option is unknown or has a value that is not allowed.
        TypeError: what is decorated cannot be retried (a generator function, a class).
    """
    if callable(config) and not isinstance(config, RetryConfig):
        return _decorated(config, configured(None, options), asynchronous=False)
    chosen = configured(config, options)
    return lambda function: _decorated(function, chosen, asynchronous=False)


@overload
def async_retry(function: F, /) -> F: ...
@overload
def async_retry(config: RetryConfig | None = None, /, **options: Unpack[RetryOptions]) -> Callable[[F], F]: ...
def async_retry(config: Any = None, /, **options: Any) -> Any:
    """`retry` for coroutine functions, and for plain functions that return an awaitable."""
    if callable(config) and not isinstance(config, RetryConfig):
        return _decorated(config, configured(None, options), asynchronous=True)
    chosen = configured(config, options)
    return lambda function: _decorated(function, chosen, asynchronous=True)


def _decorated(function: Any, config: RetryConfig, *, asynchronous: bool) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_decorated(function.__func__, config, asynchronous=asynchronous))
    refuse_what_cannot_be_retried(function)
    policy = Policy(config, name_of(function))
    if asynchronous or is_coroutine_function(function):
        return _async_wrapper(function, policy)
    refuse_attempt_timeout(config, policy.name)
    return _sync_wrapper(function, policy)


def _sync_wrapper(function: Callable[..., Any], policy: Policy) -> Callable[..., Any]:
    straight, plain, name = policy.tally.straight, policy.plain, policy.name

    @functools.wraps(function)
    def retried(*args: Any, **kwargs: Any) -> Any:
        operation = begin_operation(name) if observed() else None
        if plain:
            try:
                value = function(*args, **kwargs)
            except BaseException as error:  # what follows happens outside this block: the error's context stays its own
                first = Outcome(None, without_frame(error))
            else:
                if type(value) not in SETTLED and has_to_be_awaited(value):
                    return _handed_back(policy, value, functools.partial(function, *args, **kwargs), operation)
                next(straight)
                if operation is not None:
                    operation.end()
                return value
        else:
            first = None
        run = Run(policy, operation)
        plan = run.plan(functools.partial(function, *args, **kwargs), first)
        first = None  # its frames lead back to this one, and the plan keeps it no longer than it needs it
        return run_or_hand_back(plan, run)

    return retried


def _handed_back(policy: Policy, value: Any, call: Callable[[], Any], operation: Operation | None) -> Any:
    """A plain function has handed back an awaitable, which is the first attempt then."""
    if operation is not None:
        operation.suspend()
    try:
        return watched(value, functools.partial(_first_attempt, policy, call, operation))
    except BaseException as refused:
        if operation is not None:
            operation.end(refused)
        raise


async def _first_attempt(policy: Policy, call: Callable[[], Any], operation: Operation | None, value: Any) -> Any:
    if operation is not None:
        operation.resume()
    try:
        value = await value
    except BaseException as error:
        first = Outcome(None, without_frame(error))
    else:
        next(policy.tally.straight)
        if operation is not None:
            operation.end()
        return value
    plan = policy.plan(call, operation, first)
    del first, value  # the plan keeps it no longer than it needs it
    return await run_async(plan)


def _async_wrapper(function: Callable[..., Any], policy: Policy) -> Callable[..., Any]:
    straight, plain, name = policy.tally.straight, policy.plain, policy.name

    @functools.wraps(function)
    async def retried(*args: Any, **kwargs: Any) -> Any:
        operation = begin_operation(name) if observed() else None
        if plain:
            try:
                value = await function(*args, **kwargs)
            except BaseException as error:
                first = Outcome(None, without_frame(error))
            else:
                next(straight)
                if operation is not None:
                    operation.end()
                return value
        else:
            first = None
        plan = policy.plan(functools.partial(function, *args, **kwargs), operation, first)
        first = None
        return await run_async(plan)

    return retried


def refuse_attempt_timeout(config: RetryConfig, name: str) -> None:
    """A synchronous call cannot be interrupted, and we do not pretend."""
    if config.attempt_timeout is not None:
        raise errors.InvalidConfigError(
            f"{name}: attempt_timeout={config.attempt_timeout!r} needs an async function; nothing can interrupt a "
            "synchronous one: give its client a timeout, and the whole call a deadline"
        )
