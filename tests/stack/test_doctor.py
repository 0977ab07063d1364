"""`trax-otel doctor` on the real collector and stores: finds its own telemetry again, and says what is wrong where it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support.gateway import TOKEN, Door, gateway
from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from support.real_stack import Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
STORES = {"JAEGER": "traces", "TEMPO": "traces", "PROMETHEUS": "metrics", "LOKI": "logs"}


def doctor(*arguments: str, **environ: str) -> tuple[int, dict[str, Any]]:
    """Exit status and report."""
    done = subprocess.run(
        [sys.executable, "-m", "trax_otel", "doctor", "--json", *arguments],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def of(report: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [one for one in report["checks"] if one["id"] == check]


def errors(report: dict[str, Any]) -> list[str]:
    return [one["id"] for one in report["checks"] if one["status"] == "error"]


def address(stack: Stack, name: str) -> str:
    return f"http://127.0.0.1:{stack.ports[name]}"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_it_sends_is_found_in_every_store(stack: Stack, protocol: str) -> None:
    endpoint = stack.otlp if protocol == "http/protobuf" else address(stack, "OTLP_GRPC")
    named = [word for name in STORES for word in ("--store", address(stack, name))]
    status, report = doctor("--endpoint", endpoint, "--protocol", protocol, *named)
    assert (status, errors(report)) == (0, [])
    kinds = [one["summary"].rpartition(" ")[2] for one in of(report, "store")]
    assert kinds == ["Jaeger", "Tempo", "Prometheus", "Loki"]
    assert [one["status"] for signal in STORES.values() for one in of(report, f"store.{signal}")] == ["ok"] * 6
    assert [one["status"] for one in of(report, "clock")] == ["ok"]


def test_what_is_not_there_is_not_found(stack: Stack) -> None:
    """The search can fail: accepted by another endpoint, none of it is in these stores."""
    named = [word for name in STORES for word in ("--store", address(stack, name))]
    with otlp_endpoint() as elsewhere:
        status, report = doctor("--endpoint", elsewhere.url, "--wait", "2", *named)
    assert status == 1
    assert errors(report) == ["store.traces", "store.traces", "store.metrics", "store.logs"]
    assert "is there sampling" in of(report, "store.traces")[0]["advice"]


@pytest.mark.parametrize("name", STORES)
def test_a_store_is_no_endpoint(stack: Stack, name: str) -> None:
    status, report = doctor("--endpoint", address(stack, name))
    (found,) = of(report, "protocol")
    assert status == 1
    assert f"is {name.title()}, and takes no OTLP" in found["summary"]


def test_grafana_is_neither_endpoint_nor_store(stack: Stack) -> None:
    grafana = address(stack, "GRAFANA")
    _, report = doctor("--endpoint", stack.otlp, "--store", grafana)
    assert errors(report) == ["store"]
    assert of(report, "store")[0]["summary"] == f"{grafana} is Grafana"
    assert "is Grafana" in of(doctor("--endpoint", grafana)[1], "protocol")[0]["summary"]


def test_the_collectors_two_ports_are_told_apart(stack: Stack) -> None:
    _, report = doctor("--endpoint", address(stack, "OTLP_GRPC"))
    assert "speaks gRPC, and http/protobuf is set" in of(report, "protocol")[0]["summary"]
    _, report = doctor("--endpoint", stack.otlp, "--protocol", "grpc")
    assert "speaks OTLP over HTTP, and gRPC is set" in of(report, "protocol")[0]["summary"]


@pytest.mark.parametrize("port", ["HEALTH", "METRICS"])
def test_the_collectors_other_ports_are_named(stack: Stack, port: str) -> None:
    _, report = doctor("--endpoint", address(stack, port))
    assert "is a collector's" in of(report, "protocol")[0]["summary"]


# --- The gateway: TLS, a token, sampling ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Door, OtlpEndpoint, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("gateway")
    with otlp_endpoint() as sink, gateway(folder, sink.url, tier2=1, TRAX_DECISION_WAIT="2s") as (door, nodes):
        ports = nodes[-1].server.environment
        yield door, sink, dict(ports)


def secured(environ: dict[str, str], token: str | None) -> dict[str, str]:
    said = {"OTEL_EXPORTER_OTLP_CERTIFICATE": environ["TRAX_TLS_CA"]}
    return said if token is None else {**said, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{token}"}


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_with_the_token_it_is_let_in_and_sampling_keeps_its_span(
    door: tuple[Door, OtlpEndpoint, dict[str, str]], protocol: str
) -> None:
    _, sink, environ = door
    port = environ["TRAX_OTLP_HTTP_PORT" if protocol == "http/protobuf" else "TRAX_OTLP_GRPC_PORT"]
    name = f"doctor-{protocol[:4]}"
    status, report = doctor("--endpoint", f"https://127.0.0.1:{port}", "--protocol", protocol, "--service-name", name,
                            **secured(environ, TOKEN))  # fmt: skip
    assert (status, errors(report)) == (0, [])
    assert TOKEN not in json.dumps(report)
    assert until(lambda: name in [one["service.name"] for one in sink.resources()], "the span behind sampling", 60)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize(("token", "told"), [(None, "none are set"), ("a-wrong-token", "refuses the credentials")])
def test_a_missing_or_wrong_token_is_told(
    door: tuple[Door, OtlpEndpoint, dict[str, str]], protocol: str, token: str | None, told: str
) -> None:
    environ = door[2]
    port = environ["TRAX_OTLP_HTTP_PORT" if protocol == "http/protobuf" else "TRAX_OTLP_GRPC_PORT"]
    status, report = doctor(
        "--endpoint", f"https://127.0.0.1:{port}", "--protocol", protocol, **secured(environ, token)
    )
    assert (status, errors(report)) == (1, ["authentication"])
    assert told in of(report, "authentication")[0]["summary"]
    assert "a-wrong-token" not in json.dumps(report)


def test_an_authority_that_is_not_known_and_a_missing_tls(door: tuple[Door, OtlpEndpoint, dict[str, str]]) -> None:
    port = door[2]["TRAX_OTLP_HTTP_PORT"]
    assert "is not trusted" in of(doctor("--endpoint", f"https://127.0.0.1:{port}")[1], "endpoint")[0]["summary"]
    assert "speaks TLS" in of(doctor("--endpoint", f"http://127.0.0.1:{port}")[1], "protocol")[0]["summary"]
