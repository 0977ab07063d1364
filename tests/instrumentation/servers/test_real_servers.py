"""Real servers under `trax-otel run`: one SERVER span a request, and the frameworks' settings hold for it."""

from __future__ import annotations

import textwrap
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from support.services import BIN, Delivered, free_port, get, lean, observed, serving
from support.wsgi_environ import PARENT, TRACE
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start

pytestmark = pytest.mark.servers

SERVER_KIND = 2
APPLICATIONS = {
    "raw_asgi": """
        async def app(scope, receive, send):
            if scope["type"] != "http":
                return
            if scope["path"] == "/fail":
                raise ValueError("broken")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})
    """,
    "raw_wsgi": """
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/fail":
                raise ValueError("broken")
            start_response("200 OK", [])
            return [b"ok"]

        if __name__ == "__main__":
            import sys
            from wsgiref.simple_server import make_server
            make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
    """,
    "flasks": """
        from flask import Flask, Response
        app = Flask(__name__)

        @app.get("/item/<int:number>")
        def item(number):
            return str(number)

        @app.get("/half")
        def half():
            def body():
                yield "a"
                raise RuntimeError("half")
            return Response(body())
    """,
    "wrapped": """
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from raw_asgi import app as raw
        app = OpenTelemetryMiddleware(raw, excluded_urls="health", exclude_spans=["receive", "send"])
    """,
    "handler": """
        import sys
        from http.server import BaseHTTPRequestHandler, HTTPServer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/fail":
                    raise ValueError("broken")
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

        HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    """,
}
COMMANDS = {
    "uvicorn": ["uvicorn", "--port", "{port}", "raw_asgi:app"],
    "gunicorn": ["gunicorn", "-b", "127.0.0.1:{port}", "raw_wsgi:app"],
    "wsgiref": ["python", "raw_wsgi.py", "{port}"],
    "http.server": ["python", "handler.py", "{port}"],
    "flask": ["gunicorn", "-b", "127.0.0.1:{port}", "flasks:app"],
    "wrapped": ["uvicorn", "--port", "{port}", "wrapped:app"],
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with start(http_port=0, grpc_port=0, path=tmp_path_factory.mktemp("endpoint") / "local.db") as running:
        yield running


@pytest.fixture(scope="module")
def applications(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("applications")
    for name, text in APPLICATIONS.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def delivered(endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Delivered]:
    queries = Queries(endpoint.path)
    yield Delivered(queries, request.node.name)
    queries.close()


def serve(
    endpoint: Endpoint, delivered: Delivered, folder: Path, name: str, *paths: str, **environ: str
) -> dict[str, dict[str, Any]]:
    """Path → the SERVER span of its request, for those that have one."""
    port = free_port()
    program, *words = [word.format(port=port) for word in COMMANDS[name]]
    variables = {**lean("flask"), "OTEL_SEMCONV_STABILITY_OPT_IN": "http", **environ}
    with serving(
        observed(endpoint.url, delivered.service, [str(BIN / program), *words]), folder, port, **variables
    ) as server:
        for path in paths:
            ask(server.url + path[1:])
        server.stop()
    spans = delivered.spans(SERVER_KIND)
    found = {span["attributes"]["url.path"]: span for span in spans}
    assert len(found) == len(spans), "two SERVER spans of one request"
    return found


def ask(url: str) -> None:
    with suppress(urllib.error.HTTPError, IncompleteRead, ConnectionError):  # a failure is what some are asked for
        get(url, {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-correlation-id": "order-7"})


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn", "wsgiref", "http.server"])
def test_a_raw_application(name: str, endpoint: Endpoint, delivered: Delivered, applications: Path) -> None:
    spans = serve(endpoint, delivered, applications, name, "/fine", "/fail")
    for span in spans.values():
        assert (span["name"], span["trace_id"], span["parent_id"]) == ("GET", TRACE, PARENT)
        assert span["attributes"]["trax.correlation.id"] == "order-7"
    assert spans["/fine"]["attributes"]["http.response.status_code"] == 200
    assert "error.type" not in spans["/fine"]["attributes"]
    assert spans["/fail"]["attributes"]["error.type"] == "ValueError"
    assert spans["/fail"]["attributes"]["http.response.status_code"] == 500


def test_a_frameworks_span_is_the_requests(endpoint: Endpoint, delivered: Delivered, applications: Path) -> None:
    spans = serve(endpoint, delivered, applications, "flask", "/item/7", "/half")
    assert spans["/item/7"]["name"] == "GET /item/<int:number>"
    assert spans["/item/7"]["parent_id"] == PARENT
    assert spans["/half"]["attributes"]["error.type"] == "RuntimeError"  # in the body, after Flask's own end


def test_urls_excluded_in_code_stay_excluded(endpoint: Endpoint, delivered: Delivered, applications: Path) -> None:
    spans = serve(endpoint, delivered, applications, "wrapped", "/health", "/fine")
    assert list(spans) == ["/fine"]
    assert spans["/fine"]["name"] == "GET"  # that middleware names spans after the path


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "uvicorn"),
        ("OTEL_PYTHON_EXCLUDED_URLS", "fine"),
        ("OTEL_SDK_DISABLED", "true"),
    ],
)
def test_it_can_be_switched_off(
    variable: str, value: str, endpoint: Endpoint, delivered: Delivered, applications: Path
) -> None:
    assert serve(endpoint, delivered, applications, "uvicorn", "/fine", **{variable: value}) == {}
