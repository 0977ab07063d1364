"""The troubled service (service.py) with the rest of what dashboards show: one address a fault (FAULTS in test_dashboards.py)."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request

from flask import Response, jsonify, request
from service import app, logger

from trax_otel.errors import NetworkError, ProcessingError, RecoveryError
from trax_otel.logging import SecurityEvent, log_security_event
from trax_otel.metrics import add_health_check, add_threshold, resources, start_health_monitoring, timing_context
from trax_otel.metrics.cgroup import ContainerFigures
from trax_otel.recovery import (
    MemoryStorage,
    RecoveryContext,
    RecoveryManager,
    StateRecoveryManager,
    degradable,
    feature,
    operation_state_context,
)
from trax_otel.retry import CircuitBreaker, retry, retry_budget

LEASE_SECONDS = 0.1
# A container with limits, wherever this runs: read_container itself has tests of its own.
resources.read_container = lambda root: ContainerFigures(2, memory_usage=3 << 28, memory_limit=1 << 30, cpu_limit=2.0)
states = StateRecoveryManager(MemoryStorage(), lease_seconds=LEASE_SECONDS, max_recoveries=1)
suggestions = feature("suggestions", ("full", "popular only", "off"), failure_threshold=1, recover_after=600.0)
nobody = RecoveryManager()
flapping = CircuitBreaker(failure_threshold=1, timeout=0.5, name="flapping")
add_health_check("database", lambda: True)
add_health_check("mail", lambda: False)
add_threshold("process.uptime", above=6.0)  # crossed once the first values have been exported
start_health_monitoring(1.0)


def wait() -> None:
    """An operation that runs all the time."""
    with timing_context("background work"):
        threading.Event().wait()


threading.Thread(target=wait, daemon=True).start()


class Killed(BaseException):
    """What ends an operation's process in the midst of it."""


@retry(max_retries=3, initial_delay=0.01, budget=retry_budget("payments", tokens=1, per_second=0.1))
def pay() -> str:
    """Fails more often than its budget allows repeats."""
    raise NetworkError("the bank is away")


@app.get("/budget")
def over_budget() -> tuple[Response, int]:
    """The shared budget is used up."""
    try:
        return jsonify(pay()), 200
    except NetworkError as error:
        return jsonify(error.error_code), 502


@app.get("/flapping")
@flapping
def probe() -> Response:
    """Opens its breaker at each probe."""
    raise NetworkError("still away")


@retry(max_retries=2, initial_delay=0.01)
def away() -> str:
    """Never answers."""
    raise NetworkError("nobody listens")


@app.get("/exhausted")
def exhausted() -> tuple[Response, int]:
    """All attempts fail, and so does the recovery."""
    try:
        away()
    except NetworkError as error:
        try:
            nobody.attempt_recovery_sync(RecoveryContext("load", error))
        except RecoveryError:
            logger.exception("nothing helped")
    return jsonify("given up"), 502


@nobody.strategy(on=NetworkError, priority=10)
def use_replica(context: RecoveryContext) -> str:
    """Is as far away as the rest."""
    raise NetworkError("the replica is away")


@retry(max_retries=2, initial_delay=0.01)
def parse() -> str:
    """Fails in a way that no repeat helps."""
    raise ProcessingError("no such format")


@retry
def read() -> str:
    """Needs no repeat."""
    return "at once"


@app.get("/hopeless")
def hopeless() -> Response:
    """Two calls under a retry that are not repeated: one need not be, one must not be."""
    return jsonify(read(), parse())


@degradable(suggestions)
def suggest() -> list[str]:
    """Takes its feature down."""
    raise ProcessingError("no model")


@suggest.at("popular only")
def suggest_popular() -> list[str]:
    """Needs no model."""
    return ["popular", "things"]


@app.get("/degraded")
def degraded() -> Response:
    """Answers on a lower level."""
    return jsonify(suggest())


@states.register_recovery("import")
def carry_on(state: object) -> None:
    """Finishes what was interrupted."""


@states.register_recovery("export")
def never_works(state: object) -> None:
    """Fails whenever it is tried."""
    raise ProcessingError("the file is gone")


@app.get("/interrupted")
def interrupted() -> Response:
    """One operation ends, one is interrupted and resumed, one is resumed in vain and given up."""
    round_id = time.monotonic_ns()
    with operation_state_context(states, f"done-{round_id}", operation_type="import") as state:
        state.step("read", lambda: 1)
    for kind in ("import", "export"):
        try:
            with operation_state_context(states, f"{kind}-{round_id}", operation_type=kind):
                raise Killed
        except Killed:
            pass
    time.sleep(2 * LEASE_SECONDS)
    return jsonify([recovery.outcome for recovery in states.sync.recover_all()])


@app.get("/slow")
def slow() -> Response:
    """Takes its time."""
    with timing_context("render", resources=True):
        time.sleep(0.3)
    return jsonify("at last")


@app.get("/denied")
def denied() -> tuple[Response, int]:
    """A refused access, from outside."""
    log_security_event(SecurityEvent.ACCESS, "failure", actor="eve", source="198.51.100.9", resource="/admin")
    return jsonify("no"), 403


@app.get("/calls")
def calls() -> Response:
    """Asks other threads of this service: a caller and a callee for the service graph, in peace and in trouble."""
    statuses = []
    for path in ("fine", "failing"):
        try:
            with urllib.request.urlopen(request.host_url + path, timeout=10) as answer:
                statuses.append(answer.status)
        except urllib.error.HTTPError as refusal:
            statuses.append(refusal.code)
            refusal.close()
    return jsonify(statuses)
