"""Every query of every dashboard, run by Grafana over a real service's faults, shows what it is meant to show."""

from __future__ import annotations

import itertools
import sys
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support import dashboards
from support.dashboards import Asked, Grafana, drawn, shows
from support.real_stack import Stack, until
from support.services import free_port, get, lean, serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FAULTS = (
    "fine", "fine", "retried", "failing", "broken", "recovered", "login", "budget", "exhausted", "degraded", "interrupted",
    "slow", "denied", "calls", "flapping", "hopeless",
)  # fmt: skip
"""Addresses of dashboard_service.py: a round of them brings every fault that a panel shows."""

CANNOT = {
    "trax-telemetry: Refused": "a collector refuses at its memory limit: filling it would disturb the stack of the other tests",
    "trax-slo: Budget lasts for": "half of the requests fail: the budget is used up at once, and lasts for 0 s",
    "trax-telemetry: Not queued": "a queue on disk takes nothing where the disk is full",
}
"""Panels whose fault is not brought about here: their queries run, and answer 0."""

TOLD_APART: list[tuple[str, str, set[str]]] = [
    # A recovery that failed (TRAX-007) is the failure that it was for, which counts; `trax_recovery_attempts_total` has it.
    ("trax-errors: Errors by code A", "trax_error_code", {"TRAX-001", "TRAX-017", "TRAX-022"}),
    ("trax-errors: By category A", "trax_error_category", {"network", "api", "processing"}),
    ("trax-errors: Retryable or not A", "trax_error_retryable", {"true", "false"}),
    ("trax-errors: From spans alone A", "trax_error_code", {"TRAX-001", "TRAX-017"}),
    (
        "trax-resilience: How retried operations end A",
        "trax_retry_outcome",
        {"succeeded_without_retry", "succeeded_with_retry", "failed_without_retry", "failed_with_retry", "budget"},
    ),
    ("trax-resilience: Retry budgets A", "trax_retry_budget_name", {"payments"}),
    ("trax-resilience: Trips A", "trax_circuit_breaker_name", {"provider", "flapping"}),
    ("trax-resilience: Calls by outcome A", "trax_outcome", {"failure", "rejected"}),
    ("trax-resilience: Rejections A", "trax_circuit_breaker_name", {"provider"}),
    ("trax-resilience: Recoveries by strategy A", "trax_recovery_outcome", {"recovered", "failed"}),
    ("trax-resilience: Fallbacks A", "trax_recovery_fallback", {"last known"}),
    ("trax-resilience: Features below their full level A", "trax_feature_name", {"suggestions"}),
    ("trax-resilience: Interrupted, given up, lost A", "trax_state_outcome", {"recovered", "dead_lettered"}),
    ("trax-overview: Health checks A", "trax_health_check_name", {"database"}),
    ("trax-overview: Thresholds crossed A", "trax_threshold_metric", {"process.uptime"}),
    ("trax-logs: Security events A", "trax_security_event", {"authentication", "access"}),
    ("trax-logs: Who fails A", "trax_security_source", {"192.0.2.7", "198.51.100.9"}),
    ("trax-logs: Lines by level A", "detected_level", {"warn", "error"}),
    ("trax-telemetry: Dropped by services A", "service_name", {"lossy"}),
    ("trax-telemetry: Silence A", "service_name", {"shop", "lossy"}),
]
"""What a panel shows at the same time, by the label that tells it apart."""

BETWEEN = {
    "trax-overview: Success rate A": (0.1, 0.9),
    "trax-overview: Success rate over time A": (0.1, 0.9),
    "trax-overview: Latency p95 A": (0.2, 2.5),
    "trax-overview: Breakers not closed A": (0.5, 2.5),
    "trax-overview: Health checks failing A": (0.5, 1.5),
    "trax-errors: New codes A": (3.5, 10.5),
    "trax-errors: Share that no retry helps A": (0.1, 0.9),
    "trax-resilience: Calls per operation A": (1.2, 4.0),
    "trax-resilience: Saved by retry A": (0.1, 0.9),
    "trax-resilience: Recovered A": (0.1, 0.9),
    "trax-resilience: Features degraded A": (0.5, 1.5),
    "trax-resources: Container memory A": (0.74, 0.76),
    "trax-telemetry: Lost in services A": (0.0, 0.9),
    "trax-telemetry: Silent for A": (0.0, 90.0),
    "trax-telemetry: Fullest queue A": (0.0, 0.5),
}
"""Between what the last value of a number lies while these faults go on; of two panels of one name, the first."""

