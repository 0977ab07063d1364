"""`trax-otel doctor` on the environment: values, names, contradictions, OTEL_CONFIG_FILE, and what is never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.doctor import Examined, examine
from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from trax_otel.cli.doctor import versions


@pytest.fixture(autouse=True)
def _no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are another test's, and take their time."""
    monkeypatch.setattr(versions, "check", lambda _: [])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


@pytest.fixture
def examined(endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs it with these variables, towards a receiver where they name none."""

    def run(**variables: str) -> Examined:
        for name, value in {
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.url,
            **variables,
        }.items():
            monkeypatch.setenv(name, value)
        return examine(capsys)

    return run


def ids(done: Examined, status: str) -> set[str]:
    return {one["id"] for one in done.report["checks"] if one["status"] == status and one["id"] != "clock"}


def test_a_good_environment_has_nothing_to_say_against_it(examined: Any) -> None:
    done = examined(OTEL_RESOURCE_ATTRIBUTES="a=b", TRAX_LOG_LEVEL="DEBUG", OTEL_PYTHON_FLASK_EXCLUDED_URLS="health")
    assert (done.status, ids(done, "warning"), ids(done, "error")) == (0, set(), set())
    detail = done.one("environment.variables")["detail"]
    assert "OTEL_RESOURCE_ATTRIBUTES=a=b, OTEL_SERVICE_NAME=shop, TRAX_LOG_LEVEL=DEBUG" in detail


@pytest.mark.parametrize(("name", "value", "told"), [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "must be http/protobuf or grpc"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "must be seconds above 0"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "must be none, gzip or deflate"),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector:4318", "must be a URL"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "authorization", "entry 1 must be of the form name=value"),
    ("OTEL_TRACES_EXPORTER", "zipkin", "must be otlp, console, none or an exporter that is installed"),
    ("OTEL_TRACES_SAMPLER", "sometimes", "must be one of always_on"),
    ("OTEL_PROPAGATORS", "tracecontext,pigeon", "'pigeon': must be tracecontext, baggage, none"),
    ("OTEL_PYTHON_ID_GENERATOR", "dice", "dice"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "must be a whole number above 0"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "x", "must be a whole number above 0"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "x", "must be a whole number above 0"),
    ("OTEL_METRICS_EXEMPLAR_FILTER", "x", "must be one of trace_based"),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "x", "must be one of cumulative"),
    ("OTEL_RESOURCE_ATTRIBUTES", "team", "must be of the form key=value"),
    ("TRAX_LOG_LEVEL", "LOUD", "'LOUD' is not one of DEBUG"),
    ("TRAX_EXIT_TIMEOUT", "forever", "is not a number from 0 to 3600"),
    ("TRAX_CONFIG_FILE", "/no/such.json", "cannot be read"),
])  # fmt: skip
def test_a_value_that_cannot_be_used(name: str, value: str, told: str, examined: Any) -> None:
    done = examined(**{name: value})
    said = done.of("environment.value")
    assert done.status == 1
    assert any(told in one["summary"] and one["status"] == "error" for one in said), said


def test_limits_that_are_none_keep_the_test_from_being_made(examined: Any) -> None:
    done = examined(OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="many")
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in done.one("environment.value")["summary"]
    assert done.one("send")["status"] == "error"


@pytest.mark.parametrize(("name", "meant"), [
    ("TRAX_LOG_LEVLE", "TRAX_LOG_LEVEL"),
    ("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("OTEL_EXPORTER_OTLP_TRACE_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    ("OTEL_SERVICENAME", "OTEL_SERVICE_NAME"),
])  # fmt: skip
def test_a_misspelt_name_is_told_with_the_one_that_was_meant(name: str, meant: str, examined: Any) -> None:
    if meant in {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"}:
        done = examined(**{name: "x", meant: ""})
    else:
        done = examined(**{name: "x"})
    assert f"did you mean {meant}?" in done.one("environment.unknown")["summary"]


# --- Contradictions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variables", "check", "told"), [
    ({"OTEL_SDK_DISABLED": "true"}, "environment.disabled", "switches all telemetry off"),
    ({"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, "environment.exporters", "none is sent of: traces, logs"),
    ({"OTEL_TRACES_SAMPLER": "always_off"}, "environment.sampler", "no trace that begins in the service is sent"),
    ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.0"}, "environment.sampler", "no trace"),
    ({"OTEL_TRACES_SAMPLER_ARG": "0.5"}, "environment.sampler", "OTEL_TRACES_SAMPLER_ARG=0.5 has no effect"),
    ({"OTEL_SERVICE_NAME": ""}, "environment.service", "the service has no name"),
    ({"OTEL_SERVICE_NAME": "unknown_service:python"}, "environment.service", "is called unknown_service"),
    ({"OTEL_TRACES_EXPORTER": "otlp_proto_grpc", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "environment.exporters",
     "OTEL_TRACES_EXPORTER=otlp_proto_grpc wins over http/protobuf"),
    ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:1"}, "environment.endpoint", "has no path"),
    ({"OTEL_EXPORTER_OTLP_CERTIFICATE": __file__}, "environment.tls", "is without TLS"),
    ({"OTEL_EXPORTER_OTLP_CLIENT_KEY": __file__}, "environment.tls", "without a client certificate"),
    ({"OTEL_EXPORTER_OTLP_INSECURE": "true", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
      "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1"}, "environment.tls", "INSECURE=true has no effect"),
])  # fmt: skip
def test_a_contradiction_is_a_warning_with_advice(
    variables: dict[str, str], check: str, told: str, examined: Any
) -> None:
    (found,) = examined(**variables).of(check)
    assert (found["status"], bool(found["advice"])) == ("warning", True)
    assert told in found["summary"]


def test_a_name_in_the_resource_attributes_is_one(examined: Any) -> None:
    done = examined(OTEL_SERVICE_NAME="", OTEL_RESOURCE_ATTRIBUTES="service.name=shop%20two")
    assert done.of("environment.service") == []


def test_an_endpoint_with_a_signals_path(examined: Any, endpoint: OtlpEndpoint) -> None:
    done = examined(OTEL_EXPORTER_OTLP_ENDPOINT=f"{endpoint.url}/v1/traces")
    assert f"write {endpoint.url}: each signal's path is added" in done.of("environment.endpoint")[0]["advice"]


def test_switched_off_nothing_is_sent(examined: Any, endpoint: OtlpEndpoint) -> None:
    before = len(endpoint.requests)
    done = examined(OTEL_SDK_DISABLED="true")
    assert done.status == 0
    assert {one["status"] for signal in ("traces", "metrics", "logs") for one in done.of(f"send.{signal}")} == {
        "skipped"
    }
    assert len(endpoint.requests) == before


def test_metrics_that_are_not_exported(examined: Any) -> None:
    done = examined(TRAX_METRICS_EXPORT_ENABLED="false")
    assert done.one("send.metrics")["detail"].startswith("TRAX_METRICS_EXPORT_ENABLED=false")
    assert done.one("send.traces")["status"] == "ok"


# --- OTEL_CONFIG_FILE ---------------------------------------------------------------------------------------------

DECLARED = """
file_format: "1.0"
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: {url}/v1/traces
            headers:
              - name: x-tenant
                value: declared-tenant
meter_provider:
  readers:
    - periodic:
        exporter:
          console: {{}}
logger_provider:
  processors:
    - simple:
        exporter:
          otlp_http:
            endpoint: {url}/v1/logs
"""


def test_a_file_is_followed_and_what_it_hides_is_named(examined: Any, endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(DECLARED.format(url=endpoint.url))
    before = len(endpoint.requests)
    done = examined(OTEL_CONFIG_FILE=str(file), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert done.status == 0
    (found,) = done.of("environment.config_file")
    assert found["status"] == "warning"
    assert found["detail"] == "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME"
    sent = endpoint.requests[before:]
    assert [request.path for request in sent] == ["/v1/traces", "/v1/logs"]
    assert sent[0].headers["x-tenant"] == "declared-tenant"
    assert "declared-tenant" not in done.out
    assert done.one("send.metrics")["detail"] == "OTEL_CONFIG_FILE has no OTLP exporter for it"


@pytest.mark.parametrize("content", [None, "file_format: [", "nonsense: true"])
def test_a_file_that_cannot_be_used(content: str | None, examined: Any, tmp_path: Path) -> None:
    file = tmp_path / "otel.yaml"
    if content is not None:
        file.write_text(content)
    done = examined(OTEL_CONFIG_FILE=str(file))
    assert done.status == 1
    assert str(file) in done.error("environment.config_file")
    assert done.one("send.traces")["detail"] == "OTEL_CONFIG_FILE cannot be used"


# --- Secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [True, False])
def test_no_secret_is_ever_shown(
    text: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, endpoint: OtlpEndpoint
) -> None:
    host = endpoint.url.removeprefix("http://")
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20planted-one,broken planted-two,x-api-key=planted-three",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://me:planted-four@{host}/v1/traces",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"htp://me:planted-five@{host}",
        "HTTPS_PROXY": "http://me:planted-six@127.0.0.1:1",
        "TRAX_STATE_URL": "postgresql://me:planted-seven@db/state",
        "OTEL_VENDOR_API_KEY": "planted-eight",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}/planted%2Dnine?token=x",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = examine(capsys, "--store", f"http://me:planted-ten@{host}", "--wait", "0.1", text=text)
    shown = done.out + done.err
    assert [
        word for word in shown.replace("%2D", "-").split() if "planted" in word and "planted-nine" not in word
    ] == []
    assert "OTEL_EXPORTER_OTLP_HEADERS (authorization, x-api-key)" in shown
    assert "authorization" in shown
