"""A queue for a single reading thread that hands on the context of who put each item in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from ..signals import detach
from ..signals.frames import calling_place, with_place

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context


class Carrying:
    """Makes any queue one for a single reading thread: what that thread reads it works on, until it reads on, in the
    context of who put it there."""

    _token: Token[Context] | None = None

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        """Put an item in with the current context, and the application's line that put it there."""
        context = with_place(otel_context.get_current(), calling_place(sys._getframe(1)))
        super().put((context, item), *args, **kwargs)  # type: ignore[misc]

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


def carrying(kind: type[Any]) -> type[Any]:
    """A kind of queue, made one that carries the context."""
    return type(kind.__name__, (Carrying, kind), {})