DAY_NS = 86_400 * 10**9
QUERIES = [one for one in dashboards.asked() if one.dashboard != "trax-anomalies"]
"""What is usual takes weeks to know: anomalies have a test of their own (test_anomalies.py)."""
AT_ONCE = [one for one in QUERIES if one.dashboard != "trax-slo"]
LATER = [one for one in QUERIES if one.dashboard == "trax-slo"]
"""Budgets are worked out every two minutes, and an alert waits for two: they are asked for last."""


def refused_by_stores(stack: Stack) -> None:
    """One item of each signal that the collector takes and its store does not: too old, too long, without an id."""
    now = time.time_ns()
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="too.old")
    metric.gauge.data_points.add(time_unix_nano=now - 10 * DAY_NS, as_double=1.0)
    stack.send(metrics, "metrics")
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=now)
    record.body.string_value = "too long " * 40_000
    stack.send(logs, "logs")
    traces = ExportTraceServiceRequest()
    span = traces.resource_spans.add().scope_spans.add().spans.add(name="without an id", end_time_unix_nano=now)
    span.start_time_unix_nano = now
    stack.send(traces)


class Traffic(threading.Thread):
    """Asks services for one fault after the other until it is told to stop."""

    def __init__(self, stack: Stack, troubled: str, lossy: str) -> None:
        super().__init__(daemon=True)
        self.stack, self.troubled, self.lossy = stack, troubled, lossy
        self.over = threading.Event()

    def run(self) -> None:
        for number in itertools.count():
            if self.over.is_set():
                break
            if number % 8 == 0:  # what shares a batch with them is refused too
                refused_by_stores(self.stack)
            for path in FAULTS:
                self.ask(self.troubled + path)
            for _ in range(8):
                self.ask(self.lossy + "fine")
            self.over.wait(1.0)

    def ask(self, url: str) -> None:
        try:
            get(url)
        except urllib.error.HTTPError as refusal:
            refusal.close()


class Shown(NamedTuple):
    """The stack while a troubled service runs: `shop`, of the environment `test`; and `lossy`, of none, whose traces get lost."""

    stack: Stack
    grafana: Grafana


