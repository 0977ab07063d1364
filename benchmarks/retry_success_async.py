"""What a retry costs a coroutine that succeeds at once, with no SDK set up."""

from __future__ import annotations

import asyncio

import backoff
import stamina
import tenacity

from benchmarks.harness import Case, Result, compare
from trax_otel.retry import async_retry

TITLE = "A retried coroutine that succeeds at once, tracing off, × the undecorated await"
OURS = "trax_otel async_retry"
TARGETS = {OURS: 4.0}


async def _work(value: int) -> int:
    return value


def _case(function: object) -> Case:
    async def calls(count: int, work=function) -> None:  # type: ignore[no-untyped-def]
        for _ in range(count):
            await work(1)

    return lambda count: asyncio.run(calls(count))


def run(rounds: int) -> Result:
    """Interleaved, in one process; the loop's own start is spread over many calls."""
    return compare(
        {
            "undecorated": _case(_work),
            OURS: _case(async_retry(max_retries=3)(_work)),
            "backoff": _case(backoff.on_exception(backoff.expo, ConnectionError, max_tries=4)(_work)),
            "stamina": _case(stamina.retry(on=ConnectionError, attempts=4)(_work)),
            "tenacity": _case(tenacity.retry(stop=tenacity.stop_after_attempt(4))(_work)),
        },
        rounds=rounds,
        slice_seconds=0.05,
    )
