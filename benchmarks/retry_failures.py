"""Three failures and a success, without a wait and with no SDK set up."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

import backoff
import stamina
import stamina.instrumentation
import tenacity

from benchmarks.harness import Case, Result, compare
from trax_otel.retry import retry

TITLE = "Three failures, then success, no delay, tracing off, × a hand-written loop"
OURS = "trax_otel retry"
TARGETS = {OURS: 3.0}
ATTEMPTS = 4
_logger = logging.getLogger(__name__)


def _failing() -> Callable[[], int]:
    """A function that fails three times of four."""
    calls = 0

    def work() -> int:
        nonlocal calls
        calls += 1
        if calls % ATTEMPTS:
            raise ConnectionError("the peer went away")
        return calls

    return work


def _bare() -> Callable[[], int]:
    """Nothing but the repetition."""
    work = _failing()

    def call() -> int:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work()
            except ConnectionError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    return call


def _by_hand() -> Callable[[], int]:
    """What people write: back-off with jitter, a debug log line, the errors kept and the outcomes counted."""
    work = _failing()
    lock = threading.Lock()
    outcomes = {"succeeded": 0, "failed": 0}
    initial_delay, max_delay = 0.0, 30.0

    def count(outcome: str) -> None:
        with lock:
            outcomes[outcome] += 1

    def call() -> int:
        errors = []
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result = work()
            except (ConnectionError, TimeoutError) as error:
                errors.append(error)
                if attempt == ATTEMPTS:
                    count("failed")
                    raise
                delay = min(initial_delay * 2 ** (attempt - 1), max_delay) * random.uniform(0.9, 1.1)
                _logger.debug("attempt %d failed, the next follows in %.3f s", attempt, delay)
                if delay > 0:
                    time.sleep(delay)
            else:
                count("succeeded")
                return result
        raise AssertionError("unreachable")

    return call


def _case(function: Callable[[], int]) -> Case:
    def calls(count: int) -> None:
        for _ in range(count):
            function()

    return calls


def run(rounds: int) -> Result:
    """Interleaved, in one process."""
    logging.getLogger("backoff").disabled = True
    stamina.instrumentation.set_on_retry_hooks([])
    ours = retry(max_retries=3, initial_delay=0, jitter=None)
    by_class = retry(max_retries=3, initial_delay=0, jitter=None, retry_on=ConnectionError)
    theirs = stamina.retry(on=ConnectionError, attempts=ATTEMPTS, wait_initial=0, wait_max=0, wait_jitter=0)
    return compare(
        {
            "hand-written loop": _case(_by_hand()),
            "bare loop": _case(_bare()),
            OURS: _case(ours(_failing())),
            "trax_otel retry, by class": _case(by_class(_failing())),
            "backoff": _case(
                backoff.on_exception(backoff.constant, ConnectionError, max_tries=ATTEMPTS, interval=0, jitter=None)(
                    _failing()
                )
            ),
            "stamina": _case(theirs(_failing())),
            "tenacity": _case(
                tenacity.retry(
                    stop=tenacity.stop_after_attempt(ATTEMPTS), wait=tenacity.wait_none(),
                    retry=tenacity.retry_if_exception_type(ConnectionError),
                )(_failing())
            ),
        },
        rounds=rounds,
    )  # fmt: skip
