"""What is put right on spans of real instrumentations before they end: names, texts, the caller, codes of answers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import jinja2
import pytest
from opentelemetry.instrumentation import _semconv
from opentelemetry.instrumentation.jinja2 import Jinja2Instrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from trax_otel import semconv, testing
from trax_otel.sdk import SpanMemory
from trax_otel.testing import CapturedTelemetry

CODE = semconv.ERROR_CODE


@pytest.fixture
def telemetry() -> Iterator[CapturedTelemetry]:
    with testing.capture() as captured:
        yield captured


@pytest.fixture(params=["http,database", "none", "database/dup"])
def conventions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Contrib reads the variable once in a process; here once in a test."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", request.param)
    stability = _semconv._OpenTelemetrySemanticConventionStability
    monkeypatch.setattr(stability, "_initialized", False)
    monkeypatch.setattr(stability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", {})
    return str(request.param)


@pytest.fixture
def database(telemetry: CapturedTelemetry, conventions: str) -> Iterator[sqlite3.Connection]:
    instrumentor = SQLite3Instrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()
    instrumentor.uninstrument()


# --- Databases -----------------------------------------------------------------------------------------------------------


def test_a_query_is_named_by_its_table_and_shows_no_literal(
    database: sqlite3.Connection, telemetry: CapturedTelemetry, conventions: str
) -> None:
    database.cursor().execute("CREATE TABLE users (name TEXT)")
    database.cursor().execute("SELECT name FROM users WHERE name = 'ann'")
    assert telemetry.span("CREATE TABLE users")
    attributes = telemetry.span("SELECT users").attributes
    stable = {"db.query.text": "SELECT name FROM users WHERE name = ?", "db.operation.name": "SELECT",
              "db.collection.name": "users"}  # fmt: skip
    old = dict(zip(("db.statement", "db.operation", "db.sql.table"), stable.values(), strict=True))
    expected = {"http,database": stable, "none": old, "database/dup": stable | old}[conventions]
    assert {name: value for name, value in attributes.items() if name in stable | old} == expected
    assert attributes[semconv.CODE_FUNCTION_NAME].endswith("test_a_query_is_named_by_its_table_and_shows_no_literal")
    assert attributes[semconv.CODE_FILE_PATH] == __file__
    assert attributes[semconv.CODE_LINE_NUMBER] > 1


def test_a_failed_querys_stack_ends_where_the_application_asked(
    database: sqlite3.Connection, telemetry: CapturedTelemetry
) -> None:
    with suppress(sqlite3.OperationalError):
        database.cursor().execute("SELECT * FROM nowhere")
    (event,) = telemetry.span("SELECT nowhere").events
    lines = str(event.attributes[semconv.EXCEPTION_STACKTRACE]).splitlines()
    assert lines[-2:] == [
        '    database.cursor().execute("SELECT * FROM nowhere")',
        "sqlite3.OperationalError: no such table: nowhere",
    ]
    assert "opentelemetry" not in "\n".join(lines)


def test_a_name_that_a_hook_gave_stays(telemetry: CapturedTelemetry) -> None:
    tracer = telemetry.tracer("opentelemetry.instrumentation.sqlite3")
    for name in ("SELECT", "SELECT shop", "select", "SELECT the stock", "stock"):
        with tracer.start_as_current_span(name, kind=SpanKind.CLIENT) as span:
            span.set_attributes({"db.query.text": "SELECT 1 FROM stock", "db.namespace": "shop"})
    assert [span.name for span in telemetry.spans] == ["SELECT stock"] * 3 + ["SELECT the stock", "stock"]


def test_an_applications_own_span_keeps_its_name_and_loses_its_literals(telemetry: CapturedTelemetry) -> None:
    with telemetry.tracer("shop").start_as_current_span("SELECT", kind=SpanKind.CLIENT) as span:
        span.set_attributes({"db.system.name": "postgresql", "db.query.text": "SELECT 1 FROM stock"})
    attributes = telemetry.span("SELECT").attributes
    assert dict(attributes) == {"db.system.name": "postgresql", "db.query.text": "SELECT ? FROM stock"}


def test_what_is_no_sql_is_left_alone(telemetry: CapturedTelemetry) -> None:
    with telemetry.tracer("opentelemetry.instrumentation.redis").start_as_current_span(
        "SET", kind=SpanKind.CLIENT
    ) as span:
        span.set_attributes({"db.system": "redis", "db.statement": "SET ? 5"})
    assert telemetry.span("SET").attributes["db.statement"] == "SET ? 5"


def test_sqlalchemys_failures_have_the_code_of_the_exception_that_they_report(
    telemetry: CapturedTelemetry, conventions: str
) -> None:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import OperationalError

    engine = create_engine("sqlite://")
    SQLAlchemyInstrumentor().instrument(
        engine=engine,
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        skip_dep_check=True,
    )
    try:
        with engine.connect() as connection, suppress(OperationalError):
            connection.execute(text("SELECT a FROM nowhere WHERE b = 'secret'"))
    finally:
        SQLAlchemyInstrumentor().uninstrument()
        engine.dispose()
    span = telemetry.span("SELECT nowhere")
    assert span.attributes[CODE] == "TRAX-026"
    assert span.attributes["code.function.name"].endswith("the_exception_that_they_report")
    assert [event.name for event in span.events] == ["exception"]
    assert telemetry.total("trax.errors") == 1


async def test_the_caller_is_found_from_below_sqlalchemys_greenlet(telemetry: CapturedTelemetry) -> None:
    from sqlalchemy.util import greenlet_spawn

    tracer = telemetry.tracer("opentelemetry.instrumentation.sqlalchemy")
    span: Any = await greenlet_spawn(tracer.start_span, "SELECT", kind=SpanKind.CLIENT)
    span.end()
    assert telemetry.span("SELECT").attributes["code.function.name"].endswith("below_sqlalchemys_greenlet")


# --- URLs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SpanKind.CLIENT, SpanKind.SERVER, SpanKind.PRODUCER])
def test_secrets_leave_urls(kind: SpanKind, telemetry: CapturedTelemetry) -> None:
    urls = {
        "url.full": "https://ann:pw@shop.example/a?token=abc&page=2",
        "url.query": "token=abc&page=2",
        "http.url": "https://shop.example/a?api_key=abc",
        "http.target": "/a?password=abc",
        "url.path": "/a",
    }
    with telemetry.tracer().start_as_current_span("request", kind=kind, attributes=urls):
        pass
    assert dict(telemetry.span("request").attributes) == {
        "url.full": "https://REDACTED:REDACTED@shop.example/a?token=REDACTED&page=2",
        "url.query": "token=REDACTED&page=2",
        "http.url": "https://shop.example/a?api_key=REDACTED",
        "http.target": "/a?password=REDACTED",
        "url.path": "/a",
    }


def test_a_provider_of_the_applications_own_keeps_its_texts(telemetry: CapturedTelemetry) -> None:
    memory = SpanMemory()
    provider = TracerProvider()
    provider.add_span_processor(memory)
    attributes: dict[str, Any] = {
        "db.query.text": "SELECT 1",
        "url.full": "/?token=a",
        "http.response.status_code": 500,
    }
    provider.get_tracer("x").start_span("SELECT", kind=SpanKind.CLIENT, attributes=attributes).end()
    (span,) = memory.spans()
    assert {**attributes, CODE: "TRAX-029"}.items() <= dict(span.attributes or {}).items()
    provider.shutdown()


# --- Answers -------------------------------------------------------------------------------------------------------------


def request(telemetry: CapturedTelemetry, kind: SpanKind, status: int, **more: Any) -> Any:
    attributes = {"http.response.status_code": status, **more}
    return telemetry.tracer().start_as_current_span(kind.name, kind=kind, attributes=attributes)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (SpanKind.CLIENT, 200, None),
        (SpanKind.CLIENT, 404, "TRAX-009"),
        (SpanKind.CLIENT, 401, "TRAX-002"),
        (SpanKind.SERVER, 404, None),
        (SpanKind.SERVER, 500, "TRAX-029"),
        (SpanKind.INTERNAL, 500, None),
    ],
)
def test_an_answer_has_a_code_and_counts_once(
    kind: SpanKind, status: int, code: str | None, telemetry: CapturedTelemetry
) -> None:
    with request(telemetry, kind, status):
        pass
    span = telemetry.span(kind.name)
    assert span.attributes.get(CODE) == code
    assert span.attributes.get(semconv.ERROR_TYPE) == (code and str(status))
    assert span.status == ("error" if code else "unset")
    assert sum(point.value for point in telemetry.metrics.get("trax.errors", [])) == (1 if code else 0)


def test_what_somebody_says_to_be_right_is_no_error(telemetry: CapturedTelemetry) -> None:
    with request(telemetry, SpanKind.CLIENT, 404) as span:
        span.set_status(Status(StatusCode.OK))
    assert CODE not in telemetry.span("CLIENT").attributes


def test_an_answer_its_exception_and_the_500_that_follows_count_once(telemetry: CapturedTelemetry) -> None:
    from trax_otel.errors import ServiceUnavailableError

    with suppress(ServiceUnavailableError), request(telemetry, SpanKind.SERVER, 500):
        with request(telemetry, SpanKind.CLIENT, 503):
            pass
        raise ServiceUnavailableError("not now")
    assert telemetry.total("trax.errors") == 1
    assert telemetry.span("SERVER").attributes[CODE] == telemetry.span("CLIENT").attributes[CODE]


def test_a_500_because_of_a_failed_query_is_told_and_not_counted(telemetry: CapturedTelemetry) -> None:
    with (
        request(telemetry, SpanKind.SERVER, 500),
        suppress(KeyError),
        telemetry.tracer().start_as_current_span("query"),
    ):
        raise KeyError("a")
    assert telemetry.total("trax.errors") == 1
    assert telemetry.span("SERVER").attributes[CODE] == "TRAX-029"


def test_error_type_is_the_exceptions_not_the_statuss(telemetry: CapturedTelemetry) -> None:
    with request(telemetry, SpanKind.SERVER, 500) as span:
        span.record_exception(ValueError("bad"))
        span.set_attribute(semconv.ERROR_TYPE, "500")  # as contrib's middlewares do afterwards
    assert telemetry.span("SERVER").attributes[semconv.ERROR_TYPE] == "ValueError"


# --- What only steers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def templates(telemetry: CapturedTelemetry) -> Iterator[jinja2.Environment]:
    instrumentor = Jinja2Instrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracer_provider)
    yield jinja2.Environment(loader=jinja2.DictLoader({"b": "{% include ['c', 'd'] ignore missing %}ok"}))
    instrumentor.uninstrument()


def test_a_template_that_is_found_elsewhere_is_no_error(
    templates: jinja2.Environment, telemetry: CapturedTelemetry
) -> None:
    assert templates.select_template(["a", "b"]).render() == "ok"
    assert {span.status for span in telemetry.spans} == {"unset"}
    assert [event.name for span in telemetry.spans for event in span.events] == []
    assert telemetry.metrics.get("trax.errors", []) == []


def test_a_template_that_is_nowhere_is_told_by_what_it_crosses(
    templates: jinja2.Environment, telemetry: CapturedTelemetry
) -> None:
    for ask in (lambda: templates.get_template("a"), lambda: templates.select_template(["a", "c"])):
        with suppress(jinja2.TemplateNotFound), telemetry.tracer().start_as_current_span("request"):
            ask()
    told = [span for span in telemetry.spans if span.name == "request"]
    assert [span.status for span in told] == ["error", "error"]
    assert telemetry.total("trax.errors") == 2


def refusal(status: int) -> Exception:
    kind = type("HTTPException", (Exception,), {"__module__": "starlette.exceptions", "status_code": status})
    return kind(f"answered {status}")


@pytest.mark.parametrize(("kind", "told"), [(SpanKind.SERVER, False), (SpanKind.INTERNAL, True)])
def test_a_refusal_that_is_raised_is_no_error_of_the_server(
    kind: SpanKind, told: bool, telemetry: CapturedTelemetry
) -> None:
    with suppress(Exception), telemetry.tracer().start_as_current_span("one", kind=kind):
        raise refusal(404)
    assert telemetry.span("one").status == ("error" if told else "unset")
    assert telemetry.span("one").attributes.get(CODE) == ("TRAX-009" if told else None)


def test_a_failure_after_a_refusal_is_one(telemetry: CapturedTelemetry) -> None:
    with suppress(ValueError), telemetry.tracer().start_as_current_span("one", kind=SpanKind.SERVER) as span:
        span.record_exception(refusal(404))
        raise ValueError("in the page that says so")
    assert telemetry.span("one").status == "error"
    with request(telemetry, SpanKind.SERVER, 503) as span:
        span.record_exception(refusal(404))
    assert telemetry.span("SERVER").status == "error"


@pytest.mark.parametrize("name", ["Retry", "Ignore", "Reject"])
def test_celerys_steering_fails_no_span(name: str, telemetry: CapturedTelemetry) -> None:
    steering = type(name, (Exception,), {"__module__": "celery.exceptions"})
    with suppress(steering), telemetry.tracer().start_as_current_span("step"):
        raise steering("later")
    assert (telemetry.span("step").status, telemetry.span("step").events) == ("unset", ())


async def test_nothing_of_this_raises_into_the_application(
    telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    for name in ("first", "without_secrets", "described"):
        monkeypatch.setattr(f"trax_otel.sdk.finishing.{name}", broken)
    with request(telemetry, SpanKind.CLIENT, 500, **{"url.full": "/?a=b", "db.query.text": "SELECT 1"}):
        await asyncio.sleep(0)
    assert telemetry.span("CLIENT")
