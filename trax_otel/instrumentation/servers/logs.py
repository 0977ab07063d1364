"""What a server logs of a request's failure: in the request's trace, and with the traceback that it has without us."""

from __future__ import annotations

import logging
from typing import Any, Final

from opentelemetry import context as otel_context

from ...signals import detach
from .hooking import without_hooks
from .request import current_request, request_that_failed_by

_MARK: Final = "__trax_tidied__"


def tidy_logger(name: str) -> None:
    """Have a server's logger tell failures so; doing it twice changes nothing.

    Some servers log what a task raised when nothing of its request is current any more (daphne).
    """
    logger = logging.getLogger(name)
    if hasattr(logger, _MARK):
        return
    original = logger.handle

    def handle(record: logging.LogRecord) -> Any:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is None:
            return original(record)
        without_hooks(error)
        record.exc_info = (type(error), error, error.__traceback__)
        request = request_that_failed_by(error) if current_request() is None else None
        if request is None:
            return original(record)
        token = otel_context.attach(request.context)
        try:
            return original(record)
        finally:
            detach(token)

    setattr(logger, "handle", handle)  # noqa: B010  # mypy refuses to assign a method
    setattr(logger, _MARK, True)
