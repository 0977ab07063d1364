"""An endpoint that is dead or hangs neither holds a process up at its end nor changes its status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_endpoint import HANG, otlp_endpoint
from support.services import free_port, lean, observed

pytestmark = pytest.mark.servers

BUDGET = 1.0
MARGIN = 3.0
SCRIPT = """
import logging, sys, time
from opentelemetry import metrics
from trax_otel.metrics import timing_context

metrics.get_meter("shop").create_counter("shop.requests").add(1)
for _ in range(20):
    with timing_context("work"):
        logging.getLogger("shop").error("served")
print("end", time.time(), flush=True)
{ending}
"""


@pytest.fixture(scope="module", params=["dead", "hanging"])
def endpoint_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "dead":
        yield f"http://127.0.0.1:{free_port()}"
        return
    with otlp_endpoint() as endpoint:
        endpoint.behave = lambda path, count, message: HANG
        yield endpoint.url


def check(stderr: str, seconds_over: float) -> None:
    lines = [line for line in stderr.splitlines() if line != "served"]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("trax-otel: not delivered: ")
    for what in ("20 spans", "metric data points", "20 log records"):
        assert what in lines[0]
    assert seconds_over < BUDGET + MARGIN


@pytest.mark.parametrize("status", [0, 3])
def test_the_end_keeps_to_its_budget(tmp_path: Path, endpoint_url: str, status: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(ending=f"sys.exit({status})"))
    done = subprocess.run(
        observed(endpoint_url, "budget", [sys.executable, str(script)]),
        env={**os.environ, **lean(), "TRAX_EXIT_TIMEOUT": str(BUDGET)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    seconds_over = time.time() - float(done.stdout.split()[1])
    assert done.returncode == status
    check(done.stderr, seconds_over)


def test_the_end_by_sigterm_keeps_to_it_too(tmp_path: Path, endpoint_url: str) -> None:
    # Naps, for Python runs a signal's handler between two instructions: one that comes just before a sleep waits for its end.
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(ending="for _ in range(600): time.sleep(0.1)"))
    process = subprocess.Popen(
        observed(endpoint_url, "budget", [sys.executable, str(script)]),
        env={**os.environ, **lean(), "TRAX_EXIT_TIMEOUT": str(BUDGET)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("end ")
    told = time.time()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    check(stderr, time.time() - told)
