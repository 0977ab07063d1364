"""Real faults fire the shipped alerts: Prometheus → Alertmanager → a webhook, and Grafana → a webhook; mended, they resolve.

The rules are the shipped ones with every duration a thirtieth (support/hastened.py).
"""

from __future__ import annotations

import itertools
import json
import secrets
import sys
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support import hastened
from support.otlp_data import pairs
from support.real_stack import RunningServer, Stack, free_ports, running, until
from support.services import Running, free_port, get, lean, observed, serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SERVICE, GHOST = "alarming", "ghost"
FAULTS = ("failing", "failing", "retried", "broken", "flapping", "login", "login", "exhausted", "interrupted", "fine")
"""Addresses of dashboard_service.py, asked in turns."""

MENDED = {
    "ErrorRateHigh": SERVICE, "RequestsSlow": SERVICE, "SecurityIncident": SERVICE,
    "RetryAmplification": SERVICE, "RecoveriesExhausted": SERVICE, "SloBurn": SERVICE, "OperationErrorRateHigh": SERVICE,
    "MemoryHigh": "", "CollectorDropping": "", "StackServerDown": "",
}  # fmt: skip
"""Alerts whose fault is brought about and mended, and the service that they name."""
LASTING = {
    "DeadLetters": SERVICE,
    "BreakerFlapping": SERVICE,
    "HealthCheckFailing": SERVICE,
    "ServiceUnavailable": GHOST,
}
"""Alerts whose fault lasts, or is looked at for half an hour: they are only seen to fire."""
HOUR_NS = 3600 * 10**9


class Webhook:
    """What was told, by whom (alertmanager or grafana)."""

    def __init__(self) -> None:
        self.now: dict[tuple[str, frozenset[tuple[str, str]]], str] = {}
        self.fired: set[tuple[str, str, str]] = set()
        self.summaries: dict[tuple[str, str], str] = {}
        hook = self

        class Takes(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                hook.take(self.path.strip("/"), message["alerts"])
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, teller: str, alerts: list[dict[str, Any]]) -> None:
        for alert in alerts:
            labels = alert["labels"]
            name = labels["alertname"] = labels["alertname"].split("-")[0]  # Grafana's are named for their window too
            self.now[teller, frozenset(labels.items())] = alert["status"]
            if alert["status"] == "firing":
                self.fired.add((teller, name, labels.get("service_name", "")))
            self.summaries[teller, name] = alert["annotations"].get("summary", "")

    def fires(self, teller: str, name: str, service: str) -> bool:
        """Now; a burn that is measured over days goes on for hours and is left out."""
        wanted = {("alertname", name), *([("service_name", service)] if service else [])}
        told = [(labels, status) for (who, labels), status in self.now.items() if who == teller and wanted <= labels]
        return any(status == "firing" for labels, status in told if not labels & {("window", "1d"), ("window", "3d")})


def told(names: dict[str, str]) -> list[tuple[str, str, str]]:
    """Each alert by each teller."""
    return [(teller, name, service) for teller in ("alertmanager", "grafana") for name, service in names.items()]


class Faults(threading.Thread):
    """Brings everything in FAULTS about, and what no service can do on purpose, until it is told to stop."""

    def __init__(self, stack: Stack, url: str) -> None:
        super().__init__(daemon=True)
        self.stack, self.url = stack, url
        self.over = threading.Event()

    def run(self) -> None:
        for round_ in itertools.count():
            if self.over.wait(0.2):
                return
            for path in FAULTS:
                try:
                    get(self.url + path)
                except urllib.error.HTTPError as refusal:
                    refusal.close()
                except OSError:  # the service ends while it is asked
                    return
            self.slow_requests()
            self.gauge("system.memory.utilization", 0.97, time.time_ns(), **{"system.memory.state": "used"})
            if round_ % 10 == 0:  # Prometheus refuses it for good, and what shares its batch with it
                self.gauge("too.old", 1.0, time.time_ns() - 200 * HOUR_NS)

    def slow_requests(self) -> None:
        """Requests of 40 s: recorded, not waited for."""
        message, now = ExportTraceServiceRequest(), time.time_ns()
        resource = message.resource_spans.add()
        resource.resource.attributes.extend(pairs({"service.name": SERVICE}))
        for _ in range(3):
            resource.scope_spans.add().spans.add(
                trace_id=secrets.token_bytes(16), span_id=secrets.token_bytes(8), name="GET /report", kind=2,
                start_time_unix_nano=now - 40 * 10**9, end_time_unix_nano=now,
            )  # fmt: skip
        self.stack.send(message)

    def gauge(self, name: str, value: float, at: int, **attributes: str) -> None:
        message = ExportMetricsServiceRequest()
        resource = message.resource_metrics.add()
        resource.resource.attributes.extend(pairs({"service.name": "exporter", "host.name": "full"}))
        metric = resource.scope_metrics.add().metrics.add(name=name, unit="1")
        metric.gauge.data_points.add(time_unix_nano=at, as_double=value, attributes=pairs(attributes))
        self.stack.send(message, "metrics")


