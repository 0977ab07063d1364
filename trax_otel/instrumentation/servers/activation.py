"""Which servers are hooked, under which names, and when: each as soon as it is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ..adoption import adopt
from ..imports import when_imported
from . import (
    cheroot,
    daphne,
    eventlet,
    frameworks,
    gevent,
    granian,
    gunicorn,
    hypercorn,
    sanic,
    stdlib,
    uvicorn,
    waitress,
    werkzeug,
)  # fmt: skip
from .request import claim, stand_back

PUBLISHER: Final = "opentelemetry.instrumentation."
FRAMEWORKS: Final = tuple(
    f"{PUBLISHER}{name}"
    for name in (
        "aiohttp_server",
        "asgi",
        "django",
        "falcon",
        "fastapi",
        "flask",
        "pyramid",
        "starlette",
        "tornado",
        "wsgi",
    )
)
"""The beginnings of the scopes whose spans are a request's own, whatever their kind."""

SERVERS: Final[dict[str, dict[str, Callable[[], None]]]] = {
    "uvicorn": {
        **{module: partial(uvicorn.hook_http, module) for module in uvicorn.HTTP},
        **{module: partial(uvicorn.hook_websockets, module) for module in uvicorn.WEBSOCKETS},
    },
    "gunicorn": {
        "gunicorn.http.wsgi": gunicorn.hook_environ,
        "gunicorn.workers.base": gunicorn.hook_errors,
        "gunicorn.asgi.protocol": gunicorn.hook_asgi,
        **{module: partial(gunicorn.hook_worker, module) for module in gunicorn.REQUESTS},
    },
    "hypercorn": {module: partial(hypercorn.hook_tasks, module) for module in hypercorn.MODULES},
    "daphne": {"daphne.server": daphne.hook_server},
    "waitress": {"waitress.channel": waitress.hook_channel, "waitress.task": waitress.hook_task},
    "werkzeug": {"werkzeug.serving": werkzeug.hook_handler},
    "gevent.pywsgi": {"gevent.pywsgi": gevent.hook_handler},
    "eventlet.wsgi": {"eventlet.wsgi": eventlet.hook_handler},
    "granian": {
        "granian.asgi": granian.hook_asgi,
        "granian.wsgi": granian.hook_wsgi,
        "granian.rsgi": granian.hook_rsgi,
    },
    "sanic": {
        "sanic.server.protocols.http_protocol": sanic.hook_protocol,
        "sanic.asgi": sanic.hook_asgi,
        "sanic.handlers.error": sanic.hook_errors,
    },
    "cheroot": {"cheroot.server": cheroot.hook_server, "cheroot.wsgi": cheroot.hook_gateway},
    "wsgiref": {"wsgiref.handlers": stdlib.hook_wsgiref},
    "http.server": {"http.server": stdlib.hook_http_server, "socketserver": stdlib.hook_main},
    # Frameworks that have no instrumentation of OpenTelemetry's, or one that does not tell everything:
    "litestar": {"litestar.middleware._internal.exceptions.middleware": frameworks.hook_litestar},
    "quart": {"quart.app": frameworks.hook_quart},
    "falcon": {"falcon.app": frameworks.hook_falcon, "falcon.asgi.app": frameworks.hook_falcon_asgi},
    "bottle": {"bottle": frameworks.hook_bottle},
    "datasette": {"datasette.app": frameworks.hook_datasette},
}
"""Name for `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` → the modules to wait for, and what hooks each."""


def install_servers() -> None:
    """Hook each server that is imported, now or later, and let frameworks' instrumentations share its spans."""
    when_imported("opentelemetry.sdk.trace", _share_spans)
    when_imported("opentelemetry.util.http", _hear_exclusions)
    for name, modules in SERVERS.items():
        for module, hook in modules.items():
            adopt(name, module, hook)


def _share_spans() -> None:
    from ...sdk.joined import join_spans

    join_spans(claim, lambda scope: scope.startswith(FRAMEWORKS))


def _hear_exclusions() -> None:
    """A framework's instrumentation whose list of excluded URLs was given in code leaves a request out: so do we."""
    lists: Any = getattr(sys.modules["opentelemetry.util.http"], "ExcludeList", None)
    original = getattr(lists, "url_disabled", None)
    if original is None:
        return

    def url_disabled(self: Any, url: str) -> bool:
        disabled = bool(original(self, url))
        if disabled and str(sys._getframe(1).f_globals.get("__name__", "")).startswith(FRAMEWORKS):
            stand_back()
        return disabled

    lists.url_disabled = url_disabled
