"""What timing costs where no SDK is set up: only the figures for `export_all_metrics()` are kept."""

from __future__ import annotations

import time

from benchmarks.harness import Result, compare
from trax_otel.metrics import timing_context, timing_decorator

TITLE = "Timing with no SDK set up, × a hand-written pair of `perf_counter` calls"
BASELINE = "perf_counter pair"
OURS = "timing_context"
DECORATED = "timing_decorator on an empty function"
TARGETS = {OURS: 20.0}


def _pair(calls: int) -> None:
    perf_counter = time.perf_counter
    for _ in range(calls):
        began = perf_counter()
        elapsed = perf_counter() - began
        assert elapsed >= 0


def _block(calls: int) -> None:
    for _ in range(calls):
        with timing_context("block"):
            pass


@timing_decorator("function")
def _function() -> None: ...


def _decorated(calls: int) -> None:
    for _ in range(calls):
        _function()


def run(rounds: int) -> Result:
    """Interleaved, in one process."""
    return compare({BASELINE: _pair, OURS: _block, DECORATED: _decorated}, rounds=rounds)
