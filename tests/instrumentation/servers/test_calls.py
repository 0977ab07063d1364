"""The call of an application: what passes through it is what the application and the server gave."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from opentelemetry.trace import get_current_span

from support.wsgi_environ import environ
from trax_otel.instrumentation.servers.asgi import Observed as ObservedAsgi
from trax_otel.instrumentation.servers.request import current_request, kept_context
from trax_otel.instrumentation.servers.wsgi import Observed as ObservedWsgi
from trax_otel.testing import CapturedTelemetry

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("10.0.0.1", 1), "scheme": "http"}


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    with kept_context():
        yield


async def nothing(*_: Any) -> Any:
    return {"type": "http.request"}


async def test_what_asgi_servers_give_reaches_the_application(trax_telemetry: CapturedTelemetry) -> None:
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([scope, receive, send])
        await send({"type": "http.response.start", "status": 204, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.pathsend", "path": "/tmp/x"})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await ObservedAsgi(application)(SCOPE, nothing, send)
    assert seen[0] is SCOPE
    assert seen[1] is nothing
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.pathsend"]
    assert trax_telemetry.span("GET").attributes["http.response.status_code"] == 204


async def test_lifespan_passes_untouched(trax_telemetry: CapturedTelemetry) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> str:
        assert (scope, receive, send) == ({"type": "lifespan"}, nothing, nothing)
        assert current_request() is None
        return "told"

    assert await ObservedAsgi(application)({"type": "lifespan"}, nothing, nothing) == "told"
    assert trax_telemetry.spans == []


async def test_the_exception_is_the_applications_own(trax_telemetry: CapturedTelemetry) -> None:
    error = ValueError("broken")

    async def application(*_: Any) -> None:
        raise error

    with pytest.raises(ValueError, match="broken") as raised:
        await ObservedAsgi(application)(SCOPE, nothing, nothing)
    assert raised.value is error
    assert error.__context__ is None
    assert trax_telemetry.span("GET").status == "error"


async def test_the_client_is_whom_the_servers_proxies_name(trax_telemetry: CapturedTelemetry) -> None:
    async def application(scope: Any, *_: Any) -> None:
        scope["client"], scope["scheme"] = ("203.0.113.5", 0), "https"  # as uvicorn's own middleware does

    await ObservedAsgi(application)(dict(SCOPE), nothing, nothing)
    attributes = trax_telemetry.span("GET").attributes
    assert (attributes["client.address"], attributes["url.scheme"]) == ("203.0.113.5", "https")


class Sized:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"x"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("body", [[b"a"], (b"a",), Sized()], ids=["list", "tuple", "sized"])
@pytest.mark.parametrize("ends", [True, False])
def test_a_body_with_a_length_is_the_applications_own(body: Any, ends: bool, trax_telemetry: CapturedTelemetry) -> None:
    assert ObservedWsgi(lambda *_: body, ends=ends)(environ(), print) is body


def test_a_file_is_the_servers_to_send(trax_telemetry: CapturedTelemetry) -> None:
    body = FileWrapper(BytesIO(b"x"))
    assert ObservedWsgi(lambda *_: body, ends=True)(environ(**{"wsgi.file_wrapper": FileWrapper}), print) is body


def test_a_body_in_pieces_is_the_requests_until_it_is_closed(trax_telemetry: CapturedTelemetry) -> None:
    closed: list[Any] = []

    class Pieces:
        name = "pieces"

        def __iter__(self) -> Iterator[bytes]:
            for piece in (b"a", b"b"):
                assert get_current_span() is not None
                assert current_request() is not None
                yield piece

        def close(self) -> None:
            closed.append(current_request())

    def application(_: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [("x", "y")])
        assert write("z") == "z"
        return Pieces()

    with kept_context():
        body = ObservedWsgi(application, ends=True)(environ(), lambda *_: str)
    assert body.name == "pieces"
    assert current_request() is None
    assert list(body) == [b"a", b"b"]
    assert trax_telemetry.spans == []
    body.close()
    assert len(closed) == 1
    assert trax_telemetry.span("GET").attributes["http.response.status_code"] == 200


def test_a_body_that_breaks_off_is_the_requests_failure(trax_telemetry: CapturedTelemetry) -> None:
    def application(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise RuntimeError("half")

    body = ObservedWsgi(application, ends=True)(environ(), lambda *_: None)
    with pytest.raises(RuntimeError, match="half"):
        list(body)
    body.close()
    span = trax_telemetry.span("GET")
    assert (span.status, span.event("exception").attributes["exception.type"]) == ("error", "RuntimeError")
