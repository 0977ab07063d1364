"""What a retry costs a synchronous call that succeeds at once, with no SDK set up."""

from __future__ import annotations

import logging

import backoff
import stamina
import tenacity

from benchmarks.harness import Case, Result, compare
from trax_otel.retry import retry

TITLE = "A retried call that succeeds at once, tracing off, × the undecorated call"
OURS = "trax_otel retry"
TARGETS = {OURS: 8.0}


def _work(value: int) -> int:
    return value


def _case(function: object) -> Case:
    def calls(count: int, work=function) -> None:  # type: ignore[no-untyped-def]
        for _ in range(count):
            work(1)

    return calls


def run(rounds: int) -> Result:
    """Interleaved, in one process."""
    logging.getLogger("backoff").disabled = True
    return compare(
        {
            "undecorated": _case(_work),
            OURS: _case(retry(max_retries=3)(_work)),
            "backoff": _case(backoff.on_exception(backoff.expo, ConnectionError, max_tries=4)(_work)),
            "stamina": _case(stamina.retry(on=ConnectionError, attempts=4)(_work)),
            "tenacity": _case(tenacity.retry(stop=tenacity.stop_after_attempt(4))(_work)),
        },
        rounds=rounds,
    )
