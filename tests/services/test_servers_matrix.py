"""Every server: one SERVER span a request, joined to its client's trace, whatever was served and however it failed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from support.programs import PROGRAMS, PYTHON, under_run
from support.services import free_port, serving
from trax_otel.local.filters import Filter
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

SERVED = Path(__file__).parent / "served"
ASGI = {
    "uvicorn": "uvicorn --port {port} asgi:app",
    "uvicorn-h11": "uvicorn --port {port} --http h11 --ws wsproto asgi:app",
    "hypercorn": "hypercorn -b 127.0.0.1:{port} --access-logfile - asgi:app",
    "daphne": "daphne -b 127.0.0.1 -p {port} asgi:app",
    "granian-asgi": "granian --interface asgi --access-log --port {port} asgi:app",
    "gunicorn-asgi": "gunicorn -k asgi --access-logfile - -b 127.0.0.1:{port} asgi:app",
    "gunicorn-uvicorn": "gunicorn -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} asgi:app",
}
WSGI = {
    "gunicorn": "gunicorn --access-logfile - -b 127.0.0.1:{port} wsgi:app",
    "gunicorn-gthread": "gunicorn -k gthread --access-logfile - -b 127.0.0.1:{port} wsgi:app",
    "waitress": "waitress-serve --listen=127.0.0.1:{port} wsgi:app",
    "cheroot": "cheroot --bind 127.0.0.1:{port} wsgi:app",
    "granian-wsgi": "granian --interface wsgi --access-log --port {port} wsgi:app",
    "hypercorn-wsgi": "hypercorn -b 127.0.0.1:{port} --access-logfile - wsgi:wsgi:app",
    "uvicorn-wsgi": "uvicorn --port {port} --interface wsgi wsgi:app",
    "werkzeug": "python start.py werkzeug {port}",
    "wsgiref": "python start.py wsgiref {port}",
    "gevent": "python start.py gevent {port}",
    "eventlet": "python start.py eventlet {port}",
}
_UVICORN = (("uvicorn.error", "ERROR", "Exception in ASGI"), ("uvicorn.access", "INFO", "GET /raw/fail"))
_HYPERCORN = (("hypercorn.error", "ERROR", "Error in ASGI"), ("hypercorn.access", "INFO", "GET /raw/fail"))
_GUNICORN = (("gunicorn.error", "ERROR", "Error handling request"), ("gunicorn.access", "INFO", "GET /raw/fail"))
RECORDS = {
    "uvicorn": _UVICORN,
    "uvicorn-h11": _UVICORN,
    "uvicorn-wsgi": _UVICORN,
    "gunicorn-uvicorn": _UVICORN[:1],
    "hypercorn": _HYPERCORN,
    "hypercorn-wsgi": _HYPERCORN,
    "daphne": (("daphne.server", "ERROR", "Exception inside application"),),
    "granian-asgi": (("granian.access", "INFO", "GET /raw/fail"),),
    "granian-wsgi": (("granian.access", "INFO", "GET /raw/fail"),),
    "gunicorn-asgi": (("gunicorn.error", "ERROR", "Error in ASGI"), _GUNICORN[1]),
    "gunicorn": _GUNICORN,
    "gunicorn-gthread": _GUNICORN,
    "waitress": (("waitress", "ERROR", "Exception while serving /raw/fail"),),
    "werkzeug": (("werkzeug", "ERROR", "Error on request"), ("werkzeug", "INFO", "GET /raw/fail")),
}
"""What servers write about a request that failed: logger, severity, and a part of the text. The others log nothing."""
SHOWN = {"eventlet", "granian-asgi", "granian-wsgi"}
"""Servers that print a failure's traceback with frames of ours in it."""
RAW = ("/raw/item", "/raw/fail", "/raw/refuse", "/raw/half")
SERVER_KIND = 2


