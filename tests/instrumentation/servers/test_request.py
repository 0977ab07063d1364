"""What the span of a request is, and how a framework's instrumentation shares it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, get_current_span

from support.wsgi_environ import PARENT, TRACE, environ
from trax_otel.instrumentation.servers import settings
from trax_otel.instrumentation.servers.facts import of_environ, of_scope
from trax_otel.instrumentation.servers.request import (
    ServedRequest,
    begin,
    claim,
    current_request,
    kept_context,
    stand_back,
)
from trax_otel.sdk.joined import join_spans
from trax_otel.testing import CapturedTelemetry

FRAMEWORK = "opentelemetry.instrumentation.flask"
DURATION = "http.server.request.duration"
ACTIVE = "http.server.active_requests"


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    with kept_context():
        yield


@pytest.fixture
def asking() -> Iterator[None]:
    """Tracers ask whether a request's span is to be used."""
    undo = join_spans(claim, lambda scope: scope.startswith("opentelemetry.instrumentation."))
    yield
    undo()


def begun(**changes: Any) -> ServedRequest:
    request = begin(of_environ, environ(**changes))
    assert request is not None
    return request


def only(telemetry: CapturedTelemetry) -> Any:
    (span,) = telemetry.spans
    return span


# --- Attributes -------------------------------------------------------------------------------------


def test_attributes_by_the_stable_conventions(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.answered(200)
    request.end()
    span = only(trax_telemetry)
    assert span.name == "GET"
    assert span.kind == "server"
    assert span.attributes == {
        "http.request.method": "GET",
        "url.path": "/orders/7",
        "url.query": "page=2",
        "url.scheme": "http",
        "server.address": "shop.test",
        "server.port": 8080,
        "client.address": "10.0.0.9",
        "client.port": 4711,
        "network.protocol.version": "1.1",
        "user_agent.original": "curl/8",
        "http.response.status_code": 200,
    }
    point = trax_telemetry.metric(DURATION)
    assert (point.count, point.unit) == (1, "s")
    assert point.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }
    assert trax_telemetry.total(ACTIVE) == 0


def test_the_parent_is_the_clients_and_not_what_runs_the_server(trax_telemetry: CapturedTelemetry) -> None:
    with trax_telemetry.tracer().start_as_current_span("main"):
        request = begun()
        context = request.span.get_span_context()
        assert f"{context.trace_id:032x}" == TRACE
        assert get_current_span() is request.span
        request.end()
        with kept_context():
            other = begun(HTTP_TRACEPARENT="")
            other.end()
    assert [span.name for span in trax_telemetry.spans if span.parent_id is None and span.kind == "server"] == ["GET"]


def test_a_scope_is_read_as_an_environ_is(trax_telemetry: CapturedTelemetry) -> None:
    scope = {
        "type": "http", "method": "GET", "path": "/orders/7", "query_string": b"page=2", "scheme": "http",
        "http_version": "1.1", "server": ("0.0.0.0", 8000), "client": ("10.0.0.9", 4711),
        "headers": [(b"host", b"shop.test:8080"), (b"user-agent", b"curl/8"), (b"cookie", b"a=b"),
                    (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())],
    }  # fmt: skip
    assert of_scope(scope).attributes() == of_environ(environ()).attributes()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop.test", ("shop.test", 80)),
        ("shop.test:81", ("shop.test", 81)),
        ("[::1]:81", ("::1", 81)),
        ("[::1]", ("::1", 80)),
        ("", ("0.0.0.0", 8000)),
        ("shop.test:x", ("shop.test", 80)),
    ],
)
def test_the_server_is_the_one_that_was_asked_for(host: str, expected: tuple[str, int]) -> None:
    found = of_environ(environ(HTTP_HOST=host)).attributes()
    assert (found["server.address"], found["server.port"]) == expected


def test_the_path_is_the_whole_one_as_it_was_sent() -> None:
    assert of_environ(environ(SCRIPT_NAME="/app", PATH_INFO="/a b")).path == "/app/a%20b"
    assert of_environ(environ(RAW_URI="/app/a%2Fb?x=1")).path == "/app/a%2Fb"


