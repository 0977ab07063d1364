"""The standard library's servers: wsgiref (Django's development server derives from it) and http.server."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from .facts import Facts, address_of, of_environ
from .hooking import Hook, hook, without_hooks
from .request import begin, current_request, kept_context

_SERVING: Final = "__trax_serving__"


def hook_wsgiref(module: Any) -> None:
    """Hook `wsgiref.handlers`: `run` serves one request."""
    handler = module.BaseHandler
    hook(
        Hook(handler, "run", ("self", "application"), _run),
        Hook(handler, "setup_environ", ("self",), _setup_environ),
        Hook(handler, "send_headers", ("self",), _send_headers),
        Hook(handler, "handle_error", ("self",), _handle_error),
    )


def _run(original: Any, handler: Any, application: Any) -> Any:
    before = current_request()
    with kept_context():
        try:
            return original(handler, application)
        finally:
            request = current_request()
            if request is not None and request is not before:
                request.end()


def _setup_environ(original: Any, handler: Any) -> None:
    original(handler)
    begin(of_environ, handler.environ)


def _send_headers(original: Any, handler: Any) -> None:
    original(handler)
    request = current_request()
    if request is not None:
        request.answered(int(handler.status[:3]), handler.headers.items())


def _handle_error(original: Any, handler: Any) -> None:
    request, error = current_request(), sys.exc_info()[1]
    if request is not None and error is not None:
        request.failed(error)
    original(handler)


# --- http.server ------------------------------------------------------------------------------------


def hook_http_server(module: Any) -> None:
    """Hook `http.server`."""
    _hook_handler(module.BaseHTTPRequestHandler)


def hook_main(module: Any) -> None:
    """Hook what `python -m http.server` runs: its classes are those of `__main__`, and are known once there is a server.

    `module` is `socketserver`.
    """
    hook(Hook(module.BaseServer, "__init__", ("self", "server_address", "RequestHandlerClass"), _server_made))


def _server_made(original: Any, server: Any, address: Any, handler: Any, *args: Any, **kwargs: Any) -> None:
    for base in getattr(handler, "__mro__", ()):
        if (base.__module__, base.__name__) == ("__main__", "BaseHTTPRequestHandler"):
            with suppress(TypeError):  # something else of that name
                _hook_handler(base)
    original(server, address, handler, *args, **kwargs)


def _hook_handler(handler: Any) -> None:
    """`handle_one_request` serves one request, after `parse_request` has read its head."""
    hook(
        Hook(handler, "handle_one_request", ("self",), _handle_one_request),
        Hook(handler, "parse_request", ("self",), _parse_request),
        _answer_hook(handler),
        Hook(
            sys.modules["socketserver"].BaseServer, "handle_error", ("self", "request", "client_address"), _print_error
        ),
    )


def answer_hook() -> Hook:
    """The hook that sees the status; Werkzeug's server derives from this one."""
    return _answer_hook(sys.modules["http.server"].BaseHTTPRequestHandler)


def _answer_hook(handler: Any) -> Hook:
    return Hook(handler, "send_response_only", ("self", "code"), _answer)


def _handle_one_request(original: Any, handler: Any) -> None:
    if hasattr(handler, "run_wsgi"):  # Werkzeug's, which has hooks of its own
        original(handler)
        return
    with kept_context():
        vars(handler)[_SERVING] = True
        try:
            original(handler)
        except BaseException as error:
            request = _request_of(handler)
            if request is not None:
                request.failed(error)
            raise
        finally:
            request = _request_of(handler)
            vars(handler).pop(_SERVING, None)
            if request is not None:
                request.end()


def _request_of(handler: Any) -> Any:
    found = vars(handler).get(_SERVING)
    return found if found is not True else None


def _parse_request(original: Any, handler: Any) -> Any:
    parsed = original(handler)
    if parsed and vars(handler).get(_SERVING) is True:
        request = begin(_facts, {"handler": handler})
        if request is not None:
            vars(handler)[_SERVING] = request
    return parsed


def _facts(source: Mapping[str, Any]) -> Facts:
    handler = source["handler"]
    path, _, query = handler.path.partition("?")
    return Facts(
        handler.command, path, query, "http", handler.request_version.removeprefix("HTTP/"),
        [(name.lower(), value) for name, value in handler.headers.items()],
        address_of(getattr(handler.server, "server_address", None)), address_of(handler.client_address),
    )  # fmt: skip


def _answer(original: Any, handler: Any, code: Any, *args: Any, **kwargs: Any) -> Any:
    request = current_request()
    if request is not None:
        request.answered(int(code))
    return original(handler, code, *args, **kwargs)


def _print_error(original: Any, *args: Any) -> Any:
    without_hooks(sys.exc_info()[1])
    return original(*args)
