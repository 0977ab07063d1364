"""The keywords of `retry(…)`, `retry_budget(…)` and `circuit_breaker(…)` for type checkers. Imported by nothing that runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, ParamSpec, Protocol, TypedDict, TypeVar, overload

from ..config import Unset
from .base import Callback, Stop
from .budget import RetryBudget
from .conditions import Condition
from .details import RetryDetails
from .waits import Jitter, Wait

P = ParamSpec("P")
T = TypeVar("T")


class RetryOptions(TypedDict, total=False):
    """See `RetryConfig`."""

    max_retries: int | Unset
    initial_delay: float | Unset
    max_delay: float | Unset
    jitter: Jitter | Unset
    wait: Wait
    deadline: float | None
    attempt_timeout: float | None
    budget: RetryBudget | str | None
    stop: Stop | None
    retry_on: Condition | None
    retry_on_result: Callable[[Any], bool] | None
    before_attempt: Callback | None
    before_sleep: Callback | None
    on_success: Callback | None
    on_give_up: Callback | None
    attempt_spans: Literal["on_failure", "always"]
    name: str | None


class BudgetOptions(TypedDict, total=False):
    """See `RetryBudget`."""

    tokens: float
    per_second: float
    per_success: float


class BreakerOptions(TypedDict, total=False):
    """See `CircuitBreaker`."""

    failure_threshold: int | Unset | None
    timeout: float
    expected_exception: Condition | None
    failure_rate: float | None
    slow_call_rate: float | None
    slow_call_seconds: float | None
    window_calls: int
    window_seconds: float | None
    minimum_calls: int
    half_open_calls: int
    probe_timeout: float | None
    timeout_growth: float
    max_timeout: float | None


class AsyncRetryContext(Protocol):
    """What `async with RetryContext(…)` gives: what `execute` returns has to be awaited."""

    @property
    def details(self) -> RetryDetails | None:
        """See `RetryContext.details`."""
        ...

    @overload
    def execute(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
    @overload
    def execute(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...
    def execute(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """See `RetryContext.execute`."""
        ...
