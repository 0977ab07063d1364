"""What frameworks without an instrumentation of OpenTelemetry's know of a request: its route, and the exception of a 500.

They hold from under every server; a framework that writes both into scope or environ needs nothing here (`routes`).
"""

from __future__ import annotations

from typing import Any

from .hooking import Hook, hook
from .request import current_request


def hook_litestar(module: Any) -> None:
    """Litestar answers an exception by a handler."""
    middleware = module.ExceptionHandlerMiddleware
    parameters = ("self", "litestar_app", "scope", "receive", "send", "exc")
    hook(Hook(middleware, "handle_request_exception", parameters, _last_is_the_error))


def hook_quart(module: Any) -> None:
    """Quart matches its route before it dispatches the request."""
    application = module.Quart
    hook(
        Hook(application, "full_dispatch_request", ("self", "request_context"), _quart_dispatches),
        Hook(application, "handle_exception", ("self", "error"), _last_is_the_error),
    )


def hook_falcon(module: Any) -> None:
    """Falcon for WSGI; its application for ASGI derives from it."""
    application = module.App
    hook(
        Hook(application, "_get_responder", ("self", "req"), _falcon_routes),
        Hook(application, "_handle_exception", ("self", "req", "resp", "ex"), _third_is_the_error),
    )


def hook_falcon_asgi(module: Any) -> None:
    """Falcon for ASGI."""
    application = module.App
    hook(Hook(application, "_handle_exception", ("self", "req", "resp", "ex"), _third_is_the_error))


def hook_bottle(module: Any) -> None:
    """Bottle answers an exception by an error that has it."""
    error = module.HTTPError
    hook(Hook(error, "__init__", ("self", "status", "body", "exception"), _bottle_fails))


def hook_datasette(module: Any) -> None:
    """Datasette's routes are regular expressions."""
    hook(
        Hook(module, "resolve_routes", ("routes", "path"), _datasette_routes),
        Hook(module.DatasetteRouter, "handle_exception", ("self", "request", "send", "exception"), _last_is_the_error),
    )


def _bottle_fails(original: Any, answer: Any, *args: Any, **kwargs: Any) -> None:
    original(answer, *args, **kwargs)
    _handled(answer.exception)


def _last_is_the_error(original: Any, *args: Any, **kwargs: Any) -> Any:
    _handled([*args, *kwargs.values()][-1])
    return original(*args, **kwargs)


def _third_is_the_error(original: Any, application: Any, req: Any, resp: Any, ex: Any, *args: Any, **kw: Any) -> Any:
    _handled(ex)
    return original(application, req, resp, ex, *args, **kw)


def _handled(error: Any) -> None:
    request = current_request()
    if request is not None and isinstance(error, BaseException):
        request.handled(error)


def _quart_dispatches(original: Any, application: Any, request_context: Any = None) -> Any:
    rule = getattr(getattr(request_context, "request", None), "url_rule", None)
    _routed(getattr(rule, "rule", None))
    return original(application, request_context)


def _falcon_routes(original: Any, application: Any, req: Any) -> Any:
    found = original(application, req)
    _routed(found[-1])
    return found


def _datasette_routes(original: Any, routes: Any, path: Any) -> Any:
    match, view = original(routes, path)
    _routed(match.re.pattern if match is not None else None)
    return match, view


def _routed(route: Any) -> None:
    request = current_request()
    if request is not None and isinstance(route, str):
        request.routed(route)
