"""What importing the package and each library room costs, in fresh interpreters, against the OTel API's own import."""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
from pathlib import Path

import trax_otel
from benchmarks.harness import Result, Row

TITLE = "Import, × the OTel API's own"
BASELINE = "opentelemetry API"
ROOMS = [
    "trax_otel",
    *(
        f"trax_otel.{room}"
        for room in ("config", "lifecycle", "signals", "errors", "metrics", "logging", "retry", "recovery")
    ),
]
TARGETS = dict.fromkeys(ROOMS, 1.3)

API = "from opentelemetry import trace, metrics, _logs, propagate, baggage"
TIMED = "import time; began = time.perf_counter()\n{}\nprint(time.perf_counter() - began)"


def run(rounds: int = 15) -> Result:
    """Start one interpreter for each import in turn, `rounds` times."""
    compileall.compile_dir(Path(trax_otel.__file__).parent, quiet=1)  # as an installed package is
    cases = {BASELINE: API, **{room: f"import {room}" for room in ROOMS}, "structlog": "import structlog"}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, statement in cases.items():
            done = subprocess.run(
                [sys.executable, "-I", "-c", TIMED.format(statement)], capture_output=True, text=True, check=True
            )
            times[name].append(float(done.stdout))
    rows = []
    for name, measured in times.items():
        ratios = [own / base for own, base in zip(measured, times[BASELINE], strict=True)]
        rows.append(Row(name, statistics.median(measured) * 1e6, statistics.median(ratios), min(ratios), max(ratios)))
    return Result(tuple(rows))
