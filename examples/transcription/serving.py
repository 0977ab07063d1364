"""Serve an application, and say where once it listens."""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn


class Announced(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, app: Any, name: str) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning"))
        self.name = name

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            port = sockets[0].getsockname()[1]
            sys.stdout.write(f"{self.name} ready on http://127.0.0.1:{port}\n")
            sys.stdout.flush()


def serve(app: Any, name: str, port: int) -> None:
    """Serve on 127.0.0.1 until told to stop; port 0 takes a free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    Announced(app, name).run(sockets=[listener])
