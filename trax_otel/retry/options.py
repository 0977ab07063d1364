"""The keywords of `retry(…)` for type checkers: what `RetryConfig` takes. Imported by nothing that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict

from .base import Callback, Stop
from .budget import RetryBudget
from .conditions import Condition
from .waits import Jitter, Wait


class RetryOptions(TypedDict, total=False):
    """See `RetryConfig`."""

    max_retries: int
    initial_delay: float
    max_delay: float
    jitter: Jitter
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
