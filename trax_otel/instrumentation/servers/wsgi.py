"""The call of a WSGI application, for servers that keep nothing of it where a hook could see it.

The other servers' hooks read the environ and the status that the server itself holds, and touch neither the call nor the
body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry import context as otel_context

from ...signals import detach
from .facts import of_environ
from .request import ServedRequest, begin


def status_of(line: Any) -> int:
    """The code of a status line such as `200 OK`, as text or bytes; 0 where there is none."""
    text = line.decode("latin-1") if isinstance(line, bytes) else str(line)
    code = text.partition(" ")[0]
    return int(code) if code.isdecimal() else 0


class Observed:
    """Calls an application for one request, and observes the call and its body.

    `ends` says whether the request ends with the body: where no hook encloses both. `sent` tells of an environ whether the
    head of the answer was sent.
    """

    __slots__ = ("_application", "_ends", "_sent")

    def __init__(
        self, application: Callable[..., Iterable[bytes]], *, ends: bool, sent: Callable[[Any], bool] = lambda _: True
    ) -> None:
        self._application = application
        self._ends = ends
        self._sent = sent

    def __call__(self, environ: Any, start_response: Callable[..., Any]) -> Any:
        request = begin(of_environ, environ)
        if request is None:
            return self._application(environ, start_response)

        def observed_start_response(status: str, headers: Any, *exc_info: Any, **more: Any) -> Any:
            request.answered(status_of(status), headers)
            return start_response(status, headers, *exc_info, **more)

        try:
            body = self._application(environ, observed_start_response)
        except BaseException as error:
            request.failed(error, answered=False)
            if self._ends:
                request.end()
            raise
        if _is_whole(body, environ):
            if self._ends:
                request.end()
            return body
        return (ClosedBody if self._ends else Body)(body, request, lambda: self._sent(environ))


def _is_whole(body: Any, environ: Any) -> bool:
    """Whether a body must reach the server as it is: its length counts, or the server sends it as a file."""
    if hasattr(body, "__len__"):
        return True
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class Body:
    """A body that is made while it is sent. What else it has (`close`) is reached through it."""

    __slots__ = ("_body", "_iterator", "_request", "_sent")

    def __init__(self, body: Iterable[bytes], request: ServedRequest, sent: Callable[[], bool]) -> None:
        self._sent = sent
        self._body = body
        self._request = request
        self._iterator: Iterator[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        try:
            if self._iterator is None:
                self._iterator = iter(self._body)
            return next(self._iterator)
        except StopIteration:
            raise
        except BaseException as error:
            self._request.failed(error, answered=self._sent())
            raise


class ClosedBody(Body):
    """A body that the server iterates and closes on its own, where nothing of the request is current any more."""

    __slots__ = ()

    def __next__(self) -> bytes:
        token = otel_context.attach(self._request.context)
        try:
            return super().__next__()
        finally:
            detach(token)

    def close(self) -> None:
        """Close the application's body, and end the request."""
        token = otel_context.attach(self._request.context)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._request.failed(error)
            raise
        finally:
            detach(token)
            self._request.end()