def test_a_socket_file_has_no_address_of_a_client() -> None:
    found = of_environ(environ(REMOTE_ADDR="", REMOTE_PORT="")).attributes()
    assert "client.address" not in found
    assert "client.port" not in found


def test_unknown_methods_are_one(monkeypatch: pytest.MonkeyPatch, trax_telemetry: CapturedTelemetry) -> None:
    request = begun(REQUEST_METHOD="Brew")
    request.end()
    span = only(trax_telemetry)
    assert span.name == "HTTP"
    assert span.attributes["http.request.method"] == "_OTHER"
    assert span.attributes["http.request.method_original"] == "Brew"
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, BREW")
    settings.forget()
    assert of_environ(environ(REQUEST_METHOD="BREW")).known_method == "BREW"
    assert of_environ(environ(REQUEST_METHOD="POST")).known_method == "_OTHER"


@pytest.mark.parametrize(
    ("asked", "today", "former"), [("", 1, 0), ("http", 1, 0), ("http/dup", 1, 1), ("none", 0, 1), ("database", 0, 1)]
)
def test_the_names_that_are_asked_for(
    asked: str, today: int, former: int, monkeypatch: pytest.MonkeyPatch, trax_telemetry: CapturedTelemetry
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", asked)
    request = begun()
    request.answered(200)
    request.end()
    attributes = only(trax_telemetry).attributes
    both = {
        "url.path": "http.target", "http.request.method": "http.method", "http.response.status_code": "http.status_code",
        "url.scheme": "http.scheme", "server.address": "net.host.name", "client.address": "net.peer.ip",
    }  # fmt: skip
    assert sum(name in attributes for name in both) == today * len(both)
    assert sum(name in attributes for name in both.values()) == former * len(both)
    if former:
        assert attributes["http.target"] == "/orders/7?page=2"


def test_headers_that_are_asked_for(monkeypatch: pytest.MonkeyPatch, trax_telemetry: CapturedTelemetry) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "user-agent,cookie,[")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE", "x-.*")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS", "cook.*,.*token")
    request = begun()
    request.answered(200, [("X-A", "1"), ("x-a", "2"), ("X-Token", "secret"), ("Content-Type", "text/plain")])
    request.end()
    attributes = only(trax_telemetry).attributes
    assert attributes["http.request.header.user_agent"] == ("curl/8",)
    assert attributes["http.request.header.cookie"] == ("[REDACTED]",)
    assert attributes["http.response.header.x_a"] == ("1", "2")
    assert attributes["http.response.header.x_token"] == ("[REDACTED]",)
    assert "http.response.header.content_type" not in attributes