class Alarming(NamedTuple):
    """Everything while the faults go on."""

    stack: Stack
    webhook: Webhook
    service: Running
    faults: Faults


@pytest.fixture(scope="module")
def alarming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alarming]:
    webhook, ports, folder = Webhook(), free_ports(), tmp_path_factory.mktemp("alarming")
    with ExitStack() as started:
        servers: dict[str, RunningServer] = {}
        for server in hastened.all_servers(ports, folder, [SERVICE, GHOST], webhook.url):
            servers[server.name] = started.enter_context(running(server, folder))
        stack, port = Stack(ports, servers), free_port()
        address = f"127.0.0.1:{port}"
        program = [sys.executable, "-m", "gunicorn", "--threads", "4", "-b", address, "dashboard_service:app"]
        environ = {"PYTHONPATH": str(Path(__file__).parent), **lean("flask")}
        command = observed(stack.otlp, SERVICE, program)
        service = started.enter_context(serving(command, tmp_path_factory.mktemp("service"), port, **environ))
        faults = Faults(stack, service.url)
        faults.start()
        yield Alarming(stack, webhook, service, faults)
        faults.over.set()
        faults.join(20)
    webhook.server.shutdown()
    webhook.server.server_close()


def test_every_kind_of_fault_is_told_by_alertmanager_and_by_grafana(alarming: Alarming) -> None:
    alarming.stack.servers["jaeger"].kill()
    wanted = set(told({**MENDED, **LASTING}))
    try:
        until(lambda: wanted <= alarming.webhook.fired, "every alert", 100)
    except AssertionError:
        raise AssertionError(f"not told: {wanted - alarming.webhook.fired}") from None


def test_summaries_bear_the_value(alarming: Alarming) -> None:
    for teller in ("alertmanager", "grafana"):
        assert "%" in alarming.webhook.summaries[teller, "ErrorRateHigh"], teller
        assert SERVICE in alarming.webhook.summaries[teller, "ErrorRateHigh"], teller
        assert "<no value>" not in " ".join(alarming.webhook.summaries.values())


def test_the_watchdog_barks_in_prometheus_and_nobody_is_woken(alarming: Alarming) -> None:
    assert alarming.stack.prometheus('ALERTS{alertname="Watchdog", alertstate="firing"}')
    assert not [teller for teller, name, _ in alarming.webhook.fired if name == "Watchdog"]


def test_mended_faults_resolve_on_both_ways(alarming: Alarming) -> None:
    alarming.faults.over.set()
    alarming.stack.servers["jaeger"].start()

    def unsettled() -> list[tuple[str, str, str]]:
        return [one for one in told(MENDED) if alarming.webhook.fires(*one)]

    try:
        until(lambda: not unsettled(), "every mended alert", 150)
    except AssertionError:
        raise AssertionError(f"not resolved: {unsettled()}") from None


def test_a_service_that_ends_is_missed(alarming: Alarming) -> None:
    alarming.service.stop()
    gone = set(told({"ServiceUnavailable": SERVICE}))
    until(lambda: gone <= alarming.webhook.fired, "the service missed", 60)


def test_the_rules_of_all_files_are_evaluated_without_an_error(alarming: Alarming) -> None:
    port = alarming.stack.ports["PROMETHEUS"]
    groups = json.loads(get(f"http://127.0.0.1:{port}/api/v1/rules"))["data"]["groups"]
    unwell = {
        rule["name"]: rule.get("lastError") for group in groups for rule in group["rules"] if rule["health"] != "ok"
    }
    assert unwell == {}
    assert len(groups) >= 10
    log = alarming.stack.servers["grafana"].log()
    assert [line for line in log.splitlines() if "logger=provisioning" in line and "level=error" in line] == []
