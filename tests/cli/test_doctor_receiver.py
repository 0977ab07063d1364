"""`trax-otel doctor` at the server: protocol, path, what answers instead, credentials, delivery, clock."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from support.doctor import Answer, examine, grpc_receiver, raw, receiver, web
from support.otlp_endpoint import OtlpEndpoint, attributes_of, otlp_endpoint
from trax_otel.cli.doctor import versions
from trax_otel.local.server import start

GRPC = ("--protocol", "grpc")
SIGNALS = ("traces", "metrics", "logs")


@pytest.fixture(autouse=True)
def _no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are another test's, and take their time."""
    monkeypatch.setattr(versions, "check", lambda _: [])


@pytest.fixture
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


# --- What is sent -------------------------------------------------------------------------------------------------


def test_one_span_record_and_point_marked_as_the_doctors(
    endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    done = examine(capsys, "--endpoint", endpoint.url)
    assert (done.status, done.errors()) == (0, [])
    (span,), (record,), ((resource, metric),) = endpoint.spans(), endpoint.log_records(), endpoint.metrics()
    assert span.name == "trax-otel doctor"
    assert record.trace_id == span.trace_id
    assert resource["service.name"] == endpoint.resources()[0]["service.name"] == "trax-otel-doctor"
    assert resource["service.instance.id"] in record.body.string_value
    (point,) = metric.sum.data_points
    assert (metric.name, point.as_int, attributes_of(point)) == (
        "trax.telemetry.exported",
        1,
        {"trax.signal": "metrics"},
    )
    assert "accepted in" in done.one("send.traces")["summary"]


def test_the_environment_is_the_services_own(
    endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%20team")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    assert examine(capsys, "--service-name", "shop").status == 0
    assert {request.headers["x-tenant"] for request in endpoint.requests} == {"blue team"}
    assert {request.headers["content-encoding"] for request in endpoint.requests} == {"gzip"}
    (resource,) = endpoint.resources()
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("shop", "staging")


def test_signals_of_different_endpoints_are_judged_apart(
    endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with grpc_receiver() as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")
        done = examine(capsys)
    assert done.status == 0
    assert [one["subject"] for one in done.of("endpoint", "ok")] == [endpoint.url, url]
    assert done.one("send.logs")["subject"] == url
    assert len(endpoint.log_records()) == 0


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_that_is_off_is_skipped_with_the_reason(
    signal: str, endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"OTEL_{signal.upper()}_EXPORTER", "none")
    done = examine(capsys, "--endpoint", endpoint.url)
    assert done.status == 0
    assert done.one(f"send.{signal}")["detail"] == f"OTEL_{signal.upper()}_EXPORTER=none: nothing is sent"
    assert not endpoint.accepted(f"/v1/{signal}")


# --- Protocol and port --------------------------------------------------------------------------------------------


def test_http_asked_of_a_grpc_port(capsys: pytest.CaptureFixture[str]) -> None:
    with grpc_receiver() as url:
        done = examine(capsys, "--endpoint", url)
    assert done.errors() == ["protocol"]
    assert "speaks gRPC, and http/protobuf is set" in done.error("protocol")
    assert "set --protocol grpc" in done.error("protocol")
    assert done.one("send.traces")["detail"] == "see protocol"


def test_grpc_asked_of_an_http_port(endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str]) -> None:
    done = examine(capsys, "--endpoint", endpoint.url, *GRPC)
    assert done.errors() == ["protocol"]
    assert "speaks OTLP over HTTP, and gRPC is set" in done.error("protocol")
    assert "set --protocol http/protobuf" in done.error("protocol")


def test_the_embedded_endpoints_two_ports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with start(http_port=0, grpc_port=0, path=tmp_path / "local.db") as local:
        grpc_url = f"http://127.0.0.1:{local.grpc_port}"
        assert examine(capsys, "--endpoint", local.url).status == 0
        assert examine(capsys, "--endpoint", grpc_url, *GRPC).status == 0
        assert "speaks gRPC" in examine(capsys, "--endpoint", grpc_url).error("protocol")
        assert "speaks OTLP over HTTP" in examine(capsys, "--endpoint", local.url, *GRPC).error("protocol")


def test_a_port_with_go_grpcs_manners(capsys: pytest.CaptureFixture[str]) -> None:
    """It waits for the client's greeting, and answers nothing but that."""

    def talk(connection: socket.socket, _: threading.Event) -> None:
        if connection.recv(24).startswith(b"PRI"):
            connection.sendall(bytes.fromhex("000000040000000000"))
            connection.recv(100)

    with raw(talk) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr("trax_otel.cli.doctor.wrong._has_grpc", lambda: False)
        assert "speaks gRPC" in examine(capsys, "--endpoint", url).error("protocol")


def test_a_path_that_is_none_of_the_receivers(endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint.behave = lambda path, count, message: _reply(200 if path.startswith("/v1/") else 404)
    done = examine(capsys, "--endpoint", f"{endpoint.url}/otlp")
    assert "the path /otlp/v1/traces is none of the receiver's" in done.error("protocol")
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint.url}" in done.error("protocol")


def _reply(status: int, body: bytes = b"", **headers: str) -> Any:
    from support.otlp_endpoint import Reply

    return Reply(status, headers, body)


@pytest.mark.parametrize(("path", "answer", "name", "advice"), [
    ("/api/health", (200, {}, b'{"database": "ok", "version": "13.2"}'), "Grafana", "send to a collector"),
    ("/api/services", (200, {}, b'{"data": [], "total": 0}'), "Jaeger", "query port"),
    ("/api/v1/status/buildinfo", (200, {}, b'{"status": "success", "data": {}}'), "Prometheus", "/api/v1/otlp"),
    ("/loki/api/v1/status/buildinfo", (200, {}, b'{"version": "3.7"}'), "Loki", "/otlp/v1/logs"),
    ("/api/echo", (200, {}, b"echo"), "Tempo", "query port"),
    ("/metrics", (200, {}, b"otelcol_process_uptime 3"), "a collector's own metrics", "4318"),
    ("/", (200, {}, b'{"status":"Server available","upSince":"2026"}'), "a collector's health check", "4318"),
])  # fmt: skip
def test_a_server_that_takes_no_otlp_is_named(
    path: str, answer: Answer, name: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with web(lambda method, asked, _: answer if (method, asked) == ("GET", path) else (404, {}, b"")) as server:
        said = examine(capsys, "--endpoint", server.url).error("protocol")
    assert f"is {name}, and takes no OTLP" in said
    assert advice in said


@pytest.mark.parametrize("status", [200, 404, 405])
def test_some_web_server(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    page = (status, {"content-type": "text/html"}, b"<html>welcome</html>")
    with web(lambda *_: page) as server:
        done = examine(capsys, "--endpoint", server.url)
    assert "is no OTLP receiver at /v1/traces" in done.error("protocol")
    assert done.status == 1


def test_a_grpc_server_without_a_receiver(capsys: pytest.CaptureFixture[str]) -> None:
    with grpc_receiver(services=()) as url:
        said = examine(capsys, "--endpoint", url, *GRPC).error("protocol")
    assert "speaks gRPC and has no OTLP receiver for traces" in said


def test_grpc_that_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    with grpc_receiver() as url, pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "grpc", None)
        patch.delitem(sys.modules, "trax_otel.sdk.grpc_transport", raising=False)
        said = examine(capsys, "--endpoint", url, *GRPC).error("protocol")
    assert "gRPC is asked for and not installed here" in said
    assert "trax-otel[grpc]" in said


def test_a_server_that_speaks_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    def talk(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(b"220 mail.test ESMTP\r\n")
        connection.recv(4096)

    with raw(talk) as url:
        said = examine(capsys, "--endpoint", url, "--timeout", "2").error("protocol")
    assert "does not answer as an OTLP receiver does" in said
    assert "its answer is no HTTP" in said


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("drip", [False, True])
def test_a_server_that_hangs_costs_its_time_limit_once(
    protocol: str, drip: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that sends a byte now and then, which keeps each read within its own time limit."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        while not over.wait(0.2):
            if drip:
                connection.sendall(b"H")

    began = time.monotonic()
    with raw(talk) as url:
        done = examine(capsys, "--endpoint", url, "--protocol", protocol, "--timeout", "0.6")
        took = time.monotonic() - began
    assert done.status == 1
    assert done.of("protocol", "error")
    assert took < 8


# --- Credentials --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("headers", "told", "advice"), [
    ("", "asks for credentials, and none are set", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN"),
    ("authorization=Bearer%20s3cret-token", "refuses the credentials (sent: authorization)", "check the token"),
])  # fmt: skip
def test_credentials_missing_or_wrong_over_http(
    headers: str, told: str, advice: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    with web(receiver(401, {"www-authenticate": 'Bearer realm="gate"'})) as server:
        done = examine(capsys, "--endpoint", server.url)
    said = done.error("authentication")
    assert done.errors() == ["authentication"]
    assert done.one("protocol")["status"] == "ok"
    assert told in said
    assert advice in said
    assert 'HTTP 401 Unauthorized; it asks for Bearer realm="gate"' in said
    assert "s3cret" not in done.out


@pytest.mark.parametrize(("headers", "told"), [
    ("", "asks for credentials, and none are set"),
    ("authorization=Bearer%20s3cret-token", "refuses the credentials (sent: authorization)"),
])  # fmt: skip
def test_credentials_missing_or_wrong_over_grpc(
    headers: str, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)

    def refuse(_: str, context: grpc.ServicerContext) -> None:
        context.abort(
            grpc.StatusCode.UNAUTHENTICATED, f"no: {dict(context.invocation_metadata()).get('authorization')}"
        )

    with grpc_receiver(refuse) as url:
        done = examine(capsys, "--endpoint", url, *GRPC)
    assert told in done.error("authentication")
    assert "gRPC UNAUTHENTICATED" in done.error("authentication")
    assert "s3cret" not in done.out  # though the server says it


def test_credentials_that_may_not_do_this(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=s3cret-key")
    with web(receiver(403)) as server:
        done = examine(capsys, "--endpoint", server.url)
    assert "does not allow this (sent: x-api-key)" in done.error("authentication")


def test_good_credentials_are_named_and_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(receiver()) as server:
        done = examine(capsys, "--endpoint", server.url.replace("//", "//me:s3cret-pass@"))
    assert done.status == 0
    assert done.one("authentication")["summary"] == "not refused, with user and password of the URL"
    assert all(headers["authorization"].startswith("Basic ") for _, _, headers in server.asked)
    assert "s3cret" not in done.out


def test_credentials_without_tls_to_another_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret-token")
    with web(lambda *_: (200, {}, b"")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        found = examine(capsys, "--endpoint", "http://collector.test:4318").one("authentication")
    assert (found["status"], found["summary"]) == ("warning", "credentials are sent without TLS")


# --- Delivery -----------------------------------------------------------------------------------------------------


def test_a_partial_success_is_told_with_the_servers_words(
    endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = ExportTraceServiceResponse()
    refusal.partial_success.rejected_spans, refusal.partial_success.error_message = 1, "too old by half"
    remark = ExportLogsServiceResponse()
    remark.partial_success.error_message = "please send fewer"
    bodies = {"/v1/traces": refusal.SerializeToString(), "/v1/logs": remark.SerializeToString()}
    endpoint.behave = lambda path, count, message: _reply(200, bodies.get(path, b""))
    done = examine(capsys, "--endpoint", endpoint.url)
    assert done.errors() == ["send.traces"]
    assert "rejected (1 of 1) | too old by half" in done.error("send.traces")
    assert (done.one("send.logs")["status"], done.one("send.logs")["detail"]) == ("warning", "please send fewer")


@pytest.mark.parametrize(("status", "advice"), [
    (429, "limits what it takes"), (503, "away or overloaded"), (413, "raise the server's limit"),
    (307, "follows no redirect"), (500, "log"),
])  # fmt: skip
def test_a_refusal_has_its_advice(
    status: int, advice: str, endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.behave = lambda path, count, message: (
        _reply(status, b"why", **{"content-type": "text/plain"}) if path == "/v1/metrics" else _reply(200)
    )
    done = examine(capsys, "--endpoint", endpoint.url)
    assert done.errors() == ["send.metrics"]
    assert advice in done.error("send.metrics")
    assert f"HTTP {status}" in done.error("send.metrics")
    assert "why" in done.error("send.metrics")


def test_overload_that_passes_is_no_error(endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint.behave = lambda path, count, message: _reply(503 if count == 1 else 200, **{"retry-after": "0"})
    assert examine(capsys, "--endpoint", endpoint.url).status == 0


def test_a_store_of_traces_takes_no_logs(capsys: pytest.CaptureFixture[str]) -> None:
    with grpc_receiver(services=("trace",)) as url:
        done = examine(capsys, "--endpoint", url, *GRPC)
    assert done.errors() == ["send.metrics", "send.logs"]
    assert "OTEL_LOGS_EXPORTER=none" in done.error("send.logs")


# --- Clock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "told"), [(3600, "3600 s behind"), (-90, "90 s ahead of"), (8, "8 s behind")])
def test_a_clock_that_is_off_is_told_by_how_much(ahead: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with web(lambda *_: (200, {"date": formatdate(time.time() + ahead, usegmt=True)}, b"")) as server:
        done = examine(capsys, "--endpoint", server.url)
    found = done.one("clock")
    told_number, word = told.split(" s ")
    seconds = float(found["summary"].split()[3])
    assert found["status"] == "warning"
    assert abs(seconds - float(told_number)) <= 1
    assert f"s {word}" in found["summary"]
    assert done.status == 0


def test_clocks_that_agree(endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(capsys, "--endpoint", endpoint.url).one("clock")["status"] == "ok"


@pytest.mark.parametrize("more", [{"date": "yesterday"}, {}])
def test_a_server_that_does_not_tell_its_time(more: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver(200, more), date=False) as server:
        assert examine(capsys, "--endpoint", server.url).one("clock")["status"] == "skipped"


def test_an_exit_budget_that_an_export_does_not_fit_into(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAX_EXIT_TIMEOUT", "0.05")

    def slow(*_: Any) -> Answer:
        time.sleep(0.1)
        return 200, {}, b""

    with web(slow) as server:
        found = examine(capsys, "--endpoint", server.url).one("process.exit")
    assert found["status"] == "warning"
    assert "TRAX_EXIT_TIMEOUT" in found["advice"]
