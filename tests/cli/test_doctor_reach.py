"""`trax-otel doctor` on the way to a server: name, connection, proxy, TLS; each failure is told from the others."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.doctor import Examined, authority, examine, grpc_receiver, raw, receiver, server_context, web
from trax_otel.cli.doctor import versions

HTTP, GRPC = "http/protobuf", "grpc"


@pytest.fixture(autouse=True)
def _no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are another test's, and take their time."""
    monkeypatch.setattr(versions, "check", lambda _: [])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority(tmp_path_factory.mktemp("authority"))


def trust(monkeypatch: pytest.MonkeyPatch, keys: Path, *, client: str = "") -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(keys / "ca.pem"))
    if client:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(keys / f"{client}.pem"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(keys / f"{client}.key"))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_name_that_nobody_knows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    done = examine(capsys, "--endpoint", "http://colector.invalid:4318")
    assert done.status == 1
    assert "the name colector.invalid is not known" in done.error("endpoint")
    assert [one["status"] for one in done.of("send.traces") + done.of("protocol")] == ["skipped", "skipped"]


def test_a_name_server_that_is_silent_costs_the_time_limit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(30))
    began = time.monotonic()
    done = examine(capsys, "--endpoint", "http://collector.test:4318", "--timeout", "0.3")
    released.set()
    assert time.monotonic() - began < 5
    assert "check DNS" in done.error("endpoint")


