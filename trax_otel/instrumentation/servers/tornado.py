"""Tornado's own server: `_execute` serves one request in a task, up to its line in `tornado.access`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .facts import Facts, address_of
from .hooking import Hook, hook
from .logs import tidy_logger
from .request import begin, current_request, kept_context


def hook_handlers(module: Any) -> None:
    """Hook `tornado.web`."""
    handler = module.RequestHandler
    hook(
        Hook(handler, "_execute", ("self", "transforms"), _execute),
        Hook(handler, "log_exception", ("self", "typ", "value", "tb"), _log_exception),
    )
    tidy_logger("tornado.application")


async def _execute(original: Any, handler: Any, *args: Any, **kwargs: Any) -> None:
    with kept_context():
        request = begin(_facts, {"handler": handler})
        try:
            await original(handler, *args, **kwargs)
        except BaseException as error:
            if request is not None:
                request.failed(error)
            raise
        finally:
            if request is not None:
                request.answered(handler.get_status(), list(handler._headers.get_all()))
                request.end()


def _facts(source: Mapping[str, Any]) -> Facts:
    request = source["handler"].request
    context = getattr(request.connection, "context", None)
    address = getattr(context, "address", None)
    return Facts(
        request.method, request.path, request.query, request.protocol, request.version.removeprefix("HTTP/"),
        [(name.lower(), value) for name, value in request.headers.get_all()],
        None, address_of((request.remote_ip, address[1] if isinstance(address, tuple) else None)),
        "websocket" if request.headers.get("upgrade", "").lower() == "websocket" else "http",
    )  # fmt: skip


def _log_exception(original: Any, handler: Any, typ: Any, value: Any, tb: Any) -> Any:
    request = current_request()
    if request is not None and value is not None:
        request.handled(value)
    return original(handler, typ, value, tb)
