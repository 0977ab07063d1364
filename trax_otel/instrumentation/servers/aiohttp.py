"""aiohttp's own server: `_handle_request` serves one request, up to its access line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .facts import Facts, address_of
from .hooking import Hook, hook
from .request import begin, current_request, kept_context


def hook_protocol(module: Any) -> None:
    """Hook `aiohttp.web_protocol`."""
    handler = module.RequestHandler
    hook(
        Hook(handler, "_handle_request", ("self", "request"), _handle_request),
        Hook(handler, "handle_error", ("self", "request", "status", "exc"), _handle_error),
    )


async def _handle_request(original: Any, protocol: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
    with kept_context():
        served = begin(_facts, {"request": request})
        try:
            response, reset = await original(protocol, request, *args, **kwargs)
            if served is not None:
                served.answered(response.status, response.headers.items())
            return response, reset
        except BaseException as error:
            if served is not None:
                served.failed(error)
            raise
        finally:
            if served is not None:
                route = getattr(getattr(getattr(request, "match_info", None), "route", None), "resource", None)
                served.routed(getattr(route, "canonical", None) or "")
                served.end()


def _facts(source: Mapping[str, Any]) -> Facts:
    request = source["request"]
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    return Facts(
        request.method, request.rel_url.raw_path, request.rel_url.raw_query_string, request.scheme,
        f"{request.version.major}.{request.version.minor}",
        [(name.lower(), value) for name, value in request.headers.items()],
        address_of(transport.get_extra_info("sockname")) if transport is not None else None,
        address_of((request.remote, peer[1] if isinstance(peer, tuple) else None)),
        "websocket" if request.headers.get("upgrade", "").lower() == "websocket" else "http",
    )  # fmt: skip


def _handle_error(original: Any, protocol: Any, request: Any, status: Any = 500, exc: Any = None, *args: Any) -> Any:
    served = current_request()
    if served is not None and exc is not None:
        served.handled(exc)
    return original(protocol, request, status, exc, *args)
