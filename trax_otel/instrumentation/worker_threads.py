"""Libraries whose own thread takes functions from their own queue: each function runs in the context of who queued it.

Executors and threads as such are `propagation`'s; asgiref, anyio and SQLAlchemy's greenlets carry the context themselves.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from .adoption import adopt

_KINDS: Final = ("SimpleQueue", "Queue")
"""What aiosqlite makes its queues of, by release."""


def carry_into_worker_threads() -> None:
    """Give such libraries queues that carry the context, once they are imported."""
    adopt("aiosqlite", "aiosqlite.core", _aiosqlite)


def _aiosqlite() -> None:
    from .carrying import Carrying, carrying

    module: Any = sys.modules["aiosqlite.core"]
    kinds = {name: kind for name in _KINDS if isinstance(kind := getattr(module, name, None), type)}
    if not kinds:
        raise AttributeError(f"its queue is none of {', '.join(_KINDS)}")
    for name, kind in kinds.items():
        if not issubclass(kind, Carrying):
            setattr(module, name, carrying(kind))
