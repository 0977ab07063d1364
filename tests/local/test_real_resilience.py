"""What the rooms retry and recovery really send, from a service of its own to the views."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from trax_otel.local import terminal
from trax_otel.local.links import incoming, targets
from trax_otel.local.model import Filter
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint

SERVICE = """
from opentelemetry import trace
from trax_otel.errors import NetworkError
from trax_otel.recovery import CallableStrategy, RecoveryContext, RecoveryManager
from trax_otel.retry import CircuitBreaker, retry

tracer = trace.get_tracer("shop")
bank = CircuitBreaker(name="bank", failure_threshold=3, timeout=60)
manager = RecoveryManager()
manager.add_strategy(CallableStrategy(lambda context: "queued", name="queue"))

@retry(max_retries=2, initial_delay=0.02, jitter=None, name="ask")
def ask(answers=iter([NetworkError("away"), NetworkError("away"), "yes"])):
    with tracer.start_as_current_span("POST"):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

@retry(max_retries=2, initial_delay=0.01, jitter=None, name="charge")
@bank
def charge():
    raise NetworkError("the bank is away")

with tracer.start_as_current_span("GET /ask"):
    assert ask() == "yes"
for _ in range(2):
    with tracer.start_as_current_span("GET /charge"):
        try:
            charge()
        except Exception as error:
            assert manager.attempt_recovery_sync(RecoveryContext("charge", error)) == "queued"
"""


@pytest.fixture
def sent(endpoint: Endpoint, queries: Queries, tmp_path: Path) -> Queries:
    script = tmp_path / "service.py"
    script.write_text(SERVICE)
    command = [sys.executable, "-m", "trax_otel", "run", "--service-name", "shop", "--endpoint", endpoint.url, "--"]
    environ = {**os.environ, "TRAX_QUIET": "1", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    done = subprocess.run(
        [*command, sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False, env=environ
    )
    assert done.returncode == 0, done.stderr
    return queries


def shown(queries: Queries, root: str, place: int = 0) -> str:
    """The newest trace of a root, or one before it, as the terminal shows it."""
    trace_id = [entry.trace_id for entry in queries.traces(Filter(operation=root))][place]
    spans = queries.trace(trace_id)
    console = Console(file=io.StringIO(), width=200, highlight=False, force_terminal=False)
    found = incoming(queries, trace_id)
    terminal.print_trace(
        console, spans, queries.logs(Filter(trace_id=trace_id)), targets=targets(queries, spans), incoming=found
    )
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_one_trace_tells_the_whole_story(sent: Queries) -> None:
    asked = shown(sent, "GET /ask")
    in_order = (
        "[2 repeats]",
        "attempt 1  ",
        "(by its time)",
        "┄┄ waited",
        "back-off",
        "attempt 2  ",
        "attempt 3  ",
        "[succeeded]",
    )
    places = [asked.index(part) for part in in_order]
    assert places == sorted(places)

    tripped = shown(sent, "GET /charge", 1)
    assert "← this trace tripped a breaker; what it then rejected: circuit_breaker rejected in" in tripped
    assert "breaker bank: closed → open, too many failures in a row; it rejects calls for 1 min" in tripped
    assert "gave up after attempt 3: no attempt was left" in tripped
    assert "[by queue]  [recovered]" in tripped

    rejected = shown(sent, "GET /charge")
    assert "→ tripped by attempt 3 in trace" in rejected
    assert "gave up after attempt 1: a circuit breaker rejected the call" in rejected

    retries = {entry.operation: entry for entry in sent.retries()}
    assert retries["ask"].ends["succeeded_with_retry"] == 1
    assert (retries["ask"].attempts, retries["ask"].waits) == (3, 2)
    assert retries["charge"].ends["failed_with_retry"] == 1
    assert retries["charge"].others == {"rejected": 1}
    assert retries["ask"].trace_ids, "the waits have exemplars"

    (bank,) = sent.breakers()
    assert (bank.name, bank.state, bank.trips, bank.calls["rejected"], bank.calls["failure"]) == (
        "bank",
        "open",
        1,
        1,
        3,
    )
    assert bank.changes[0].trace_id is not None

    (recovered,) = sent.recoveries().recoveries
    assert (recovered.operation, recovered.answered, recovered.outcome, recovered.count) == (
        "charge",
        "queue",
        "recovered",
        2,
    )
