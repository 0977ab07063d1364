"""uvicorn: each request is a task that runs `run_asgi` of its protocol."""

from __future__ import annotations

from typing import Any

from .asgi import Observed
from .hooking import Hook, hook
from .logs import tidy_logger
from .request import kept_context

PROTOCOLS = ("WebSocketProtocol", "WebSocketsSansIOProtocol", "WSProtocol")
"""What uvicorn's implementations of WebSocket call their class; each has one of them."""


def hook_http(module: Any) -> None:
    """Hook one of uvicorn's implementations of HTTP."""
    hook(Hook(module.RequestResponseCycle, "run_asgi", ("self", "app"), _run_http))
    tidy_logger("uvicorn.error")


def hook_websockets(module: Any) -> None:
    """Hook one of uvicorn's implementations of WebSocket."""
    (protocol,) = [vars(module)[name] for name in PROTOCOLS if name in vars(module)]
    hook(Hook(protocol, "run_asgi", ("self",), _run_websocket))
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
