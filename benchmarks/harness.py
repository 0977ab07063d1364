"""Ratios in one run: every case in turn, round after round, so that a machine that slows down slows all of them.

A benchmark module has `TITLE`, `TARGETS` (the ratio promised, by case) and `run(rounds) -> Result`.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Case = Callable[[int], None]
"""Does its work that many times."""


@dataclass(frozen=True)
class Row:
    """One case: the median time of one call in microseconds, and its ratio to the baseline, median, least and most."""

    name: str
    microseconds: float
    ratio: float
    least: float
    most: float


@dataclass(frozen=True)
class Result:
    """The rows of one benchmark; the first is the baseline."""

    rows: tuple[Row, ...]

    def ratio(self, name: str) -> float:
        """The median ratio of a case to the baseline."""
        return next(row.ratio for row in self.rows if row.name == name)


def compare(cases: dict[str, Case], *, rounds: int = 25, slice_seconds: float = 0.01) -> Result:
    """Run the cases in turn; each round's ratio is taken to the same round's baseline (the first case)."""
    calls = {name: _calls_in(case, slice_seconds) for name, case in cases.items()}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            times[name].append(_time(case, calls[name]))
    baseline = next(iter(cases))
    rows = []
    for name, measured in times.items():
        ratios = [own / base for own, base in zip(measured, times[baseline], strict=True)]
        rows.append(Row(name, statistics.median(measured) * 1e6, statistics.median(ratios), min(ratios), max(ratios)))
    return Result(tuple(rows))


def _time(case: Case, calls: int) -> float:
    gc.collect()
    gc.disable()
    began = time.perf_counter()
    case(calls)
    elapsed = time.perf_counter() - began
    gc.enable()
    return elapsed / calls


def _calls_in(case: Case, seconds: float) -> int:
    """How many calls fill a slice; the search also warms everything up."""
    calls = 1
    while True:
        elapsed = _time(case, calls) * calls
        if elapsed >= seconds / 2 or calls >= 10**7:
            return max(1, int(calls * seconds / max(elapsed, 1e-9)))
        calls *= 4
