"""eventlet.wsgi: `handle_one_response` serves one request, and handles all that it raises in a place of its own."""

from __future__ import annotations

from typing import Any

from .hooking import Hook, hook
from .request import current_request, kept_context
from .wsgi import Observed


def hook_handler(module: Any) -> None:
    """Hook `eventlet.wsgi`."""
    handler = module.HttpProtocol
    hook(Hook(handler, "handle_one_response", ("self",), _handle_one_response))


def _handle_one_response(original: Any, handler: Any) -> None:
    """The handler is this connection's own, so is the attribute by which it calls the application."""
    application = handler.application
    handler.application = Observed(application, ends=False, sent=_sent)
    before = current_request()
    try:
        with kept_context():
            original(handler)
            request = current_request()
            if request is not None and request is not before:
                request.end()
    finally:
        handler.application = application


def _sent(environ: Any) -> bool:
    return bool(environ["eventlet.input"].headers_sent)