@dataclass
class Request:
    """One request that was sent, and what arrived of it."""

    path: str
    trace: str
    parent: str
    status: int | None
    spans: list[dict[str, Any]] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)

    @property
    def span(self) -> dict[str, Any]:
        servers = [span for span in self.spans if span["kind"] == SERVER_KIND]
        assert len(servers) == 1, (self.path, [(span["name"], span["kind"]) for span in self.spans])
        return servers[0]

    @property
    def exceptions(self) -> list[str]:
        """The types of the exceptions that the trace tells."""
        events = [event for span in self.spans for event in span["events"]]
        return [attributes["exception.type"] for name, _, attributes, *_ in events if name == "exception"]


@dataclass
class Observed:
    """One run of a server."""

    server: str
    requests: dict[str, Request]
    durations: list[tuple[dict[str, Any], int]]
    active: list[float]
    output: str


def ask(url: str, path: str) -> Request:
    patience = 3 if path.endswith("/half") else 20  # daphne leaves the connection of a broken body open
    trace, parent = os.urandom(16).hex(), os.urandom(8).hex()
    headers = {"traceparent": f"00-{trace}-{parent}-01", "connection": "close"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url + path[1:], headers=headers), timeout=patience
        ) as answer:
            answer.read()
            return Request(path, trace, parent, answer.status)
    except urllib.error.HTTPError as answer:
        answer.read()
        return Request(path, trace, parent, answer.code)
    except (OSError, IncompleteRead):  # a body that broke off
        return Request(path, trace, parent, None)


def observe(
    endpoint: Endpoint,
    folder: Path,
    name: str,
    command: str,
    paths: tuple[str, ...],
    kinds: str = "raw",
    asking: Callable[[str, str], Request] = ask,
    **env: str,
) -> Observed:
    """Run a server under `trax-otel run`, and ask it for each path once."""
    shutil.copytree(SERVED, folder, dirs_exist_ok=True)
    port = free_port()
    program, *words = command.format(port=port).split()
    line = under_run(endpoint.url, name, [PYTHON if program == "python" else str(PROGRAMS / program), *words])
    environ = {"PYTHONPATH": str(folder), "SERVED": kinds, "OTEL_SEMCONV_STABILITY_OPT_IN": "http", **env}
    with serving(line, folder, port, **environ) as server:
        requests = {path: asking(server.url, path) for path in paths}
        collect(endpoint, requests)
        found = figures(endpoint, name)
        with suppress(subprocess.TimeoutExpired):
            server.stop()
        return Observed(name, requests, *found, server.output.read_text())


def collect(endpoint: Endpoint, requests: dict[str, Request]) -> None:
    """What arrived of each request, once each has its span and nothing more comes."""
    queries = Queries(endpoint.path)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        traces = {request.trace for request in requests.values()}
        rows = queries.rows(
            "SELECT DISTINCT trace_id FROM span WHERE kind = 2 AND trace_id IN"
            f" ({','.join('?' * len(traces))})", tuple(traces),
        )  # fmt: skip
        if len(rows) == len(traces):
            break
        time.sleep(0.1)
    time.sleep(1.0)  # for records, figures and a second span that should not be
    for request in requests.values():
        rows = queries.rows(
            "SELECT name, kind, status, span_id, parent_id, attributes, events, scope FROM span WHERE trace_id = ?",
            (request.trace,),
        )
        names = ("name", "kind", "status", "span_id", "parent_id", "attributes", "events", "scope")
        request.spans = [dict(zip(names, row, strict=True)) for row in rows]
        for span in request.spans:
            span["attributes"], span["events"] = json.loads(span["attributes"]), json.loads(span["events"])
        request.logs = [log for log in queries.logs(Filter(limit=10_000)) if log.trace_id == request.trace]
    queries.close()


def figures(endpoint: Endpoint, service: str) -> tuple[list[tuple[dict[str, Any], int]], list[float]]:
    queries = Queries(endpoint.path)
    asked = Filter(service=service, limit=1_000)
    durations = [
        (series.attributes, series.points[-1].count or 0)
        for series in queries.metric("http.server.request.duration", asked)
    ]
    active = [series.points[-1].value or 0.0 for series in queries.metric("http.server.active_requests", asked)]
    queries.close()
    return durations, active


