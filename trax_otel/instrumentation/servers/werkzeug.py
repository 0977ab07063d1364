"""Werkzeug's development server: `run_wsgi` serves one request."""

from __future__ import annotations

import sys
from typing import Any

from .facts import of_environ
from .hooking import Hook, hook
from .request import begin, current_request, kept_context
from .stdlib import answer_hook


def hook_handler(module: Any) -> None:
    """Hook `werkzeug.serving`."""
    handler, server = module.WSGIRequestHandler, module.BaseWSGIServer
    hook(
        Hook(handler, "run_wsgi", ("self",), _run_wsgi),
        Hook(handler, "make_environ", ("self",), _make_environ),
        Hook(handler, "connection_dropped", ("self", "error"), _connection_dropped),
        Hook(server, "log", ("self", "type", "message"), _log),
        answer_hook(),
    )


def _run_wsgi(original: Any, handler: Any) -> None:
    before = current_request()
    with kept_context():
        try:
            original(handler)
        finally:
            request = current_request()
            if request is not None and request is not before:
                request.end()


def _make_environ(original: Any, handler: Any) -> Any:
    environ = original(handler)
    begin(of_environ, environ)
    return environ


def _connection_dropped(original: Any, handler: Any, error: BaseException, *args: Any, **kwargs: Any) -> Any:
    _failed(error)
    return original(handler, error, *args, **kwargs)


def _log(original: Any, server: Any, type: str, *args: Any, **kwargs: Any) -> Any:
    if type == "error":  # the one call of it is where an exception is handled
        _failed(sys.exc_info()[1])
    return original(server, type, *args, **kwargs)


def _failed(error: BaseException | None) -> None:
    request = current_request()
    if request is not None and error is not None:
        request.failed(error)
