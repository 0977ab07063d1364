"""uvicorn: each request is a task that runs `run_asgi` of its protocol."""

from __future__ import annotations

import sys
from typing import Any

from .asgi import Observed
from .hooking import Hook, hook
from .logs import tidy_logger
from .request import kept_context

HTTP = {
    "uvicorn.protocols.http.h11_impl": "RequestResponseCycle",
    "uvicorn.protocols.http.httptools_impl": "RequestResponseCycle",
    "uvicorn.protocols.http.zttp_impl": "RequestResponseCycle",
    "uvicorn.protocols.http.zttp_h2_impl": "RequestResponseCycle",
}
WEBSOCKETS = {
    "uvicorn.protocols.websockets.websockets_impl": "WebSocketProtocol",
    "uvicorn.protocols.websockets.websockets_sansio_impl": "WebSocketsSansIOProtocol",
    "uvicorn.protocols.websockets.wsproto_impl": "WSProtocol",
}


def hook_http(module: str) -> None:
    """Hook one of uvicorn's implementations of HTTP."""
    hook(Hook(getattr(sys.modules[module], HTTP[module]), "run_asgi", ("self", "app"), _run_http))
    tidy_logger("uvicorn.error")


def hook_websockets(module: str) -> None:
    """Hook one of uvicorn's implementations of WebSocket."""
    hook(Hook(getattr(sys.modules[module], WEBSOCKETS[module]), "run_asgi", ("self",), _run_websocket))
    tidy_logger("uvicorn.error")


async def _run_http(original: Any, cycle: Any, app: Any) -> None:
    with kept_context():
        await original(cycle, Observed(app))


async def _run_websocket(original: Any, protocol: Any) -> None:
    """The protocol is this connection's own, so is the attribute by which it calls the application."""
    application = protocol.app
    protocol.app = Observed(application)
    try:
        with kept_context():
            await original(protocol)
    finally:
        protocol.app = application
