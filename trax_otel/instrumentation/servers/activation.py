"""Which servers are hooked, under which names, and when: each as soon as it is imported, by a module that is loaded then."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Any, Final

from ..adoption import adopt
from ..imports import when_imported

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

SERVERS: Final[dict[str, dict[str, str]]] = {
    "uvicorn": {
        "uvicorn.protocols.http.h11_impl": "uvicorn.hook_http",
        "uvicorn.protocols.http.httptools_impl": "uvicorn.hook_http",
        "uvicorn.protocols.http.zttp_impl": "uvicorn.hook_http",
        "uvicorn.protocols.http.zttp_h2_impl": "uvicorn.hook_http",
        "uvicorn.protocols.websockets.websockets_impl": "uvicorn.hook_websockets",
        "uvicorn.protocols.websockets.websockets_sansio_impl": "uvicorn.hook_websockets",
        "uvicorn.protocols.websockets.wsproto_impl": "uvicorn.hook_websockets",
    },
    "gunicorn": {
        "gunicorn.http.wsgi": "gunicorn.hook_environ",
        "gunicorn.workers.base": "gunicorn.hook_errors",
        "gunicorn.workers.sync": "gunicorn.hook_worker",
        "gunicorn.workers.base_async": "gunicorn.hook_worker",
        "gunicorn.workers.gthread": "gunicorn.hook_worker",
        "gunicorn.asgi.protocol": "gunicorn.hook_asgi",
    },
    "hypercorn": {
        "hypercorn.asyncio.task_group": "hypercorn.hook_tasks",
        "hypercorn.trio.task_group": "hypercorn.hook_tasks",
    },
    "daphne": {"daphne.server": "daphne.hook_server"},
    "granian": {
        "granian.asgi": "granian.hook_asgi",
        "granian.wsgi": "granian.hook_wsgi",
        "granian.rsgi": "granian.hook_rsgi",
    },
    "waitress": {"waitress.channel": "waitress.hook_channel", "waitress.task": "waitress.hook_task"},
    "cheroot": {"cheroot.server": "cheroot.hook_server", "cheroot.wsgi": "cheroot.hook_gateway"},
    "gevent.pywsgi": {"gevent.pywsgi": "gevent.hook_handler"},
    "eventlet.wsgi": {"eventlet.wsgi": "eventlet.hook_handler"},
    "werkzeug": {"werkzeug.serving": "werkzeug.hook_handler"},
    "wsgiref": {"wsgiref.handlers": "stdlib.hook_wsgiref"},
    "http.server": {"http.server": "stdlib.hook_http_server"},
    "sanic": {
        "sanic.server.protocols.http_protocol": "sanic.hook_protocol",
        "sanic.asgi": "sanic.hook_asgi",
        "sanic.handlers.error": "sanic.hook_errors",
    },
    "tornado": {"tornado.web": "tornado.hook_handlers"},
    "aiohttp-server": {"aiohttp.web_protocol": "aiohttp.hook_protocol"},
    # Frameworks that have no instrumentation of OpenTelemetry's, or one that does not tell everything:
    "litestar": {"litestar.middleware._internal.exceptions.middleware": "frameworks.hook_litestar"},
    "quart": {"quart.app": "frameworks.hook_quart"},
    "falcon": {"falcon.app": "frameworks.hook_falcon", "falcon.asgi.app": "frameworks.hook_falcon_asgi"},
    "bottle": {"bottle": "frameworks.hook_bottle"},
    "datasette": {"datasette.app": "frameworks.hook_datasette"},
}
"""Name for `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` → the modules to wait for, and the function here that hooks each."""


def install_servers() -> None:
    """Hook each server that is imported, now or later, and let frameworks' instrumentations share its spans."""
    when_imported("opentelemetry.sdk.trace", _share_spans)
    when_imported("opentelemetry.util.http", _hear_exclusions)
    for name, modules in SERVERS.items():
        for module, function in modules.items():
            adopt(name, module, partial(_hook, module, function))
    if "http.server" in sys.orig_argv:  # after `-m`: then its classes are those of `__main__`
        adopt("http.server", "socketserver", partial(_hook, "socketserver", "stdlib.hook_main"))


def _hook(module: str, path: str) -> None:
    """Call the function; it is given the module that was imported."""
    name, _, function = path.partition(".")
    getattr(import_module(f"{__package__}.{name}"), function)(sys.modules[module])


def _share_spans() -> None:
    from ...sdk.joined import join_spans
    from .request import claim

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
            from .request import stand_back

            stand_back()
        return disabled

    lists.url_disabled = url_disabled
