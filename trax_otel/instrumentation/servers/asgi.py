"""Requests of servers that call ASGI applications."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from .facts import of_scope
from .request import ServedRequest, begin

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[Any]]

_OBSERVED: Final = {"http", "websocket"}


class Observed:
    """Calls an application for one request, and observes the call. Everything but the request passes untouched.

    Whoever makes it keeps the context (`kept_context`) beyond the call: what the server logs of the request afterwards
    belongs to its trace.
    """

    __slots__ = ("_application",)

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send, *rest: Any) -> Any:
        request = begin(of_scope, scope) if scope["type"] in _OBSERVED else None
        if request is None:
            return await self._application(scope, receive, send, *rest)
        try:
            return await self._application(scope, receive, _telling(request, send), *rest)
        except BaseException as error:
            request.failed(error)
            raise
        finally:
            request.end()


def _telling(request: ServedRequest, send: Send) -> Send:
    """The server's `send`, which also tells the request of its answer. What the server returns is handed on as it is."""

    def observed_send(message: Message) -> Awaitable[None]:
        tell = _TOLD.get(message.get("type", ""))
        if tell is not None:
            tell(request, message)
        return send(message)

    return observed_send


def _answered(request: ServedRequest, message: Message) -> None:
    headers = message.get("headers") or ()
    request.answered(
        message.get("status", 0), [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    )


def _accepted(request: ServedRequest, message: Message) -> None:
    request.answered(101)


_TOLD: Final[dict[str, Callable[[ServedRequest, Message], None]]] = {
    "http.response.start": _answered,
    "websocket.accept": _accepted,
    "websocket.http.response.start": _answered,
}