@pytest.mark.parametrize("protocol", [HTTP, GRPC])
def test_nobody_listens(protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = examine(capsys, "--endpoint", f"http://127.0.0.1:{closed_port()}", "--protocol", protocol)
    assert (done.status, done.errors()) == (1, ["endpoint"])
    assert "nothing listens at 127.0.0.1:" in done.error("endpoint")
    assert "trax-otel local" in done.error("endpoint")


def test_a_connection_that_is_never_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """A listener whose queue is full drops what comes, as a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        done = examine(capsys, "--endpoint", f"http://127.0.0.1:{listener.getsockname()[1]}", "--timeout", "0.5")
        for one in waiting:
            one.close()
    assert "firewall" in done.error("endpoint")


# --- Proxies ------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxy")
def test_a_proxy_that_is_away_is_named_instead_of_the_endpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = closed_port()
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pa55word@127.0.0.1:{port}")
    done = examine(capsys, "--endpoint", "http://collector.test:4318")
    assert f"the proxy 127.0.0.1:{port} cannot be reached" in done.error("endpoint")
    assert "NO_PROXY=collector.test" in done.error("endpoint")
    assert "pa55word" not in done.out


@pytest.mark.usefixtures("no_proxy")
def test_a_proxy_that_refuses_a_tunnel(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with web(lambda *_: (403, {}, b"")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        done = examine(capsys, "--endpoint", "https://collector.test:4318")
    assert f"the proxy 127.0.0.1:{proxy.port} refuses the way" in done.error("endpoint")
    assert [request[0] for request in proxy.asked] == ["CONNECT"]


@pytest.mark.usefixtures("no_proxy")
def test_plain_http_goes_through_the_proxy_as_the_exporter_sends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(lambda method, path, headers: (200, {}, b"")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        done = examine(capsys, "--endpoint", "http://collector.test:4318")
    assert done.status == 0
    assert f"through the proxy 127.0.0.1:{proxy.port}" in done.one("endpoint")["summary"]
    assert "http://collector.test:4318/v1/traces" in [path for _, path, _ in proxy.asked]


# --- TLS ----------------------------------------------------------------------------------------------------------


class Secured:
    """A receiver with TLS, by its protocol."""

    def __init__(self, protocol: str, url: str) -> None:
        self.protocol, self.url = protocol, url

    def examine(self, capsys: pytest.CaptureFixture[str], url: str = "") -> Examined:
        return examine(capsys, "--endpoint", url or self.url, "--protocol", self.protocol)


def secured(keys: Path, protocol: str, name: str, *, ask_client: bool = False) -> Iterator[Secured]:
    if protocol == HTTP:
        with web(receiver(), server_context(keys, name, ask_client=ask_client)) as server:
            yield Secured(protocol, server.url)
    else:
        key, chain, ca = ((keys / file).read_bytes() for file in (f"{name}.key", f"{name}.pem", "ca.pem"))
        credentials = grpc.ssl_server_credentials([(key, chain)], ca, require_client_auth=ask_client)
        with grpc_receiver(credentials=credentials) as url:
            yield Secured(protocol, url)


@pytest.fixture(params=[HTTP, GRPC])
def server(request: pytest.FixtureRequest, keys: Path) -> Iterator[Secured]:
    """A receiver on localhost."""
    yield from secured(keys, request.param, "server")


@pytest.fixture(params=[HTTP, GRPC])
def asking(request: pytest.FixtureRequest, keys: Path) -> Iterator[Secured]:
    """One that asks for a client's certificate."""
    yield from secured(keys, request.param, "server", ask_client=True)


def test_a_trusted_certificate(
    server: Secured, keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, keys)
    done = server.examine(capsys)
    assert (done.status, done.errors()) == (0, [])
    assert "with TLS" in done.one("endpoint")["summary"]
    assert [done.one(f"send.{signal}")["status"] for signal in ("traces", "metrics", "logs")] == ["ok"] * 3


def test_an_authority_that_is_not_known(server: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    said = server.examine(capsys).error("endpoint")
    assert "is not trusted" in said
    assert "set OTEL_EXPORTER_OTLP_CERTIFICATE" in said


@pytest.mark.parametrize("protocol", [HTTP, GRPC])
@pytest.mark.parametrize(("name", "told"), [("other", "is not for localhost"), ("old", "has expired")])
def test_a_certificate_for_another_name_or_time(
    protocol: str, name: str, told: str, keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, keys)
    for server in secured(keys, protocol, name):
        assert told in server.examine(capsys).error("endpoint")


def test_a_client_certificate_is_asked_for(
    asking: Secured, keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, keys)
    said = asking.examine(capsys).error("endpoint")
    assert "asks for a client certificate" in said
    assert "CLIENT_CERTIFICATE" in said


def test_a_client_certificate_is_shown(
    asking: Secured, keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, keys, client="client")
    done = asking.examine(capsys)
    assert (done.status, done.errors()) == (0, [])
    assert "client certificate" in done.one("authentication")["summary"]


def test_a_client_certificate_of_another_authority_is_refused(
    asking: Secured, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = authority(tmp_path)
    trust(monkeypatch, keys)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(foreign / "client.pem"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(foreign / "client.key"))
    assert "refuses the client certificate" in asking.examine(capsys).error("endpoint")


def test_tls_asked_of_a_plain_server(capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver()) as plain:
        done = examine(capsys, "--endpoint", plain.url.replace("http", "https"))
    assert "speaks HTTP without TLS" in done.error("endpoint")
    assert f"write http:// instead of https://: {plain.url}" in done.error("endpoint")


def test_tls_asked_of_a_plain_grpc_server(capsys: pytest.CaptureFixture[str]) -> None:
    with grpc_receiver() as url:
        done = examine(capsys, "--endpoint", url.replace("http", "https"), "--protocol", GRPC)
    assert "without TLS" in done.error("endpoint")
    assert "write http://" in done.error("endpoint")


def test_plain_asked_of_a_server_with_tls(server: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    done = server.examine(capsys, server.url.replace("https", "http"))
    assert "speaks TLS" in done.error("protocol")
    assert f"write https:// instead of http://: {server.url}" in done.error("protocol")


def test_a_server_that_says_itself_that_it_wants_tls(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As Go's does: it answers plain HTTP with 400, which is no answer of a receiver."""
    context = server_context(keys)

    def talk(connection: socket.socket, _: threading.Event) -> None:
        if connection.recv(1, socket.MSG_PEEK) == b"\x16":
            with context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1)
            return
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")

    with raw(talk) as url:
        assert "speaks TLS" in examine(capsys, "--endpoint", url).error("protocol")


@pytest.mark.parametrize("protocol", [HTTP, GRPC])
def test_a_certificate_file_that_is_not_there(
    protocol: str, keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in secured(keys, protocol, "server"):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(keys / "missing.pem"))
        done = server.examine(capsys)
        assert "missing.pem cannot be used" in done.error("endpoint")
        assert "missing.pem cannot be read" in done.error("environment.tls")


def test_a_server_that_ends_the_handshake(capsys: pytest.CaptureFixture[str]) -> None:
    with raw(lambda connection, _: connection.recv(10)) as url:
        done = examine(capsys, "--endpoint", url.replace("http", "https"))
    assert "no TLS connection" in done.error("endpoint")
