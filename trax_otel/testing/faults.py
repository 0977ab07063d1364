"""Functions that fail on demand, and a real collector on 127.0.0.1 that does."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Union

Behaviour = Union[Literal["accepts", "hangs", "refuses"], int]  # noqa: UP007 — evaluated, on Python 3.10 too


class fails:  # noqa: N801 — reads as a verb: `fails(2, with_=TimeoutError)`
    """A callable that raises `times` times, then returns `result`.

    `with_` is an exception, a class, or a list of them in order. It works as a plain function and, by `.asynchronous`, as a
    coroutine function; `calls` counts.
    """

    def __init__(
        self, times: int, *, with_: BaseException | type[BaseException] | list[BaseException], result: Any = None
    ) -> None:
        self.times = times
        self.result = result
        self.calls = 0
        self._errors = with_

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.calls += 1
        if self.calls <= self.times:
            raise self._error(self.calls - 1)
        return self.result

    async def asynchronous(self, *args: Any, **kwargs: Any) -> Any:
        """The same as a coroutine function."""
        return self(*args, **kwargs)

    def _error(self, place: int) -> BaseException:
        chosen = self._errors[min(place, len(self._errors) - 1)] if isinstance(self._errors, list) else self._errors
        return chosen() if isinstance(chosen, type) else chosen


@dataclass
class Collector:
    """What arrived at a collector; `behave(...)` changes its manners while it runs."""

    port: int = 0
    behaviour: Behaviour = "accepts"
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    """(path, plain body) of each request that was read."""
    _released: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def behave(self, behaviour: Behaviour) -> None:
        """`accepts`, `hangs` (reads, then is silent), `refuses` (closes the connection), or an HTTP status such as 503."""
        self.behaviour = behaviour
        self._released.set()
        self._released = threading.Event()


@contextmanager
def collector(behaviour: Behaviour = "accepts") -> Iterator[Collector]:
    """A real OTLP/HTTP collector on a free port of 127.0.0.1, for tests of what an application does when it misbehaves."""
    state = Collector(behaviour=behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.behave("refuses")
        server.shutdown()
        server.server_close()
        thread.join(5)


def _handler(state: Collector) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            behaviour = state.behaviour
            if behaviour == "hangs":
                state._released.wait(60)
                behaviour = "refuses"
            if behaviour == "refuses":
                self.close_connection = True
                return
            state.requests.append((self.path, body))
            self.send_response(200 if behaviour == "accepts" else int(behaviour))
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
