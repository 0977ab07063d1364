"""Functions and breakers that are sent to another process by value, as Ray, Spark and joblib send them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import pytest

from trax_otel.retry import CircuitBreaker, RetryBudget, async_retry, circuit_breaker, retry
from trax_otel.retry.telemetry import tally

cloudpickle = pytest.importorskip("cloudpickle")

RECEIVER = """
import asyncio, pickle, sys
from trax_otel.metrics import export_all_metrics
functions = pickle.load(sys.stdin.buffer)
for function in functions:
    for _ in range(2):
        try:
            value = function()
            if asyncio.iscoroutine(value):
                asyncio.run(value)
        except Exception as error:
            print(type(error).__name__)
from trax_otel.retry.telemetry import tally
from trax_otel.retry import circuit_breaker, circuit_breakers
print({name: {end: count for end, count in tally(name).ends().items() if count} for name in ("sent", "sent-async")})
print([(breaker.name, breaker.state, {k: v for k, v in breaker.calls.by_outcome().items() if v}, breaker.rules.timeout)
       for breaker in circuit_breakers()])
print(circuit_breaker("sent") is circuit_breakers()[0])
print(any("sent-async" in str(point) for point in [export_all_metrics()]))
"""


def received(*functions: Any) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", RECEIVER],
        input=cloudpickle.dumps(functions),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def made() -> Any:
    """Functions that pickle can only send by value."""
    failures = []

    @retry(max_retries=2, initial_delay=0, name="sent", budget=RetryBudget("sent", tokens=50))
    def fails_once() -> int:
        failures.append(1)
        if len(failures) == 1:
            raise ConnectionError
        return 1

    @async_retry(name="sent-async")
    async def fine() -> int:
        return 2

    breaker = CircuitBreaker(name="sent", failure_threshold=1, timeout=77, expected_exception=lambda error: True)

    @breaker
    def guarded() -> int:
        raise ZeroDivisionError

    return fails_once, fine, guarded


def test_what_a_copy_counts_is_counted_where_it_runs() -> None:
    here = tally("sent").ends(), tally("sent-async").ends()
    lines = received(*made())
    assert lines == [
        "ZeroDivisionError",
        "CircuitOpenError",
        "{'sent': {'succeeded_without_retry': 1, 'succeeded_with_retry': 1}, 'sent-async': {'succeeded_without_retry': 2}}",
        "[('sent', 'open', {'failure': 1, 'rejected': 1}, 77)]",
        "True",
        "True",
    ]
    assert (tally("sent").ends(), tally("sent-async").ends()) == here
    assert circuit_breaker("sent").state == "closed"


def test_in_the_same_process_a_copy_is_the_breaker_itself() -> None:
    breaker = CircuitBreaker(name="copied", failure_threshold=3)
    assert pickle.loads(pickle.dumps(breaker)) is breaker
    guarded = cloudpickle.loads(cloudpickle.dumps(breaker(lambda: 1)))
    before = breaker.calls.by_outcome()["success"]
    assert guarded() == 1
    assert breaker.calls.by_outcome()["success"] == before + 1


def test_a_breaker_without_a_name_says_what_it_needs() -> None:
    with pytest.raises(TypeError, match="pass name="):
        pickle.dumps(CircuitBreaker())


def test_a_breaker_is_still_freed_without_the_garbage_collector() -> None:
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        breaker = weakref.ref(CircuitBreaker(name="short-lived"))
        assert breaker() is None
    finally:
        gc.enable()
