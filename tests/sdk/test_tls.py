"""TLS and client certificates of the exporter, over HTTP and gRPC, with servers that really ask for them."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

import trax_otel
from trax_otel.errors import InvalidConfigError

pytestmark = pytest.mark.usefixtures("globals_of_otel")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (ca.pem), and what it has signed: a server on localhost, and a client."""
    folder = tmp_path_factory.mktemp("authority")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    # Python 3.13 verifies strictly (RFC 5280): an authority says what its key is for, a certificate who signed it.
    openssl(folder, "req", "-x509", *curve, "-days", "1", "-subj", "/CN=authority", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    (folder / "names.cnf").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    for name in ("server", "client"):
        openssl(folder, "req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "1", "-extfile", "names.cnf", "-out", f"{name}.pem")  # fmt: skip
    return folder


class Receiver:
    """What arrived, and where to send it."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.url = ""
        self.protocol = ""

    def take(self, message: ExportTraceServiceRequest) -> None:
        self.spans += [
            span.name for resource in message.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]


@pytest.fixture
def http_receiver(authority: Path) -> Iterator[Receiver]:
    receiver = Receiver()

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                receiver.take(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    context.load_verify_locations(authority / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    receiver.url, receiver.protocol = f"https://localhost:{server.server_port}", "http/protobuf"
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def grpc_receiver(authority: Path) -> Iterator[Receiver]:
    receiver = Receiver()

    def export(message: ExportTraceServiceRequest, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        receiver.take(message)
        return ExportTraceServiceResponse()

    method = grpc.unary_unary_rpc_method_handler(
        export, ExportTraceServiceRequest.FromString, ExportTraceServiceResponse.SerializeToString
    )
    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
    key, chain, ca = ((authority / file).read_bytes() for file in ("server.key", "server.pem", "ca.pem"))
    credentials = grpc.ssl_server_credentials([(key, chain)], ca, require_client_auth=True)
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    receiver.url, receiver.protocol = f"https://localhost:{port}", "grpc"
    yield receiver
    server.stop(0).wait(5)


@pytest.fixture(params=["http_receiver", "grpc_receiver"])
def receiver(request: pytest.FixtureRequest) -> Receiver:
    found: Receiver = request.getfixturevalue(request.param)
    return found


def export(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, seconds: float = 10.0, **files: Path) -> bool:
    """Send one span with these files in the environment; whether all was delivered."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", receiver.protocol)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    for name, file in files.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name.upper()}", str(file))
    handle = trax_otel.configure(service_name="tls", exit_timeout=0.5)
    try:
        trace.get_tracer("t").start_span("secret work").end()
        return bool(handle.flush(seconds))
    finally:
        handle.shutdown()


def test_with_the_authority_and_a_client_certificate_it_arrives(
    receiver: Receiver, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export(
        receiver, monkeypatch, certificate=authority / "ca.pem", client_certificate=authority / "client.pem",
        client_key=authority / "client.key",
    )  # fmt: skip
    assert receiver.spans == ["secret work"]


def test_a_server_of_an_unknown_authority_gets_nothing(
    receiver: Receiver, authority: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not export(
        receiver, monkeypatch, 1.0, client_certificate=authority / "client.pem", client_key=authority / "client.key"
    )
    assert receiver.spans == []


def test_without_a_client_certificate_nothing_is_taken(
    receiver: Receiver, authority: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not export(receiver, monkeypatch, 1.0, certificate=authority / "ca.pem")
    assert receiver.spans == []
    assert "not delivered" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        InvalidConfigError, match=r"OTEL_EXPORTER_OTLP_CERTIFICATE='.*missing.pem': must be the path of a file"
    ):
        export(receiver, monkeypatch, 1.0, certificate=tmp_path / "missing.pem")
