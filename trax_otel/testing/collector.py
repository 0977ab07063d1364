"""A real OTLP/HTTP server on 127.0.0.1 that misbehaves as told, and remembers what it was sent."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_MESSAGES: Final = {
    "/v1/traces": ("trace", "ExportTraceServiceRequest"),
    "/v1/metrics": ("metrics", "ExportMetricsServiceRequest"),
    "/v1/logs": ("logs", "ExportLogsServiceRequest"),
}
_MAX_HANG_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Behaviour:
    """How the next requests are answered; `times` None: all of them."""

    kind: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    times: int | None = None


def accepts(*, times: int | None = None) -> Behaviour:
    """Takes everything, as a healthy collector does."""
    return Behaviour("answers", times=times)


def answers(
    status: int, *, headers: Mapping[str, str] | None = None, body: bytes = b"", times: int | None = None
) -> Behaviour:
    """Answers with an HTTP status: `answers(503, headers={"Retry-After": "1"}, times=2)`."""
    return Behaviour("answers", status, dict(headers or {}), body, times)


def hangs(*, times: int | None = None) -> Behaviour:
    """Reads the request and never answers (until the block ends)."""
    return Behaviour("hangs", times=times)


def drops(*, times: int | None = None) -> Behaviour:
    """Reads the request and closes the connection without an answer."""
    return Behaviour("drops", times=times)


def refuses() -> Behaviour:
    """Nobody listens on the port."""
    return Behaviour("refuses")


@dataclass(frozen=True)
class Request:
    """One request; `message` is the decoded protobuf message, None where the body is none."""

    path: str
    headers: Mapping[str, str]
    message: Any
    status: int | None
    """What was answered; None where nothing was."""


class Collector:
    """What `collector_that` yields."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.requests: list[Request] = []
        """Every request so far, accepted or not."""
        self._behaviours = [behaviour for behaviour in behaviours for _ in range(behaviour.times or 1)]
        self._forever = behaviours[-1] if behaviours and behaviours[-1].times is None else accepts()
        self._arrived = threading.Condition()
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        if any(behaviour.kind == "refuses" for behaviour in behaviours):
            # Bound but never listening: the port is refused, and nobody else can get it meanwhile.
            self._socket = socket.socket()
            self._socket.bind(("127.0.0.1", 0))
            self.port: int = self._socket.getsockname()[1]
        else:
            self._server = _server(self._serve)
            self.port = self._server.server_address[1]
            thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
            thread.start()

    @property
    def url(self) -> str:
        """The base URL: what `configure(endpoint=…)` or OTEL_EXPORTER_OTLP_ENDPOINT takes."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Any]:
        """The spans (protobuf messages) that were answered with success."""
        return self._accepted("/v1/traces", "resource_spans", "scope_spans", "spans")

    @property
    def logs(self) -> list[Any]:
        """The log records that were answered with success."""
        return self._accepted("/v1/logs", "resource_logs", "scope_logs", "log_records")

    @property
    def metrics(self) -> list[Any]:
        """The metrics that were answered with success, in order of arrival."""
        return self._accepted("/v1/metrics", "resource_metrics", "scope_metrics", "metrics")

    def wait_for(self, condition: Callable[[Collector], object], seconds: float = 10.0) -> bool:
        """Whether `condition(collector)` came true within `seconds`; looked at after every request."""
        end = time.monotonic() + seconds
        with self._arrived:
            while not condition(self):
                if not self._arrived.wait(end - time.monotonic()):
                    return bool(condition(self))
        return True

    def close(self) -> None:
        """Stop, and let go whoever hangs."""
        self._released.set()
        if self._server is None:
            self._socket.close()
            return
        self._server.shutdown()
        self._server.server_close()

    def _accepted(self, path: str, *levels: str) -> list[Any]:
        found = [r.message for r in self.requests if r.path == path and r.status is not None and r.status < 300]
        for level in levels:
            found = [inner for outer in found if outer is not None for inner in getattr(outer, level)]
        return found

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        with self._arrived:
            behaviour = self._behaviours.pop(0) if self._behaviours else self._forever
            status = behaviour.status if behaviour.kind == "answers" else None
            message = _decoded(handler.path, body, handler.headers.get("content-encoding", ""))
            self.requests.append(Request(handler.path, dict(handler.headers), message, status))
            self._arrived.notify_all()
        if status is None:
            if behaviour.kind == "hangs":
                self._released.wait(_MAX_HANG_SECONDS)
            handler.close_connection = True
            return
        handler.send_response(status)
        for name, value in behaviour.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(behaviour.body)))
        handler.end_headers()
        handler.wfile.write(behaviour.body)


@contextmanager
def collector_that(*behaviours: Behaviour) -> Iterator[Collector]:
    """A collector that behaves so, one behaviour after the other; after one with `times` it accepts.

    `with collector_that(answers(503, times=2)) as collector:` refuses two requests and takes the third;
    `collector_that(hangs())`, `collector_that(refuses())`, `collector_that(drops(times=1), answers(400))`.
    """
    collector = Collector(*behaviours)
    try:
        yield collector
    finally:
        collector.close()


def _server(serve: Callable[[BaseHTTPRequestHandler], None]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _MAX_HANG_SECONDS

        def do_POST(self) -> None:
            serve(self)

        def log_message(self, format: str, *args: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 256

        def handle_error(self, request: object, client_address: object) -> None:
            return  # a client that went away is part of the game

    return Server(("127.0.0.1", 0), Handler)


def _decoded(path: str, body: bytes, encoding: str) -> Any:
    if path not in _MESSAGES:
        return None
    import importlib

    room, name = _MESSAGES[path]
    module = importlib.import_module(f"opentelemetry.proto.collector.{room}.v1.{room}_service_pb2")
    try:
        return getattr(module, name).FromString(gzip.decompress(body) if encoding == "gzip" else body)
    except Exception:  # not OTLP: the request is remembered without a message
        return None