@pytest.fixture(scope="module", params=[*ASGI, *WSGI])
def observed(request: pytest.FixtureRequest, endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    command = {**ASGI, **WSGI}[request.param]
    return observe(endpoint, tmp_path_factory.mktemp(request.param), request.param, command, RAW)


def test_a_request_is_one_span_of_its_clients_trace(observed: Observed) -> None:
    for path, request in observed.requests.items():
        span = request.span
        assert (span["name"], span["parent_id"]) == ("GET", request.parent)
        assert span["attributes"]["url.path"] == path
        assert span["attributes"]["http.request.method"] == "GET"
        assert span["attributes"]["client.address"] == "127.0.0.1"
    served = observed.requests["/raw/item"]
    assert (served.status, served.span["attributes"]["http.response.status_code"], served.span["status"]) == (
        200,
        200,
        0,
    )
    assert [log.body for log in served.logs if log.logger == "served"] == ["served /raw/item"]
    assert "trax-otel: instrumentation" not in observed.output


def test_an_exception_is_told_once_and_a_refusal_by_its_status(observed: Observed) -> None:
    failed, refused, half = (observed.requests[f"/raw/{name}"] for name in ("fail", "refuse", "half"))
    assert (failed.status, failed.exceptions, failed.span["status"]) == (500, ["ValueError"], 2)
    assert failed.span["attributes"]["http.response.status_code"] == 500
    assert failed.span["attributes"]["error.type"] == "ValueError"
    assert failed.span["attributes"]["trax.error.code"]
    assert (refused.status, refused.exceptions, refused.span["status"]) == (503, [], 2)
    assert refused.span["attributes"]["error.type"] == "503"
    assert refused.span["attributes"]["trax.error.code"]
    assert (half.exceptions, half.span["status"]) == (["RuntimeError"], 2)


def test_what_the_server_logs_of_a_failure_belongs_to_its_trace(observed: Observed) -> None:
    logged = {(log.logger, log.severity): log.body for log in observed.requests["/raw/fail"].logs}
    for logger, severity, text in RECORDS.get(observed.server, ()):
        assert text in logged.get((logger, severity), ""), logged
    if observed.server not in SHOWN:
        assert "instrumentation/servers" not in observed.output, "a traceback shows a frame of ours"


def test_each_request_is_measured_once(observed: Observed) -> None:
    assert sum(count for _, count in observed.durations) == len(RAW)
    assert all(attributes["http.request.method"] == "GET" for attributes, _ in observed.durations)
    assert sum(count for attributes, count in observed.durations if attributes.get("error.type") == "ValueError") == 1
    assert sum(observed.active) == 0


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn-h11", "hypercorn", "daphne", "granian-asgi", "gunicorn-asgi"])
def test_a_websocket_is_one_span(name: str, endpoint: Endpoint, tmp_path: Path) -> None:
    observed = observe(endpoint, tmp_path, f"websocket-{name}", ASGI[name], ("/raw/chat",), asking=shake_hands)
    span = observed.requests["/raw/chat"].span
    assert (span["name"], span["parent_id"], span["status"]) == ("GET", observed.requests["/raw/chat"].parent, 0)
    assert span["attributes"]["http.response.status_code"] == 101
    assert span["attributes"]["url.scheme"] == "ws"
    assert observed.durations == []


def shake_hands(url: str, path: str) -> Request:
    """Open a WebSocket, wait for what it says first, and go away."""
    request = Request(path, os.urandom(16).hex(), os.urandom(8).hex(), None)
    host, _, port = url.removeprefix("http://").strip("/").partition(":")
    lines = [
        f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"traceparent: 00-{request.trace}-{request.parent}-01", "", "",
    ]  # fmt: skip
    with socket.create_connection((host, int(port)), 5) as client:
        client.sendall("\r\n".join(lines).encode())
        received = b""
        while b"hello" not in received:
            more = client.recv(4096)
            assert more, received
            received += more
    request.status = int(received.split()[1])
    return request


# --- Frameworks -------------------------------------------------------------------------------------

FRAMEWORKS = {
    "asgi": {
        "fastapi": "/fastapi/item/{number}",
        "starlette": "/starlette/item/{number}",
        "litestar": "/litestar/item/{number}",
        "quart": "/quart/item/<int:number>",
        "falcon": "/falcon/item/{number}",
        "django": "django/item/<int:number>",
    },
    "wsgi": {
        "flask": "/flask/item/<int:number>",
        "bottle": "/bottle/item/<number:int>",
        "falcon": "/falcon/item/{number}",
        "pyramid": "/pyramid/item/{number}",
        "django": "django/item/<int:number>",
    },
}
"""Interface → framework → the route of its item, as the framework writes it."""
STREAMING = {("asgi", "fastapi"), ("asgi", "django"), ("wsgi", "flask"), ("wsgi", "django")}
COMMANDS = {"asgi": ASGI["uvicorn"], "wsgi": WSGI["gunicorn"]}
CASES = [(interface, framework) for interface, names in FRAMEWORKS.items() for framework in names]


def paths_of(interface: str) -> tuple[str, ...]:
    found = [
        f"/{framework}/{name}" for framework in FRAMEWORKS[interface] for name in ("item/7", "fail", "refuse", "nope")
    ]
    return (*found, *(f"/{framework}/half" for kind, framework in sorted(STREAMING) if kind == interface))


@pytest.fixture(scope="module")
def frameworks(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Observed]:
    """All frameworks of an interface in one process, with the instrumentations that OpenTelemetry has for them."""
    return {
        interface: observe(
            endpoint, tmp_path_factory.mktemp(interface), f"frameworks-{interface}", command, paths_of(interface),
            kinds=",".join(FRAMEWORKS[interface]),
        )
        for interface, command in COMMANDS.items()
    }  # fmt: skip


@pytest.mark.parametrize(("interface", "framework"), CASES)
def test_a_framework_tells_its_route_and_shares_the_span(
    frameworks: dict[str, Observed], interface: str, framework: str
) -> None:
    observed, route = frameworks[interface], FRAMEWORKS[interface][framework]
    item, nope = (observed.requests[f"/{framework}/{name}"] for name in ("item/7", "nope"))
    assert (item.status, item.span["status"], item.exceptions) == (200, 0, [])
    assert item.span["attributes"]["http.route"] == route
    assert item.span["name"] in {f"GET {route}", route}  # Pyramid's instrumentation leaves the method out
    assert item.span["parent_id"] == item.parent
    assert (nope.status, nope.span["status"], nope.span["attributes"]["http.response.status_code"]) == (404, 0, 404)
    assert nope.exceptions == []
    told = "/starlette" if framework == "starlette" else route  # that of a mounted application, where contrib measures
    measured = [count for attributes, count in observed.durations if attributes.get("http.route") == told]
    assert sum(measured) >= 1 or framework == "pyramid"  # whose instrumentation measures without a route


@pytest.mark.parametrize(("interface", "framework"), CASES)
def test_a_frameworks_failures_are_told_once(frameworks: dict[str, Observed], interface: str, framework: str) -> None:
    requests = frameworks[interface].requests
    failed, refused = (requests[f"/{framework}/{name}"] for name in ("fail", "refuse"))
    assert (failed.status, failed.exceptions, failed.span["status"]) == (500, ["ValueError"], 2)
    assert failed.span["attributes"]["error.type"] == "ValueError"
    assert (refused.status, refused.span["status"]) == (503, 2)
    assert refused.span["attributes"]["http.response.status_code"] == 503
    if (interface, framework) in STREAMING:
        half = requests[f"/{framework}/half"]
        assert (half.exceptions, half.span["status"]) == (["RuntimeError"], 2)


def test_no_request_of_a_framework_is_measured_twice(frameworks: dict[str, Observed]) -> None:
    for interface, observed in frameworks.items():
        # The embedded endpoint keeps one series where two scopes send the same attributes: of the 404s, say.
        assert sum(count for _, count in observed.durations) <= len(paths_of(interface)), observed.durations
        assert sum(observed.active) == 0


def test_fastapis_own_telemetry_shares_the_span_too(endpoint: Endpoint, tmp_path: Path) -> None:
    """FastAPI makes spans by itself where OpenTelemetry's instrumentation of it is absent."""
    paths = tuple(f"/fastapi/{name}" for name in ("item/7", "fail", "half"))
    observed = observe(
        endpoint, tmp_path, "fastapi-own", ASGI["uvicorn"], paths, kinds="fastapi",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="fastapi,starlette,asgi",
    )  # fmt: skip
    item, failed, half = observed.requests.values()
    assert (item.span["name"], item.span["parent_id"]) == ("GET /fastapi/item/{number}", item.parent)
    assert (failed.exceptions, half.exceptions) == (["ValueError"], ["RuntimeError"])
    assert sum(count for _, count in observed.durations) == len(paths)


PROGRAMS_SERVING = {
    "http.server": ("python -m http.server --bind 127.0.0.1 {port}", "/start.py", "GET", 200),
    "http.server-404": ("python -m http.server --bind 127.0.0.1 {port}", "/nope", "GET", 404),
    "pypiserver": ("pypi-server run -i 127.0.0.1 -p {port} .", "/simple/", "GET /simple/", 200),
    "radicale": ("python -m radicale --server-hosts 127.0.0.1:{port} --auth-type none", "/.web/", "GET", 200),
    "datasette": ("datasette serve -h 127.0.0.1 -p {port} --memory", "/_memory.json", None, 200),
    "sanic": ("python start.py sanic {port}", "/sanic/item/7", "GET /sanic/item/<number:int>", 200),
    "sanic-fail": ("python start.py sanic {port}", "/sanic/fail", "GET /sanic/fail", 500),
    "sanic-asgi": ("uvicorn --port {port} sanics:app", "/sanic/item/7", "GET /sanic/item/<number:int>", 200),
    "sanic-asgi-fail": ("uvicorn --port {port} sanics:app", "/sanic/fail", "GET /sanic/fail", 500),
    "tornado": ("python start.py tornado {port}", "/tornado/item/7", "GET /tornado/item/{number}", 200),
    "tornado-fail": ("python start.py tornado {port}", "/tornado/fail", "GET", 500),
    "aiohttp": ("python start.py aiohttp {port}", "/aiohttp/item/7", "GET /aiohttp/item/{number}", 200),
    "aiohttp-fail": ("python start.py aiohttp {port}", "/aiohttp/fail", "GET /aiohttp/fail", 500),
    "granian-rsgi": ("granian --interface rsgi --port {port} rsgi:app", "/rsgi/item", "GET", 200),
    "granian-rsgi-fail": ("granian --interface rsgi --port {port} rsgi:app", "/rsgi/fail", "GET", 500),
    "uwsgi": (
        "pyuwsgi --http 127.0.0.1:{port} --module wsgi:flask --master",
        "/flask/item/7",
        "GET /flask/item/<int:number>",
        200,
    ),
    "flask": ("flask --app wsgi:flask run -p {port}", "/flask/item/7", "GET /flask/item/<int:number>", 200),
}
ACCESS = {"tornado": ("tornado.access",), "aiohttp": ("aiohttp.access",), "flask": ("werkzeug",)}
"""The loggers that write a line for each request, inside its trace."""


@pytest.mark.parametrize("name", PROGRAMS_SERVING)
def test_a_program_that_serves(name: str, endpoint: Endpoint, tmp_path: Path) -> None:
    command, path, span, status = PROGRAMS_SERVING[name]
    observed = observe(endpoint, tmp_path, f"program-{name}", command, (path,), kinds="flask")
    request = observed.requests[path]
    assert request.status == status
    assert request.span["parent_id"] == request.parent
    assert request.span["attributes"]["http.response.status_code"] == status
    assert span is None or request.span["name"] == span
    assert request.exceptions == (["ValueError"] if status == 500 else [])
    if name != "tornado-fail":  # OpenTelemetry's instrumentation of Tornado measures a failed request twice
        assert [count for _, count in observed.durations] == [1]
    for logger in ACCESS.get(name.removesuffix("-fail"), ()):
        assert logger in {log.logger for log in request.logs}
