"""What a closed circuit breaker costs a synchronous call, with no SDK set up."""

from __future__ import annotations

import circuitbreaker
import pybreaker

from benchmarks.harness import Case, Result, compare
from trax_otel.retry import CircuitBreaker

TITLE = "A call through a closed circuit breaker, tracing off, × the bare call"
OURS = "trax_otel CircuitBreaker"
TARGETS = {OURS: 8.0}


def _work() -> int:
    return 1


def _case(function: object) -> Case:
    def calls(count: int) -> None:
        for _ in range(count):
            function()  # type: ignore[operator]

    return calls


def run(rounds: int) -> Result:
    """Interleaved, in one process."""
    return compare(
        {
            "bare call": _case(_work),
            OURS: _case(CircuitBreaker(name="benchmark")(_work)),
            "trax_otel, with a failure rate": _case(CircuitBreaker(name="benchmark rate", failure_rate=0.5)(_work)),
            "circuitbreaker": _case(circuitbreaker.CircuitBreaker(name="theirs")(_work)),
            "pybreaker": _case(pybreaker.CircuitBreaker()(_work)),
        },
        rounds=rounds,
    )
