"""daphne: `create_application` calls the application for one connection, and has a task run it."""

from __future__ import annotations

from typing import Any

from .asgi import Observed
from .hooking import Hook, hook
from .logs import tidy_logger


def hook_server(module: Any) -> None:
    """Hook `daphne.server`."""
    server = module.Server
    hook(Hook(server, "create_application", ("self", "protocol", "scope"), _create_application))
    tidy_logger("daphne.server")


def _create_application(original: Any, server: Any, protocol: Any, scope: Any) -> Any:
    """Called by the reactor alone, which does nothing else meanwhile."""
    application = server.application
    server.application = Observed(application)
    try:
        return original(server, protocol, scope)
    finally:
        server.application = application
