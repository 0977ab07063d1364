"""Sanic's own server: its protocol hands each request to `request_handler`.

Sanic compiles methods of its application anew from their source when it starts, so what is hooked here is none of those.
Under an ASGI server the request is that server's, and only the route comes from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .facts import Facts, address_of
from .hooking import Hook, hook
from .request import ServedRequest, begin, current_request, kept_context


def hook_protocol(module: Any) -> None:
    """Hook what serves connections."""
    protocol = module.HttpProtocolMixin
    hook(Hook(protocol, "_setup", ("self",), _setup))


def hook_asgi(module: Any) -> None:
    """Hook Sanic as an ASGI application."""
    hook(Hook(module.ASGIApp, "__call__", ("self",), _call))


def hook_errors(module: Any) -> None:
    """Hook what turns an exception into an answer."""
    handler = module.ErrorHandler
    hook(Hook(handler, "response", ("self", "request", "exception"), _response))


def _setup(original: Any, protocol: Any, *args: Any, **kwargs: Any) -> None:
    original(protocol, *args, **kwargs)
    protocol.request_handler = partial(_serve, protocol.request_handler)


async def _serve(handle: Any, request: Any) -> None:
    with kept_context():
        served = begin(_facts, {"request": request})
        try:
            await handle(request)
        except BaseException as error:
            if served is not None:
                served.failed(error)
            raise
        finally:
            if served is not None:
                _conclude(served, request)


def _conclude(served: ServedRequest, request: Any) -> None:
    response = getattr(request.stream, "response", None)
    if response is not None:
        served.answered(response.status, [(str(name), str(value)) for name, value in response.headers.items()])
    elif _is_websocket(request):
        served.answered(101)
    if request.uri_template:
        served.routed(request.uri_template)
    served.end()


def _facts(source: Mapping[str, Any]) -> Facts:
    request = source["request"]
    return Facts(
        request.method, request.path, request.query_string, request.scheme, str(request.version),
        [(name.lower(), value) for name, value in request.headers.items()],
        address_of((request.server_name, request.server_port)), address_of((request.client_ip, request.port)),
        "websocket" if _is_websocket(request) else "http",
    )  # fmt: skip


def _is_websocket(request: Any) -> bool:
    return bool(request.headers.getone("upgrade", "").lower() == "websocket")


async def _call(original: Any, application: Any) -> None:
    try:
        await original(application)
    finally:
        served, request = current_request(), application.request
        if served is not None and request.uri_template:
            served.routed(request.uri_template)


def _response(original: Any, handler: Any, request: Any, exception: BaseException) -> Any:
    served = current_request()
    if served is not None:
        served.handled(exception)
    return original(handler, request, exception)
