"""Libraries whose own thread takes functions from their own queue: each function runs in the context of who queued it.

Executors and threads as such are `propagation`'s; asgiref, anyio and SQLAlchemy's greenlets carry the context themselves.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ..signals import detach
from .adoption import adopt

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

_KINDS: Final = ("SimpleQueue", "Queue")
"""What aiosqlite makes its queues of, by release."""


class Carrying:
    """Makes any queue one for a single reading thread: what that thread reads it works on, until it reads on, in the
    context of who put it there."""

    _token: Token[Context] | None = None

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        """Put an item in with the current context."""
        super().put((otel_context.get_current(), item), *args, **kwargs)  # type: ignore[misc]

    def put_nowait(self, item: Any) -> None:
        """The same, without waiting."""
        self.put(item, block=False)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Take an item out and make its context current."""
        token, self._token = self._token, None
        if token is not None:
            detach(token)
        context, item = super().get(*args, **kwargs)  # type: ignore[misc]
        self._token = otel_context.attach(context)
        return item


def carry_into_worker_threads() -> None:
    """Give such libraries queues that carry the context, once they are imported."""
    adopt("aiosqlite", "aiosqlite.core", _aiosqlite)


def _aiosqlite() -> None:
    module: Any = sys.modules["aiosqlite.core"]
    kinds = {name: kind for name in _KINDS if isinstance(kind := getattr(module, name, None), type)}
    if not kinds:
        raise AttributeError(f"its queue is none of {', '.join(_KINDS)}")
    for name, kind in kinds.items():
        if not issubclass(kind, Carrying):
            setattr(module, name, carrying(kind))


def carrying(kind: type[Any]) -> type[Any]:
    """A kind of queue, made one that carries the context."""
    return type(kind.__name__, (Carrying, kind), {})