@pytest.mark.parametrize(
    ("variable", "value", "excluded"),
    [
        ("OTEL_PYTHON_EXCLUDED_URLS", "health,orders/[0-9]+", True),
        ("OTEL_PYTHON_EXCLUDED_URLS", "health", False),
        ("OTEL_PYTHON_EXCLUDED_URLS", "[", False),
        ("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "shop.test:8080/orders", True),
        ("OTEL_PYTHON_BOTTLE_EXCLUDED_URLS", "orders", False),
    ],
)
def test_excluded_urls(
    variable: str, value: str, excluded: bool, monkeypatch: pytest.MonkeyPatch, trax_telemetry: CapturedTelemetry
) -> None:
    import flask

    assert flask
    monkeypatch.setenv(variable, value)
    assert (begin(of_environ, environ()) is None) is excluded
    assert (current_request() is None) is excluded


# --- Ends -------------------------------------------------------------------------------------------


def test_a_route_names_the_span_and_the_series(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.routed("/orders/{id}")
    request.answered(200)
    request.end()
    assert (only(trax_telemetry).name, only(trax_telemetry).attributes["http.route"]) == (
        "GET /orders/{id}",
        "/orders/{id}",
    )
    assert trax_telemetry.metric(DURATION, {"http.route": "/orders/{id}"}).count == 1


def test_an_exception_is_told_once_and_answered_by_a_500(trax_telemetry: CapturedTelemetry) -> None:
    request, error = begun(), ValueError("broken")
    request.failed(error)
    request.failed(error)
    request.end()
    request.end()
    span = only(trax_telemetry)
    assert (span.status, span.error_code) == ("error", "TRAX-004")
    assert [event.name for event in span.events] == ["exception"]
    assert span.attributes["http.response.status_code"] == 500
    assert trax_telemetry.metric(DURATION, {"error.type": "ValueError"}).count == 1


def test_an_answered_5xx_is_an_error_by_its_status(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.answered(503)
    request.end()
    span = only(trax_telemetry)
    assert (span.status, span.attributes["error.type"], span.events) == ("error", "503", ())
    assert trax_telemetry.metric(DURATION, {"error.type": "503"}).count == 1


def test_a_4xx_is_none(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.handled(ValueError("no such order"))
    request.answered(404)
    request.end()
    span = only(trax_telemetry)
    assert (span.status, span.events) == ("unset", ())
    assert "error.type" not in span.attributes


def test_an_exception_that_a_framework_answers_by_a_500_is_the_failure(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.handled(KeyError("x"))
    request.answered(500)
    request.end()
    assert only(trax_telemetry).event("exception").attributes["exception.type"] == "KeyError"


def test_a_failure_after_the_answer_began_keeps_its_status(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.answered(200)
    request.failed(RuntimeError("half"))
    request.end()
    span = only(trax_telemetry)
    assert (span.status, span.attributes["http.response.status_code"]) == ("error", 200)


def test_a_failure_before_anything_was_sent_is_a_500(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.answered(200)
    request.failed(RuntimeError("early"), answered=False)
    request.answered(200)  # what the server had noted down
    request.end()
    assert only(trax_telemetry).attributes["http.response.status_code"] == 500


def test_interim_responses_are_no_answer(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    request.answered(103)
    request.answered(200)
    request.answered(100)
    request.end()
    assert only(trax_telemetry).attributes["http.response.status_code"] == 200


def test_cancellation_is_an_outcome(trax_telemetry: CapturedTelemetry) -> None:
    import asyncio

    request = begun()
    request.failed(asyncio.CancelledError())
    request.end()
    span = only(trax_telemetry)
    assert (span.status, span.outcome, span.events) == ("unset", "cancelled", ())


def test_an_exception_that_ended_a_request_can_be_pickled_and_copied(trax_telemetry: CapturedTelemetry) -> None:
    request, error = begun(), ValueError("broken")
    request.failed(error)
    request.end()
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert other.args == ("broken",)
        assert not any(isinstance(value, ServedRequest) for value in vars(other).values())


def test_a_request_that_ended_leaves_no_circle_of_references(trax_telemetry: CapturedTelemetry) -> None:
    import gc
    import weakref

    def served() -> weakref.ref[Any]:
        with kept_context():
            request = begun()
            try:
                raise ValueError("broken")
            except ValueError as error:
                request.failed(error)
            request.end()
        return weakref.ref(request)

    gc.disable()
    try:
        assert served()() is None
    finally:
        gc.enable()


def test_nothing_raises_whatever_is_given(
    trax_telemetry: CapturedTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin(of_environ, {"REQUEST_METHOD": object()}) is None
    request = begun()
    request.answered("200")  # type: ignore[arg-type]
    request.answered(200, None)  # type: ignore[arg-type]
    request.end()
    assert capsys.readouterr().err.count("trax-otel") <= 1


# --- Shared with frameworks -------------------------------------------------------------------------


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(("names", "expected"), [("http", "GET"), ("http/dup", "GET"), ("none", "GET /orders/7")])
def test_a_framework_s_name_after_the_path_is_no_name(
    names: str, expected: str, trax_telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", names)
    request = begun(PATH_INFO="/orders/7")
    framework = trax_telemetry.tracer_provider.get_tracer(FRAMEWORK)
    with framework.start_as_current_span("GET /orders/7", kind=SpanKind.SERVER):
        pass
    request.end()
    assert only(trax_telemetry).name == expected


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    ("told", "name", "expected"),
    [
        ("/api", "GET /api", ("GET /api/orders/{id}", "/api/orders/{id}")),
        ("/api", "its own", ("its own", "/api/orders/{id}")),
        ("/ap", "GET /ap", ("GET /ap", "/ap")),
    ],
    ids=["mounted", "named by a hook", "another"],
)
def test_the_route_of_a_mounted_application_is_the_whole_one(
    told: str, name: str, expected: tuple[str, str], trax_telemetry: CapturedTelemetry
) -> None:
    request = begun()
    framework = trax_telemetry.tracer_provider.get_tracer(FRAMEWORK)
    with framework.start_as_current_span("GET", kind=SpanKind.SERVER, attributes={"http.route": told}) as span:
        span.update_name(name)
    request.routed("/api/orders/{id}")
    request.end()
    assert (only(trax_telemetry).name, only(trax_telemetry).attributes["http.route"]) == expected


@pytest.mark.usefixtures("asking")
def test_a_framework_is_given_the_requests_span(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    tracer = trax_telemetry.tracer_provider.get_tracer(FRAMEWORK)
    with tracer.start_as_current_span(
        "GET /orders/<id>", kind=SpanKind.INTERNAL, attributes={"http.route": "/o"}
    ) as span:
        assert span is request.span
    assert trax_telemetry.spans == []  # the framework is done; the body is still sent
    request.failed(RuntimeError("in the body"))
    request.end()
    span = only(trax_telemetry)
    assert (span.name, span.attributes["http.route"], span.status) == ("GET /orders/<id>", "/o", "error")
    assert DURATION not in trax_telemetry.metrics  # the framework measures
    assert trax_telemetry.total(ACTIVE) == 0


@pytest.mark.usefixtures("asking")
def test_the_next_span_of_a_framework_is_its_own(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    tracer = trax_telemetry.tracer_provider.get_tracer(FRAMEWORK)
    with tracer.start_as_current_span("GET /"), tracer.start_as_current_span("GET / http send"):
        pass
    request.end()
    assert [(span.name, span.kind) for span in trax_telemetry.spans] == [
        ("GET / http send", "internal"),
        ("GET /", "server"),
    ]


@pytest.mark.usefixtures("asking")
def test_a_server_span_by_hand_is_the_requests_own(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    carrier = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    token = otel_context.attach(propagate.extract(carrier))  # an empty context, but for the parent
    with trax_telemetry.tracer_provider.get_tracer("mine").start_as_current_span("mine", kind=SpanKind.SERVER):
        pass
    otel_context.detach(token)
    request.end()
    assert [span.name for span in trax_telemetry.spans] == ["mine"]


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("kind", [SpanKind.INTERNAL, SpanKind.CLIENT])
def test_spans_of_other_kinds_are_not(kind: SpanKind, trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    with trax_telemetry.tracer_provider.get_tracer("mine").start_as_current_span("query", kind=kind):
        pass
    request.end()
    assert [span.name for span in trax_telemetry.spans] == ["query", "GET"]
    assert trax_telemetry.spans[0].parent_id == trax_telemetry.spans[1].span_id


@pytest.mark.usefixtures("asking")
def test_a_framework_below_a_span_of_the_applications_measures_on_its_own(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    framework = trax_telemetry.tracer_provider.get_tracer(FRAMEWORK)
    with trax_telemetry.tracer().start_as_current_span("middleware"), framework.start_as_current_span("GET /"):
        pass
    request.end()
    assert [span.name for span in trax_telemetry.spans] == ["GET /", "middleware", "GET"]
    assert DURATION not in trax_telemetry.metrics


def test_a_framework_that_excludes_the_url_has_us_stand_back(trax_telemetry: CapturedTelemetry) -> None:
    request = begun()
    stand_back()
    assert get_current_span() is trace.INVALID_SPAN
    request.answered(200)
    request.end()
    assert trax_telemetry.spans == []
    assert DURATION not in trax_telemetry.metrics
    assert trax_telemetry.total(ACTIVE) == 0


def test_a_websocket_is_a_span_and_not_measured(trax_telemetry: CapturedTelemetry) -> None:
    request = begin(of_scope, {"type": "websocket", "path": "/chat", "headers": []})
    assert request is not None
    request.answered(101)
    request.end()
    span = only(trax_telemetry)
    assert (span.name, span.attributes["url.scheme"], span.attributes["http.response.status_code"]) == (
        "GET",
        "ws",
        101,
    )
    assert DURATION not in trax_telemetry.metrics
