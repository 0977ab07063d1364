"""hypercorn: each request is a task that runs `_handle` of its event loop's module, for ASGI and WSGI applications."""

from __future__ import annotations

from typing import Any

from .asgi import Observed
from .hooking import Hook, hook
from .logs import tidy_logger
from .request import kept_context


def hook_tasks(module: Any) -> None:
    """Hook one of hypercorn's event loops."""
    hook(Hook(module, "_handle", ("app", "config", "scope", "receive", "send"), _handle))
    tidy_logger("hypercorn.error")


async def _handle(original: Any, app: Any, *args: Any, **kwargs: Any) -> None:
    with kept_context():
        await original(Observed(app), *args, **kwargs)
