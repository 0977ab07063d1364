"""Whether calls through one breaker scale with threads like the bare function: the work releases the interpreter's lock."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import pybreaker

from benchmarks.harness import Case, Result, compare
from trax_otel.retry import CircuitBreaker

TITLE = "Two threads through one closed circuit breaker, × two threads of the bare function"
OURS = "trax_otel CircuitBreaker"
TARGETS = {OURS: 1.1}
THREADS = 2
DATA = bytes(500_000)


def _work() -> bytes:
    return hashlib.sha256(DATA).digest()


def _case(function: Callable[[], bytes]) -> Case:
    def some(count: int) -> None:
        for _ in range(count):
            function()

    def calls(count: int) -> None:
        threads = [threading.Thread(target=some, args=(count,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return calls


def run(rounds: int) -> Result:
    """Interleaved, in one process."""
    return compare(
        {
            "bare function": _case(_work),
            OURS: _case(CircuitBreaker(name="benchmark")(_work)),
            "pybreaker": _case(pybreaker.CircuitBreaker()(_work)),
        },
        rounds=rounds,
        slice_seconds=0.05,
    )
