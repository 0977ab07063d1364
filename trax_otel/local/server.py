"""The endpoint's process: OTLP over HTTP and gRPC, the page, one writer, one file."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .eviction import Bounds
from .queries import Queries
from .schema import default_path
from .store import Store

if TYPE_CHECKING:
    import grpc
    import uvicorn
    from typing_extensions import Self

    from .writer import Writer

HTTP_PORT: Final = 4318
GRPC_PORT: Final = 4317
HOST: Final = "127.0.0.1"
LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


class EndpointError(Exception):
    """The endpoint cannot start; the text says why and what to do."""


@dataclass
class Endpoint:
    """A running endpoint; `close()` ends it."""

    host: str
    http_port: int
    grpc_port: int
    path: Path
    _server: uvicorn.Server
    _thread: threading.Thread
    _grpc: grpc.Server
    _writer: Writer
    _queries: Queries

    @property
    def url(self) -> str:
        """The page, and the base of OTLP over HTTP."""
        return f"http://{_bracketed(self.host)}:{self.http_port}"

    @property
    def running(self) -> bool:
        """Whether it still listens."""
        return self._thread.is_alive()

    def close(self, seconds: float = 5.0) -> None:
        """Take no more, write what waits, close the file."""
        self._server.should_exit = True
        self._grpc.stop(grace=min(1.0, seconds)).wait(seconds)
        self._thread.join(seconds)
        self._queries.close()
        self._writer.close(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(
    *,
    host: str = HOST,
    http_port: int = HTTP_PORT,
    grpc_port: int = GRPC_PORT,
    path: Path | str | None = None,
    fresh: bool = False,
    bounds: Bounds | None = None,
) -> Endpoint:
    """Start the endpoint on threads of its own and return once it listens (port 0: a free one).

    Raises EndpointError where an extra is missing, a port is taken, or the file cannot be used.
    """
    _need_extra()
    import sqlite3

    import uvicorn

    from .grpc_receiver import start_grpc
    from .writer import Writer

    chosen = Path(path) if path is not None else default_path()
    listener = _listen(host, http_port, "--http-port")
    try:
        # Tried before the file is touched: a start that fails must not have emptied it.
        _listen(host, grpc_port, "--grpc-port").close()
        store = Store(chosen, bounds=bounds, fresh=fresh)
    except EndpointError:
        listener.close()
        raise
    except (OSError, sqlite3.Error) as error:
        listener.close()
        raise EndpointError(f"{chosen} cannot be used: {error}. Another file: --db PATH") from None
    writer = Writer(store)
    try:
        grpc_server, bound_grpc = start_grpc(writer, host, grpc_port)
    except OSError:
        listener.close()
        writer.close()
        raise _taken(host, grpc_port, "--grpc-port") from None
    queries = Queries(chosen)
    config = uvicorn.Config(
        _application(
            writer, queries, local_only=_name(_bracketed(host)) in LOCAL_NAMES, stopping=lambda: server.should_exit
        ),
        log_level="warning", access_log=False, lifespan="off",
        timeout_graceful_shutdown=2, log_config=None,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, args=([listener],), name="trax-otel local http", daemon=True)
    thread.start()
    return Endpoint(host, listener.getsockname()[1], bound_grpc, chosen, server, thread, grpc_server, writer, queries)


def _need_extra() -> None:
    missing = []
    for name in ("starlette", "uvicorn", "grpc", "jinja2", "google.rpc.status_pb2"):
        try:
            __import__(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise EndpointError(f"{', '.join(missing)} missing: pip install 'trax-otel[local]'")


def _taken(host: str, port: int, option: str) -> EndpointError:
    return EndpointError(f"port {port} on {host} is in use (another trax-otel local?). Another port: {option} PORT")


def _listen(host: str, port: int, option: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise _taken(host, port, option) from None
        raise EndpointError(f"cannot listen on {host}:{port}: {error}") from None
    return listener


def _application(writer: Writer, queries: Queries, *, local_only: bool, stopping: Callable[[], bool]) -> Any:
    from starlette.applications import Starlette

    from .http_receiver import receiver_routes
    from .web import routes

    application: Any = Starlette(routes=[*receiver_routes(writer), *routes(queries, stopping)])
    return HostCheck(application) if local_only else application


class HostCheck:
    """Refuses requests whose Host is not this machine: a page from elsewhere must not reach it by DNS rebinding."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or _name(hosts[0]) not in LOCAL_NAMES:
                from starlette.responses import PlainTextResponse

                refusal = PlainTextResponse("This endpoint answers to 127.0.0.1 and localhost only.\n", 421)
                await refusal(scope, receive, send)
                return
        await self._application(scope, receive, send)


def _name(host: str) -> str:
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].rstrip(".")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
