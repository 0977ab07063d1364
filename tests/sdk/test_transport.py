"""Proxies: for collectors elsewhere, never for this machine's own loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from support.otlp_endpoint import otlp_endpoint
from trax_otel.sdk.environment import endpoint
from trax_otel.sdk.transport import HttpSender, is_loopback

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An `http_proxy` at which nobody listens, and no other such variable."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        for name in PROXIES[:2]:
            monkeypatch.setenv(name, f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield monkeypatch


def sent_to(url: str) -> str:
    """What becomes of an empty request."""
    sender = HttpSender(endpoint({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": url}, "traces", []))
    try:
        return sender.send(b"", 5).verdict
    finally:
        sender.close()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True), ("LocalHost.", True), ("otel.localhost", True), ("127.0.0.1", True), ("127.9.8.7", True),
        ("::1", True), ("::ffff:127.0.0.1", True), ("0.0.0.0", True), ("::", True),
        ("10.0.0.1", False), ("collector", False), ("localhost.example", False), ("127.0.0.1.example", False), ("", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_telemetry_for_this_machine_goes_through_no_proxy(proxied: pytest.MonkeyPatch) -> None:
    with otlp_endpoint() as collector:
        port = collector.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            assert sent_to(f"http://{host}:{port}/v1/traces") == "accepted"
        assert [request.path for request in collector.requests] == ["/v1/traces"] * 2


def test_telemetry_for_another_machine_goes_through_it(proxied: pytest.MonkeyPatch) -> None:
    with otlp_endpoint() as proxy:
        proxied.setenv("http_proxy", proxy.url)
        assert sent_to("http://user:word@collector.example:4318/base?tenant=a") == "accepted"
        [request] = proxy.requests
        assert request.path == "http://collector.example:4318/base?tenant=a"  # the credentials are in a header


@pytest.mark.parametrize("excepted", ["collector.invalid", "collector.invalid:4318", "*"])
def test_no_proxy_is_honoured_with_and_without_a_port(proxied: pytest.MonkeyPatch, excepted: str) -> None:
    with otlp_endpoint() as proxy:
        proxied.setenv("http_proxy", proxy.url)
        proxied.setenv("no_proxy", excepted)
        assert sent_to("http://collector.invalid:4318/v1/traces") == "unreachable"
        assert proxy.requests == []


def test_grpc_for_this_machine_goes_through_no_proxy(proxied: pytest.MonkeyPatch) -> None:
    """A proxy would be asked for a tunnel; here the endpoint itself is reached, and is no gRPC server."""
    from trax_otel.sdk.grpc_transport import GrpcSender

    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}"}
        made = GrpcSender(endpoint({**environ, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "traces", []))
        call = made._connected().future(b"", timeout=5)
        client, _ = server.accept()
        with client:
            client.settimeout(5)
            asked.append(client.recv(3))
        call.cancel()
        made.close()
    assert asked == [b"PRI"]  # HTTP/2 begins so