@pytest.fixture(scope="module")
def shown(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    nowhere = f"http://127.0.0.1:{free_port()}/v1/traces"
    started = (
        ("shop", "dashboard_service:app", {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}),
        ("lossy", "service:app", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": nowhere, "OTEL_BSP_MAX_QUEUE_SIZE": "4"}),
    )
    with ExitStack() as running:
        urls = []
        for name, application, environ in started:
            port = free_port()
            command = [sys.executable, "-m", "trax_otel", "run", "--service-name", name, "--", sys.executable, "-m", "gunicorn",
                       "--threads", "4", "-b", f"127.0.0.1:{port}", application]  # fmt: skip
            environ |= {"PYTHONPATH": str(Path(__file__).parent), "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp,
                        "OTEL_METRIC_EXPORT_INTERVAL": "1000", **lean("flask", "urllib")}  # fmt: skip
            urls.append(running.enter_context(serving(command, tmp_path_factory.mktemp(name), port, **environ)).url)
        traffic = Traffic(stack, *urls)
        traffic.start()
        password = Path(stack.servers["grafana"].server.environment["GF_PATHS_DATA"]).with_name("password")
        yield Shown(stack, Grafana(f"http://127.0.0.1:{stack.ports['GRAFANA']}", password.read_text(encoding="utf-8")))
        traffic.over.set()
        traffic.join(30)
        assert not traffic.is_alive()


def test_grafana_holds_the_committed_dashboards_and_no_others(shown: Shown) -> None:
    committed = {dashboard["uid"]: dashboard for dashboard in dashboards.dashboards()}
    found = {hit["uid"] for hit in shown.grafana.get("/api/search", type="dash-db")}
    assert found == set(committed)
    for uid, dashboard in committed.items():
        held = shown.grafana.get(f"/api/dashboards/uid/{uid}")
        assert held["meta"]["provisioned"] is True
        assert held["meta"]["folderTitle"] == "TRAX"
        assert held["dashboard"]["panels"] == dashboard["panels"]
        assert held["dashboard"]["templating"] == dashboard["templating"]


def holds_what_it_is_for(shown: Shown, one: Asked, seconds: float) -> None:
    if f"{one.dashboard}: {one.panel}" in CANNOT:
        until(lambda: drawn(shown.grafana.ask(one)), f"an answer to {one.filled()}", seconds)
    else:
        until(lambda: shows(shown.grafana.ask(one)), f"something other than 0 of {one.filled()}", seconds)


@pytest.mark.parametrize("one", AT_ONCE, ids=[one.name for one in AT_ONCE])
def test_a_query_shows_the_fault_that_it_is_for(shown: Shown, one: Asked) -> None:
    holds_what_it_is_for(shown, one, 90)


@pytest.mark.parametrize(("query", "label", "told_apart"), TOLD_APART, ids=[query for query, _, _ in TOLD_APART])
def test_faults_are_told_apart(shown: Shown, query: str, label: str, told_apart: set[str]) -> None:
    (one,) = [one for one in QUERIES if one.name == query]

    def seen() -> set[str]:
        frames = [frame for frame in shown.grafana.ask(one) if shows([frame])]
        return {
            field["labels"][label]
            for frame in frames
            for field in frame["schema"]["fields"]
            if label in field.get("labels", {})
        }

    until(lambda: seen() >= told_apart, f"{told_apart} in {query}", 60)


@pytest.mark.parametrize("name", BETWEEN)
def test_a_number_is_about_what_the_faults_make_it(shown: Shown, name: str) -> None:
    one = next(one for one in QUERIES if one.name == name)
    low, high = BETWEEN[name]
    until(
        lambda: (found := drawn(shown.grafana.ask(one))) and low < found[-1] < high,
        f"{name} between {low} and {high}",
        60,
    )


def test_a_heat_maps_dots_lead_to_traces(shown: Shown) -> None:
    (one,) = [one for one in QUERIES if one.name == "trax-overview: Latency, spread A"]

    def dots() -> list[str]:
        for frame in shown.grafana.ask(one):
            names = [field["name"] for field in frame["schema"]["fields"]]
            if frame["schema"].get("name") == "exemplar" and "trace_id" in names:
                return list(frame["data"]["values"][names.index("trace_id")])
        return []

    found = until(dots, "exemplars in the heat map", 60)
    assert until(lambda: any(shown.stack.tempo_trace(trace) for trace in found), "one of their traces in Tempo", 60)


def test_a_breakers_timeline_shows_its_states(shown: Shown) -> None:
    (one,) = [one for one in QUERIES if one.name == "trax-resilience: States A"]

    def states() -> dict[str, set[float]]:
        return {frame["schema"]["fields"][-1]["labels"]["trax_circuit_breaker_name"]: set(drawn([frame]))
                for frame in shown.grafana.ask(one)}  # fmt: skip

    half_open, opened = 1, 2
    until(lambda: opened in states().get("provider", ()), "the broken provider's breaker open", 60)
    assert states()["flapping"] <= {half_open, opened, 0}


def test_what_cannot_be_shown_names_panels_that_are_there() -> None:
    assert set(CANNOT) <= {f"{one.dashboard}: {one.panel}" for one in QUERIES}


def test_all_environments_hold_services_without_one_and_a_chosen_environment_does_not(shown: Shown) -> None:
    (one,) = [one for one in QUERIES if one.name == "trax-resources: CPU of machines A"]

    def services(**chosen: str) -> set[str]:
        return {frame["schema"]["fields"][-1]["labels"]["service_name"] for frame in shown.grafana.ask(one, **chosen)}

    until(lambda: services() >= {"shop", "lossy"}, "both services", 60)
    assert services(environment="test") == {"shop"}
    assert services(service="lossy") == {"lossy"}
    assert services(service="shop|lossy") == {"shop", "lossy"}


@pytest.mark.parametrize(("label", "value"), [("service_name", "shop"), ("deployment_environment_name", "test")])
def test_variables_offer_what_is_there(shown: Shown, label: str, value: str) -> None:
    def values() -> list[str]:
        path = f"/api/datasources/uid/prometheus/resources/api/v1/label/{label}/values"
        return list(shown.grafana.get(path)["data"])

    until(lambda: value in values(), f"{value} among the values of {label}", 60)


def test_grafanas_log_has_no_error_about_dashboards(shown: Shown) -> None:
    lines = shown.stack.servers["grafana"].log().splitlines()
    told = ("logger=provisioning", "logger=dashboard", "logger=tsdb")
    assert [line for line in lines if "level=error" in line and any(name in line for name in told)] == []


@pytest.mark.parametrize("one", LATER, ids=[one.name for one in LATER])
def test_a_query_of_what_rules_make_shows_the_fault_that_it_is_for(shown: Shown, one: Asked) -> None:
    holds_what_it_is_for(shown, one, 280)
