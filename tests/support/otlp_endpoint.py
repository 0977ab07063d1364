"""A real OTLP/HTTP endpoint on 127.0.0.1 that remembers what it was sent and fails on demand."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HANG = "hang"
_KINDS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass
class Reply:
    """What the endpoint answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Received:
    """One request: where it went, its decoded message, and the client's port (one per connection)."""

    path: str
    message: Any
    headers: dict[str, str]
    client_port: int
    status: int


def attributes_of(message: Any) -> dict[str, Any]:
    """The attributes of a resource, span, record or data point as plain values."""
    found = {}
    for pair in message.attributes:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else None
    return found


class OtlpEndpoint:
    """`behave(path, count, message) -> Reply | HANG` decides each answer; `count` counts a path's requests from 1."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.behave: Callable[[str, int, Any], Reply | str] = lambda path, count, message: Reply()
        self.broken: list[str] = []
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._released = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                endpoint._serve(self)

            def log_message(self, *args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request: object, client_address: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        if handler.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        kind = _KINDS.get(handler.path)
        try:
            message = kind.FromString(body) if kind else body
        except Exception as error:
            self.broken.append(f"{handler.path}: {error}")
            message = None
        with self._lock:
            count = self._counts[handler.path] = self._counts.get(handler.path, 0) + 1
        reply = self.behave(handler.path, count, message)
        if isinstance(reply, str):
            self._released.wait(60)
            handler.close_connection = True
            return
        with self._lock:
            self.requests.append(
                Received(handler.path, message, dict(handler.headers), handler.client_address[1], reply.status)
            )
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)

    def accepted(self, path: str) -> list[Any]:
        """The messages that were answered with success."""
        with self._lock:
            return [r.message for r in self.requests if r.path == path and 200 <= r.status < 300]

    def spans(self) -> list[Any]:
        """All spans that were accepted."""
        return [
            span
            for message in self.accepted("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def log_records(self) -> list[Any]:
        """All log records that were accepted."""
        return [
            record
            for message in self.accepted("/v1/logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def metrics(self) -> list[tuple[dict[str, Any], Any]]:
        """All metrics that were accepted, in order of arrival, each with its resource's attributes."""
        return [
            (attributes_of(resource.resource), metric)
            for message in self.accepted("/v1/metrics")
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def resources(self) -> list[dict[str, Any]]:
        """The resource of every accepted span batch."""
        return [
            attributes_of(resource.resource)
            for message in self.accepted("/v1/traces")
            for resource in message.resource_spans
        ]

    def close(self) -> None:
        """Stop, and let go whoever hangs."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def otlp_endpoint() -> Iterator[OtlpEndpoint]:
    """An endpoint for the length of the block."""
    endpoint = OtlpEndpoint()
    try:
        yield endpoint
    finally:
        endpoint.close()


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether `condition()` came true within `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())
