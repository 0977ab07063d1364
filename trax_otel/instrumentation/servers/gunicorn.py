"""gunicorn, whose workers serve WSGI in threads or greenlets, and ASGI in tasks.

For WSGI, `handle` serves a connection, `handle_request` one request, `create` makes its environ.

The worker logs a failure in `handle`, after `handle_request` has raised it: the request's context stays current for that.
"""

from __future__ import annotations

from typing import Any

from .asgi import Observed
from .facts import of_environ
from .hooking import Hook, hook, without_hooks
from .logs import tidy_logger
from .request import begin, current_request, keep_context, kept_context

WORKERS = ("SyncWorker", "AsyncWorker", "ThreadWorker")
"""What gunicorn's modules of workers call their class; each has one of them."""
SERVED = ("handle_request", "handle_http2_request")
"""A worker's functions that serve one request; HTTP/2's are not in every one."""


def hook_environ(module: Any) -> None:
    """Hook what makes the environ of a request, for all workers."""
    hook(Hook(module, "create", ("req", "sock", "client", "server", "cfg"), _create))


def hook_errors(module: Any) -> None:
    """Hook what answers and logs a failure, for all workers."""
    worker = module.Worker
    hook(Hook(worker, "handle_error", ("self", "req", "client", "addr", "exc"), _handle_error))


def hook_worker(module: Any) -> None:
    """Hook one of gunicorn's workers."""
    (worker,) = [vars(module)[name] for name in WORKERS if name in vars(module)]
    hooks = [Hook(worker, one, ("self",), _handle_request) for one in SERVED if hasattr(worker, one)]
    hook(Hook(worker, "handle", ("self",), _handle), *hooks)


def hook_asgi(module: Any) -> None:
    """Hook the protocol of the worker for ASGI: one for each connection, as is the attribute by which it calls."""
    protocol = module.ASGIProtocol
    requests = ("_handle_http_request", "_handle_http2_request", "_handle_websocket")
    hook(
        Hook(protocol, "__init__", ("self", "worker"), _connected),
        *(Hook(protocol, name, ("self", "request"), _serve_asgi) for name in requests),
    )
    tidy_logger("gunicorn.error")


def _connected(original: Any, protocol: Any, *args: Any, **kwargs: Any) -> None:
    original(protocol, *args, **kwargs)
    protocol.app = Observed(protocol.app)


async def _serve_asgi(original: Any, *args: Any, **kwargs: Any) -> Any:
    with kept_context():
        return await original(*args, **kwargs)


def _handle(original: Any, *args: Any) -> Any:
    with kept_context():
        return original(*args)


def _create(original: Any, *args: Any, **kwargs: Any) -> Any:
    response, environ = original(*args, **kwargs)
    request = begin(of_environ, environ)
    if request is not None:
        request.response = response
    return response, environ


def _handle_request(original: Any, *args: Any) -> Any:
    before = current_request()
    restore = keep_context()
    try:
        result = original(*args)
    except BaseException as error:
        _end(before, error)
        raise
    _end(before, None)
    restore()
    return result


def _end(before: Any, error: BaseException | None) -> None:
    request = current_request()
    if request is None or request is before:  # none was begun: the request was refused, or is not observed
        return
    response = request.response
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        request.answered(status, response.headers)
    if isinstance(error, StopIteration):  # the worker closes the connection; because of a failure, or just so
        error = error.__context__
    if error is not None:
        request.failed(error, answered=getattr(response, "headers_sent", True))
    request.end()


def _handle_error(original: Any, worker: Any, req: Any, client: Any, addr: Any, exc: BaseException) -> Any:
    without_hooks(exc)
    return original(worker, req, client, addr, exc)
