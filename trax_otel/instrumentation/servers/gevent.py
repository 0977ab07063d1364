"""gevent.pywsgi: `handle_one_response` serves one request in its connection's greenlet, up to the access line."""

from __future__ import annotations

from typing import Any

from .facts import of_environ
from .hooking import Hook, hook
from .request import begin, current_request, kept_context
from .wsgi import status_of


def hook_handler(module: Any) -> None:
    """Hook `gevent.pywsgi`."""
    handler = module.WSGIHandler
    hook(
        Hook(handler, "handle_one_response", ("self",), _handle_one_response),
        Hook(handler, "handle_error", ("self", "t", "v", "tb"), _handle_error),
    )


def _handle_one_response(original: Any, handler: Any) -> None:
    with kept_context():
        request = begin(of_environ, handler.environ)
        try:
            original(handler)
        finally:
            if request is not None:
                if handler.status:
                    request.answered(status_of(handler.status), _headers(handler))
                request.end()


def _headers(handler: Any) -> list[tuple[str, str]]:
    headers = getattr(handler, "response_headers", None) or ()
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _handle_error(original: Any, handler: Any, t: Any, v: Any, tb: Any) -> Any:
    request = current_request()
    if request is not None and v is not None:
        request.failed(v)
    return original(handler, t, v, tb)
