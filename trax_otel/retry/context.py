"""Retrying without a decorator: `retrying(…)` calls and iterates, `RetryContext` is for `with` and `async with`."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..errors.awaiting import is_coroutine_function
from .base import RetryConfig, configured
from .decorators import refuse_attempt_timeout
from .drivers import run, run_async
from .functions import name_of, refuse_what_cannot_be_retried
from .iteration import Attempts
from .policy import Policy, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from typing_extensions import ParamSpec, Self, Unpack

    from .details import RetryDetails
    from .iteration import Attempt
    from .options import AsyncRetryContext, RetryOptions

    P = ParamSpec("P")

T = TypeVar("T")
DEFAULT_NAME = "retry"


class Retrying:
    """A configuration ready to be used, any number of times and from any thread or task.

    `call` and `acall` call a function; `for attempt in …: with attempt: …` retries a block, `async for` likewise.
    """

    __slots__ = ("config",)

    def __init__(self, config: RetryConfig) -> None:
        self.config = config

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function now, with retries; returns its value or raises its last error."""
        refuse_what_cannot_be_retried(function)
        policy = Policy(self.config, name_of(function))
        refuse_attempt_timeout(self.config, policy.name)
        result: T = run(policy.plan(functools.partial(function, *args, **kwargs), policy.operation()))
        return result

    @overload
    async def acall(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def acall(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def acall(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`call` in a task; what the function returns is awaited where it is awaitable."""
        refuse_what_cannot_be_retried(function)
        policy = Policy(self.config, name_of(function))
        return await run_async(policy.plan(functools.partial(function, *args, **kwargs), policy.operation()))

    def __iter__(self) -> Iterator[Attempt]:
        refuse_attempt_timeout(self.config, self.config.name or DEFAULT_NAME)
        return Attempts(Policy(self.config, DEFAULT_NAME))

    def __aiter__(self) -> AsyncIterator[Attempt]:
        return Attempts(Policy(self.config, DEFAULT_NAME))


def retrying(config: RetryConfig | None = None, /, **options: Unpack[RetryOptions]) -> Retrying:
    """Retry without a decorator: `retrying(max_retries=3).call(function, argument)`, or a block:

        for attempt in retrying(max_retries=3, name="load"):
            with attempt:
                …

    Raises:
        InvalidConfigError: an option is unknown or has a value that is not allowed.
    """
    return Retrying(configured(config, dict(options)))


class RetryContext:
    """`with RetryContext(max_retries=3) as context: context.execute(function, argument)`; `async with` and
    `await context.execute(…)` likewise, for functions of both kinds. `details` tells of the latest call."""

    __slots__ = ("_asynchronous", "_run", "config")

    def __init__(self, config: RetryConfig | None = None, /, **options: Unpack[RetryOptions]) -> None:
        self.config = configured(config, dict(options))
        self._asynchronous: bool | None = None
        self._run: Run | None = None

    @property
    def details(self) -> RetryDetails | None:
        """Where the latest call stands or ended; None before the first."""
        return None if self._run is None else self._run.details()

    def execute(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function with retries: its value or its last error; inside `async with` an awaitable of it.

        Raises:
            TypeError: it cannot be retried, or is a coroutine function inside a plain `with`.
            RuntimeError: used outside a `with` block.
        """
        if self._asynchronous is None:
            raise RuntimeError("RetryContext: execute() belongs inside its `with` or `async with` block")
        refuse_what_cannot_be_retried(function)
        policy = Policy(self.config, name_of(function))
        if not self._asynchronous:
            refuse_attempt_timeout(self.config, policy.name)
            if is_coroutine_function(function):
                raise TypeError(f"{policy.name} is a coroutine function: use `async with RetryContext(…)`")
        call = functools.partial(function, *args, **kwargs)
        result: Any = self._execute_async(policy, call) if self._asynchronous else run(self._begin(policy).plan(call))
        return result  # type: ignore[no-any-return]

    async def _execute_async(self, policy: Policy, call: Callable[[], Any]) -> Any:
        return await run_async(self._begin(policy).plan(call))

    def _begin(self, policy: Policy) -> Run:
        self._run = begun = Run(policy, policy.operation())
        return begun

    def __enter__(self) -> Self:
        self._asynchronous = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._asynchronous = None

    async def __aenter__(self) -> AsyncRetryContext:
        self._asynchronous = True
        return self  # type: ignore[return-value]  # what `execute` gives is to be awaited from now on

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._asynchronous = None
