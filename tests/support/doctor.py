"""`trax-otel doctor` in this process, and servers that fail in the ways that it tells apart."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from trax_otel.cli import main

if TYPE_CHECKING:
    import pytest

METHODS = {
    "trace": ("TraceService", ExportTraceServiceResponse),
    "metrics": ("MetricsService", ExportMetricsServiceResponse),
    "logs": ("LogsService", ExportLogsServiceResponse),
}


class Examined:
    """What a run said."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def report(self) -> dict[str, Any]:
        return dict(json.loads(self.out))

    def of(self, check: str, status: str | None = None) -> list[dict[str, Any]]:
        return [one for one in self.report["checks"] if one["id"] == check and status in {None, one["status"]}]

    def one(self, check: str) -> dict[str, Any]:
        """The single finding of a check."""
        (found,) = self.of(check)
        return found

    def error(self, check: str) -> str:
        """Its summary, detail and advice, on one line; it must be the check's only finding, and an error with advice."""
        found = self.one(check)
        assert found["status"] == "error", found
        assert found["advice"], found
        return f"{found['summary']} | {found['detail']} | {found['advice']}"

    def errors(self) -> list[str]:
        return [one["id"] for one in self.report["checks"] if one["status"] == "error"]


def examine(capsys: pytest.CaptureFixture[str], *arguments: str, text: bool = False) -> Examined:
    """Run it, as JSON unless `text`."""
    try:
        status = main.main(["doctor", *arguments, *([] if text else ["--json"])])
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return Examined(status, captured.out, captured.err)


# --- Certificates -------------------------------------------------------------------------------------------------


def authority(folder: Path) -> Path:
    """ca.pem; server.pem for localhost, other.pem for another name, old.pem that has expired, client.pem; keys beside."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", *curve, "-days", "1", "-subj", "/CN=authority", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    for name, host, days in (("server", "localhost", "1"), ("other", "elsewhere.test", "1"), ("old", "localhost", "-1"),
                             ("client", "localhost", "1")):  # fmt: skip
        address = "" if name == "other" else ",IP:127.0.0.1"
        (folder / f"{name}.cnf").write_text(
            f"subjectAltName=DNS:{host}{address}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        )
        openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", days, "-extfile", f"{name}.cnf", "-out", f"{name}.pem")  # fmt: skip
    return folder


def server_context(folder: Path, name: str = "server", *, ask_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if ask_client:
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# --- Servers ------------------------------------------------------------------------------------------------------

Answer = tuple[int, dict[str, str], bytes]
Behave = Callable[[str, str, dict[str, str]], Answer]


class Web:
    """An HTTP server: `behave(method, path, headers)` answers; `asked` are the requests."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        self.port = server.server_port
        self.url = f"{scheme}://localhost:{self.port}"
        self.asked: list[tuple[str, str, dict[str, str]]] = []


@contextmanager
def web(behave: Behave, context: ssl.SSLContext | None = None, *, date: bool = True) -> Iterator[Web]:
    running: list[Web] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            running[0].asked.append((self.command, self.path, headers))
            status, more, body = behave(self.command, self.path, headers)
            self.send_response_only(status)
            if date and "date" not in more:
                self.send_header("date", self.date_time_string())
            for name, value in {**more, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")

        do_GET = do_POST = do_HEAD = do_CONNECT = answer

        def log_message(self, *_: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    server = Quiet(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    running.append(Web(server, "http" if context is None else "https"))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield running[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def receiver(status: int = 200, headers: dict[str, str] | None = None, body: bytes = b"") -> Behave:
    """Answers so where OTLP goes, and 404 elsewhere."""

    def behave(method: str, path: str, _: dict[str, str]) -> Answer:
        if method == "POST" and path in {"/v1/traces", "/v1/metrics", "/v1/logs"}:
            return status, headers or {}, body
        return 404, {}, b""

    return behave


@contextmanager
def raw(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A TCP server whose every connection is handed to `talk`, with the event that says: end."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection, over)

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [accepting, *threads]:
            thread.join(5)


@contextmanager
def grpc_receiver(
    behave: Callable[[str, grpc.ServicerContext], Any] = lambda signal, context: None,
    services: tuple[str, ...] = ("trace", "metrics", "logs"),
    credentials: Any = None,
) -> Iterator[str]:
    """OTLP/gRPC: `behave(signal, context)` may abort, or return a response of its own."""

    def handler(signal: str) -> Any:
        service, response = METHODS[signal]

        def export(_: bytes, context: grpc.ServicerContext) -> bytes:
            return bytes((behave(signal, context) or response()).SerializeToString())

        name = f"opentelemetry.proto.collector.{signal}.v1.{service}"
        return grpc.method_handlers_generic_handler(name, {"Export": grpc.unary_unary_rpc_method_handler(export)})

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(tuple(handler(signal) for signal in services))
    port = (
        server.add_insecure_port("127.0.0.1:0")
        if credentials is None
        else server.add_secure_port("localhost:0", credentials)
    )
    server.start()
    try:
        yield f"http://127.0.0.1:{port}" if credentials is None else f"https://localhost:{port}"
    finally:
        server.stop(0).wait(5)
