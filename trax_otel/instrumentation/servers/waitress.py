"""waitress: `channel.service` serves one request in a thread of its pool, by a task's `execute`."""

from __future__ import annotations

from typing import Any

from .facts import of_environ
from .hooking import Hook, hook
from .logs import tidy_logger
from .request import begin, current_request, kept_context
from .wsgi import status_of


def hook_channel(module: Any) -> None:
    """Hook what logs a failure."""
    hook(Hook(module.HTTPChannel, "service", ("self",), _service))
    tidy_logger("waitress")


def hook_task(module: Any) -> None:
    """Hook what calls the application."""
    task = module.WSGITask
    hook(Hook(task, "execute", ("self",), _execute), Hook(task, "get_environment", ("self",), _get_environment))


def _service(original: Any, channel: Any) -> Any:
    with kept_context():
        return original(channel)


def _get_environment(original: Any, task: Any) -> Any:
    environ = original(task)
    begin(of_environ, environ)
    return environ


def _execute(original: Any, task: Any) -> Any:
    before = current_request()
    try:
        return original(task)
    except BaseException as error:
        request = current_request()
        if request is not None and request is not before:
            request.failed(error, answered=task.wrote_header)
        raise
    finally:
        request = current_request()
        if request is not None and request is not before:
            if task.complete:  # the application called `start_response`
                request.answered(status_of(task.status), task.response_headers)
            request.end()
