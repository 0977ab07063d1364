"""Whether a request failed because its client had gone: that is the client's affair, and no error of the service."""

from __future__ import annotations

from typing import Final

_GONE: Final = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
_NAMES: Final = {"ClientDisconnect", "ClientDisconnected"}
"""What frameworks and servers call it (Starlette, uvicorn, waitress)."""
_SERVERS: Final = {
    "cheroot", "daphne", "eventlet", "gevent", "granian", "gunicorn", "hypercorn", "sanic", "socketserver", "uvicorn",
    "waitress", "werkzeug", "wsgiref",
}  # fmt: skip
_SOCKETS: Final = {"socket", "ssl"}


def client_left(error: BaseException) -> bool:
    """Whether it was raised by a server's own write or read; one that the application met elsewhere is its own."""
    if type(error).__name__ in _NAMES:
        return True
    return isinstance(error, _GONE) and _raised_in(error) in _SERVERS


def _raised_in(error: BaseException) -> str:
    """The root package of the innermost frame that is not a socket's."""
    found = ""
    traceback = error.__traceback__
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in _SOCKETS and not _is_socket(traceback.tb_frame.f_globals.get("__name__", "")):
            found = package
        traceback = traceback.tb_next
    return found


def _is_socket(module: str) -> bool:
    """gevent's and eventlet's own sockets, which stand for the standard library's in any code."""
    return module.startswith(("gevent._socket", "gevent.ssl", "gevent._ssl", "eventlet.green"))
