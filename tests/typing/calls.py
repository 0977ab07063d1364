"""What type checkers know of right calls. Checked by test_checkers.py; nothing here runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from typing_extensions import assert_type

from trax_otel.errors import APIError, NetworkError, create_api_error, create_network_error, error_handler
from trax_otel.metrics import timing_context, timing_decorator
from trax_otel.recovery import FallbackManager, fallback_context, fallback_point, stale_while_error
from trax_otel.retry import (
    CircuitBreaker,
    FailedAttempt,
    RetryBudget,
    RetryConfig,
    RetryContext,
    async_retry,
    circuit_breaker,
    retry,
    retry_budget,
    retrying,
)


def plain(url: str, *, timeout: float = 1.0) -> int:
    return len(url)


async def coroutine(url: str, *, timeout: float = 1.0) -> int:
    return len(url)


Plain = Callable[[str], int]
Awaitable = Callable[[str], Coroutine[Any, Any, int]]
breaker = CircuitBreaker(failure_threshold=5, expected_exception=NetworkError, name="typed")
fallbacks = FallbackManager(on=NetworkError, timeout=3.0)


# --- Decorated functions keep their signatures ----------------------------------------------------


@retry
def retried(url: str, *, timeout: float = 1.0) -> int:
    return 1


@retry(max_retries=3, initial_delay=0.5, retry_on=(NetworkError, OSError), jitter="full", wait=[1, 2.5])
def retried_with_options(url: str, *, timeout: float = 1.0) -> int:
    return 1


@retry(RetryConfig(max_retries=3, deadline=3), name="configured")
async def retried_coroutine(url: str, *, timeout: float = 1.0) -> int:
    return 1


@async_retry(budget=RetryBudget("shared", tokens=3), on_give_up=lambda details: details.error)
async def async_retried(url: str, *, timeout: float = 1.0) -> int:
    return 1


@breaker
def guarded(url: str, *, timeout: float = 1.0) -> int:
    return 1


@error_handler(reraise=False, default=0)
def handled(url: str, *, timeout: float = 1.0) -> int:
    return 1


@timing_decorator("timed")
def timed(url: str, *, timeout: float = 1.0) -> int:
    return 1


@fallback_point
def point(url: str, *, timeout: float = 1.0) -> int:
    return 1


@stale_while_error(stale_for=3)
def cached(url: str, *, timeout: float = 1.0) -> int:
    return 1


class Client:
    @retry(max_retries=1)
    def get(self, url: str) -> bytes:
        return b""

    @breaker
    async def put(self, url: str) -> None: ...


assert_type(retried("x", timeout=2), int)
assert_type(retried_with_options("x"), int)
assert_type(guarded("x"), int)
assert_type(handled("x"), int)
assert_type(timed("x"), int)
assert_type(point("x"), int)
assert_type(cached("x"), int)
assert_type(Client().get("x"), bytes)
signatures: list[Plain] = [retried, retried_with_options, guarded, handled, timed, point, cached]
coroutines: list[Awaitable] = [retried_coroutine, async_retried]


# --- Calls give the function's type ---------------------------------------------------------------


assert_type(retrying(max_retries=1).call(plain, "x", timeout=2), int)
assert_type(breaker.call(plain, "x", timeout=2), int)
assert_type(fallbacks.execute_with_fallbacks_sync(plain, "x"), int)

with RetryContext(max_retries=1) as context:
    assert_type(context.execute(plain, "x"), int)
with fallback_context(fallbacks) as answers:
    assert_type(answers.execute(plain, "x"), int)
for attempt in retrying():
    with attempt:
        assert_type(attempt.number, int)
with timing_context("block") as timer:
    assert_type(timer.duration_ms, float)


async def calls() -> None:
    assert_type(await retried_coroutine("x"), int)
    assert_type(await retrying().acall(coroutine, "x", timeout=2), int)
    assert_type(await retrying().acall(plain, "x"), int)
    assert_type(await breaker.acall(coroutine, "x"), int)
    assert_type(await fallbacks.execute_with_fallbacks(coroutine, "x"), int)
    assert_type(await fallbacks.execute_with_fallbacks(plain, "x"), int)
    async with RetryContext(max_retries=1) as inside:
        assert_type(await inside.execute(coroutine, "x"), int)
        assert_type(await inside.execute(plain, "x"), int)
    async with fallback_context(fallbacks) as manager:
        assert_type(await manager.execute(coroutine, "x"), int)
    async for attempt in retrying():
        with attempt:
            assert_type(attempt.number, int)


# --- Configuration and factories ------------------------------------------------------------------


config = RetryConfig(max_retries=3, initial_delay=1, jitter=None, stop=None, wait=lambda number: number * 2.0)
assert_type(config.replace(max_retries=4), RetryConfig)
assert_type(circuit_breaker("typed", timeout=3), CircuitBreaker)
assert_type(retry_budget("shared", per_second=1), RetryBudget)
assert_type(create_api_error("x", original_error=ValueError(), retryable=True, context={"order": 3}), APIError)
assert_type(create_network_error("x"), NetworkError)
assert_type(FailedAttempt(1, "refused", None).delay, float | None)
