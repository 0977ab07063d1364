"""granian: its server is written in Rust and calls one Python function a request, which is made by `_callback_wrapper`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .asgi import Observed as ObservedAsgi
from .facts import Facts, address_of
from .hooking import Hook, hook, without_hooks
from .request import ServedRequest, begin, kept_context
from .wsgi import Observed as ObservedWsgi

_ANSWERS = (
    "response_empty",
    "response_str",
    "response_bytes",
    "response_file",
    "response_file_range",
    "response_stream",
)


def hook_asgi(module: Any) -> None:
    """Hook the function for ASGI applications."""
    hook(Hook(module, "_callback_wrapper", ("callback", "scope_opts", "state"), _for_asgi))


def hook_wsgi(module: Any) -> None:
    """Hook the function for WSGI applications."""
    hook(Hook(module, "_callback_wrapper", ("callback", "scope_opts"), _for_wsgi))


def hook_rsgi(module: Any) -> None:
    """Hook the function for RSGI applications."""
    hook(Hook(module, "_callback_wrapper", ("callback",), _for_rsgi))


def _for_asgi(original: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
    return _keeping(original(ObservedAsgi(callback), *args, **kwargs))


def _for_rsgi(original: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
    return _keeping(original(ObservedRsgi(callback), *args, **kwargs))


def _keeping(call: Any) -> Any:
    async def kept(scope: Any, proto: Any) -> Any:
        with kept_context():
            try:
                return await call(scope, proto)
            except BaseException as error:
                without_hooks(error)
                raise

    return kept


def _for_wsgi(original: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
    call = original(ObservedWsgi(callback, ends=True), *args, **kwargs)

    def kept(proto: Any, scope: Any) -> Any:
        with kept_context():
            try:
                return call(proto, scope)
            except BaseException as error:
                without_hooks(error)
                raise

    return kept


# --- RSGI -------------------------------------------------------------------------------------------


class ObservedRsgi:
    """Calls an RSGI application for one request, and observes the call."""

    __slots__ = ("_application",)

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, proto: Any) -> Any:
        request = begin(_facts, {"scope": scope})
        if request is None:
            return await self._application(scope, proto)
        try:
            return await self._application(scope, Protocol(proto, request))
        except BaseException as error:
            request.failed(error)
            raise
        finally:
            request.end()


class Protocol:
    """granian's protocol of one request, which also tells the request of its answer."""

    __slots__ = ("_proto", "_request")

    def __init__(self, proto: Any, request: ServedRequest) -> None:
        self._proto = proto
        self._request = request

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._proto, name)
        if name == "accept":  # of a WebSocket
            self._request.answered(101)
        return self._answering(found) if name in _ANSWERS else found

    def _answering(self, respond: Any) -> Any:
        def answer(status: int, headers: Any, *args: Any, **kwargs: Any) -> Any:
            self._request.answered(status, headers)
            return respond(status, headers, *args, **kwargs)

        return answer

    def __call__(self) -> Any:
        return self._proto()

    def __aiter__(self) -> Any:
        return self._proto.__aiter__()


def _facts(source: Mapping[str, Any]) -> Facts:
    scope = source["scope"]
    return Facts(
        scope.method, scope.path, scope.query_string, scope.scheme, scope.http_version,
        [(str(name).lower(), str(value)) for name, value in scope.headers.items()],
        address_of(scope.server.rpartition(":")[::2]), address_of(scope.client.rpartition(":")[::2]),
        "http" if scope.proto == "http" else "websocket",
    )  # fmt: skip
