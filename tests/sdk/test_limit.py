"""One-span traces are left out where they are noise only, and counted; nothing of the application's own ever is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from trax_otel import config, testing
from trax_otel.instrumentation import CorrelationPropagator
from trax_otel.sdk import classify_recorded_exceptions, limit
from trax_otel.sdk.batch import BatchSpanProcessor
from trax_otel.sdk.finishing import FinishingProcessor
from trax_otel.signals import roots
from trax_otel.testing import CapturedTelemetry, FakeClock

REDIS = "opentelemetry.instrumentation.redis"
JINJA2 = "opentelemetry.instrumentation.jinja2"
MILLISECOND = 10**6


class Sent:
    """Stands for the queue to the exporter."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def put(self, span: Any) -> None:
        self.names.append(getattr(span, "name", ""))


@pytest.fixture
def telemetry() -> Iterator[CapturedTelemetry]:
    with testing.capture() as captured:
        yield captured


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with testing.fake_clock() as fake:
        yield fake


@pytest.fixture
def sent(
    telemetry: CapturedTelemetry, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Sent, TracerProvider]]:
    """A provider whose spans go to a queue, in a process that serves and where redis and jinja2 are observed by us."""
    monkeypatch.setattr(roots, "_activated", {REDIS, JINJA2})
    monkeypatch.setattr(roots, "_serving", True)
    limit.forget()
    classify_recorded_exceptions()
    queue, provider = Sent(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(FinishingProcessor())
    provider.add_span_processor(BatchSpanProcessor(queue))  # type: ignore[arg-type]
    yield queue, provider
    limit.forget()


Do = Callable[[trace.Span, trace.Tracer], None]


def query(
    provider: TracerProvider, name: str = "GET", scope: str = REDIS, took_ms: int = 1, do: Do | None = None
) -> None:
    """A span that stands alone, twice: the first of a name is always kept."""
    tracer = provider.get_tracer(scope)
    for _ in range(2):
        span = tracer.start_span(name, kind=SpanKind.CLIENT, start_time=1)
        if do is not None:
            with trace.use_span(span):
                do(span, tracer)
        span.end(1 + took_ms * MILLISECOND)


def test_the_first_of_a_name_is_kept_in_ten_seconds_and_the_rest_counted(
    sent: tuple[Sent, TracerProvider], telemetry: CapturedTelemetry, clock: FakeClock
) -> None:
    queue, provider = sent
    for _ in range(5):
        query(provider)
        query(provider, "SET")
    assert queue.names == ["GET", "SET"]
    clock.advance(10.1)
    query(provider)
    assert queue.names == ["GET", "SET", "GET"]
    assert telemetry.total("trax.spans.limited", {"trax.limited.instrumentation": "redis"}) == 9 + 9 + 1
    assert telemetry.total("trax.spans.limited", {"trax.limited.span": "SET"}) == 9


def child(span: trace.Span, tracer: trace.Tracer) -> None:
    tracer.start_span("child").end()


def event(span: trace.Span, tracer: trace.Tracer) -> None:
    span.add_event("seen")


def failure(span: trace.Span, tracer: trace.Tracer) -> None:
    span.set_status(StatusCode.ERROR)


def injection(span: trace.Span, tracer: trace.Tracer) -> None:
    CorrelationPropagator().inject({})


def link(span: trace.Span, tracer: trace.Tracer) -> None:
    span.add_link(trace.SpanContext(1, 2, is_remote=True))


@pytest.mark.parametrize("do", [child, event, failure, injection, link])
def test_a_span_that_something_tells_of_is_kept(do: Do, sent: tuple[Sent, TracerProvider]) -> None:
    queue, provider = sent
    query(provider, do=do)
    assert queue.names.count("GET") == 2


def test_a_span_with_a_log_record_is_kept(sent: tuple[Sent, TracerProvider], telemetry: CapturedTelemetry) -> None:
    from opentelemetry.sdk._logs import LoggerProvider

    from trax_otel.sdk.batch import BatchLogProcessor

    queue, provider = sent
    loggers = LoggerProvider(shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogProcessor(Sent(), loggers.resource))  # type: ignore[arg-type]
    query(provider, do=lambda span, tracer: loggers.get_logger("any").emit(body="seen"))
    assert queue.names == ["GET", "GET"]


def test_what_was_slow_is_kept_and_what_waits_is_not_slow(sent: tuple[Sent, TracerProvider]) -> None:
    queue, provider = sent
    query(provider, took_ms=300)
    query(provider, "BLPOP", took_ms=5_000)
    assert queue.names == ["GET", "GET", "BLPOP"]


def test_a_span_with_a_parent_is_kept(sent: tuple[Sent, TracerProvider]) -> None:
    queue, provider = sent
    with provider.get_tracer("shop").start_as_current_span("request", kind=SpanKind.SERVER):
        query(provider)
    assert queue.names == ["GET", "GET", "request"]


@pytest.mark.parametrize(
    "scope", ["shop", "opentelemetry.instrumentation.httpx", "opentelemetry.instrumentation.pymongo"]
)
def test_spans_of_the_applications_own_of_other_kinds_and_of_what_it_activated_itself_are_kept(
    scope: str, sent: tuple[Sent, TracerProvider]
) -> None:
    queue, provider = sent
    query(provider, scope=scope)
    assert queue.names == ["GET", "GET"]


def test_a_script_keeps_its_queries_and_not_its_templates(
    sent: tuple[Sent, TracerProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, provider = sent
    monkeypatch.setattr(roots, "_serving", False)
    monkeypatch.setattr(roots, "_MODULES", ())
    query(provider)
    query(provider, "jinja2.compile", JINJA2)
    assert queue.names == ["GET", "GET", "jinja2.compile"]
    with provider.get_tracer("shop").start_as_current_span("job", kind=SpanKind.CONSUMER):
        pass
    query(provider, "SET")
    assert queue.names[3:] == ["job", "SET"]


def test_the_user_may_have_them_all(sent: tuple[Sent, TracerProvider], monkeypatch: pytest.MonkeyPatch) -> None:
    queue, provider = sent
    monkeypatch.setenv("TRAX_ROOT_SPANS", "all")
    config.reload()
    try:
        query(provider)
    finally:
        monkeypatch.delenv("TRAX_ROOT_SPANS")
        config.reload()
    assert queue.names == ["GET", "GET"]


def test_what_is_remembered_is_bounded(sent: tuple[Sent, TracerProvider], clock: FakeClock) -> None:
    queue, provider = sent
    for number in range(limit.MOST_NAMES + 10):
        query(provider, f"GET {number}")
    assert len(queue.names) == len(limit._kept) == limit.MOST_NAMES
    clock.advance(11)
    query(provider, "one more")
    assert queue.names[-1] == "one more"
    assert limit._left_out == {}


@pytest.mark.parametrize(
    ("words", "serving"),
    [
        (["/usr/bin/python3", "/venv/bin/gunicorn", "app:app"], True),
        (["python", "-m", "celery", "-A", "app", "worker"], True),
        (["python3.11", "-W", "error", "-m", "uvicorn", "app:app"], True),
        (["/venv/bin/rq", "worker"], True),
        (["python", "script.py", "gunicorn"], False),
        (["python", "-c", "pass"], False),
        (["python"], False),
        ([], False),
    ],
)
def test_servers_and_workers_are_known_by_their_command(words: list[str], serving: bool) -> None:
    assert roots._is_server(words) is serving
