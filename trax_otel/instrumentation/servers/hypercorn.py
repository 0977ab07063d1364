"""hypercorn: each request is a task that runs `_handle` of its event loop's module, for ASGI and WSGI applications."""

from __future__ import annotations

import sys
from typing import Any

from .asgi import Observed
from .hooking import Hook, hook
from .logs import tidy_logger
from .request import kept_context

MODULES = ("hypercorn.asyncio.task_group", "hypercorn.trio.task_group")


def hook_tasks(module: str) -> None:
    """Hook one of hypercorn's event loops."""
    hook(Hook(sys.modules[module], "_handle", ("app", "config", "scope", "receive", "send"), _handle))
    tidy_logger("hypercorn.error")


async def _handle(original: Any, app: Any, *args: Any, **kwargs: Any) -> None:
    with kept_context():
        await original(Observed(app), *args, **kwargs)
