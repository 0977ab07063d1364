"""What a closed circuit breaker costs a coroutine, with no SDK set up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import circuitbreaker

from benchmarks.harness import Case, Result, compare
from trax_otel.retry import CircuitBreaker

TITLE = "A coroutine through a closed circuit breaker, tracing off, × the bare await"
OURS = "trax_otel CircuitBreaker"
TARGETS = {OURS: 4.0}


async def _work() -> int:
    return 1


def _case(function: Callable[[], Awaitable[int]]) -> Case:
    async def all_calls(count: int) -> None:
        for _ in range(count):
            await function()

    def calls(count: int) -> None:
        loop.run_until_complete(all_calls(count))

    loop = asyncio.new_event_loop()
    return calls


def run(rounds: int) -> Result:
    """Interleaved, in one process. pybreaker has no asyncio."""
    return compare(
        {
            "bare await": _case(_work),
            OURS: _case(CircuitBreaker(name="benchmark")(_work)),
            "circuitbreaker": _case(circuitbreaker.CircuitBreaker(name="theirs")(_work)),
        },
        rounds=rounds,
    )
