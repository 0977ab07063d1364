"""cheroot (CherryPy's server): `communicate` serves one request of a connection, by a gateway's `respond`."""

from __future__ import annotations

import sys
from typing import Any

from .facts import of_environ
from .hooking import Hook, hook, without_hooks
from .request import begin, kept_context
from .wsgi import status_of


def hook_server(module: Any) -> None:
    """Hook what reads requests and logs their failures."""
    hook(
        Hook(module.HTTPConnection, "communicate", ("self",), _communicate),
        Hook(module.HTTPServer, "error_log", ("self", "msg"), _error_log),
    )


def hook_gateway(module: Any) -> None:
    """Hook what calls the application."""
    hook(Hook(module.Gateway, "respond", ("self",), _respond))


def _communicate(original: Any, connection: Any) -> Any:
    with kept_context():
        return original(connection)


def _respond(original: Any, gateway: Any) -> None:
    request = begin(of_environ, gateway.env)
    if request is None:
        original(gateway)
        return
    try:
        original(gateway)
    except BaseException as error:
        request.failed(error)
        raise
    finally:
        answer = gateway.req
        if gateway.started_response:
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.outheaders]
            request.answered(status_of(answer.status), headers)
        request.end()


def _error_log(original: Any, *args: Any, **kwargs: Any) -> Any:
    without_hooks(sys.exc_info()[1])
    return original(*args, **kwargs)
