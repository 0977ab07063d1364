"""Mistakes that type checkers find. Each line that ends in `# mistake` is an error to mypy and to pyright, and no other is."""

from __future__ import annotations

from trax_otel.errors import create_api_error, create_network_error, create_recovery_error, error_handler
from trax_otel.metrics import timing_decorator
from trax_otel.recovery import FallbackManager, fallback_context, fallback_point, feature
from trax_otel.retry import (
    CircuitBreaker,
    RetryConfig,
    RetryContext,
    async_retry,
    circuit_breaker,
    retry,
    retry_budget,
    retrying,
)


def plain(url: str) -> int:
    return len(url)


async def coroutine(url: str) -> int:
    return len(url)


breaker = CircuitBreaker()
fallbacks = FallbackManager()

# --- Options that do not exist --------------------------------------------------------------------

RetryConfig(max_retrys=3)  # mistake
RetryConfig().replace(max_retrys=3)  # mistake
retry(max_retrys=3)  # mistake
async_retry(max_retrys=3)  # mistake
retrying(initial_dealy=3)  # mistake
RetryContext(max_retrys=3)  # mistake
CircuitBreaker(failure_treshold=3)  # mistake
circuit_breaker("x", failure_treshold=3)  # mistake
retry_budget("x", token=3)  # mistake
create_api_error("x", original_eror=ValueError())  # mistake
create_network_error("x", retriable=True)  # mistake
create_recovery_error("x", cause=(ValueError(),))  # mistake
error_handler(operaton="x")  # mistake
timing_decorator(attribute={})  # mistake
feature("x", windw=3.0)  # mistake

# --- Options of another type ----------------------------------------------------------------------

RetryConfig(max_retries="three")  # mistake
RetryConfig(retry_on="ConnectionError")  # mistake
RetryConfig(deadline="3s")  # mistake
RetryConfig(attempt_spans="sometimes")  # mistake
retry(max_retries="three")  # mistake
retrying(wait="quadratic")  # mistake
CircuitBreaker(timeout="60")  # mistake
circuit_breaker("x", failure_threshold="5")  # mistake
create_api_error("x", status_code="503")  # mistake
create_api_error(503)  # mistake

# --- Calls of functions with other arguments ------------------------------------------------------


@retry(max_retries=1)
def retried(url: str) -> int:
    return 1


@breaker
def guarded(url: str) -> int:
    return 1


@fallback_point
def point(url: str) -> int:
    return 1


retried(3)  # mistake
retried("x", timeout=3)  # mistake
guarded()  # mistake
point(url=3)  # mistake
retrying().call(plain)  # mistake
retrying().call(plain, 3)  # mistake
breaker.call(plain, link="x")  # mistake
fallbacks.execute_with_fallbacks_sync(plain, 3)  # mistake
text: str = retrying().call(plain, "x")  # mistake
with RetryContext() as context:
    context.execute(plain, 3)  # mistake
with fallback_context(fallbacks) as answers:
    answers.execute(plain, 3)  # mistake


async def calls() -> None:
    await retrying().acall(coroutine, 3)  # mistake
    await breaker.acall(coroutine)  # mistake
    await fallbacks.execute_with_fallbacks(coroutine, 3)  # mistake
    len(await retrying().acall(coroutine, "x"))  # mistake
