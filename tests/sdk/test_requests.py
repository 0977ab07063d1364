"""Delivery on the request's own thread, where no background thread can be relied on."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from trax_otel import clock
from trax_otel.sdk.requests import RequestProcessor
from trax_otel.testing import FakeClock


def provider(delivered: list[float], every: float = 0.0) -> TracerProvider:
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(RequestProcessor(lambda deadline: delivered.append(deadline.remaining()), every))
    return made


def remote_parent() -> object:
    context = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    return trace.set_span_in_context(NonRecordingSpan(context))


def test_a_request_is_delivered_at_its_end_within_half_a_second() -> None:
    delivered: list[float] = []
    tracer = provider(delivered).get_tracer("t")
    with tracer.start_as_current_span("request", context=remote_parent(), kind=SpanKind.SERVER):  # type: ignore[arg-type]
        with tracer.start_as_current_span("query", kind=SpanKind.CLIENT), tracer.start_as_current_span("inner"):
            pass
        with tracer.start_as_current_span("mounted", kind=SpanKind.SERVER):
            pass
        assert delivered == []
    assert len(delivered) == 1
    assert 0 < delivered[0] <= 0.5


def test_messages_are_requests_and_other_roots_are_not() -> None:
    delivered: list[float] = []
    tracer = provider(delivered).get_tracer("t")
    tracer.start_span("message", kind=SpanKind.CONSUMER).end()
    assert len(delivered) == 1
    tracer.start_span("poll", kind=SpanKind.CLIENT).end()
    tracer.start_span("job").end()
    assert len(delivered) == 1


def test_two_deliveries_are_that_far_apart() -> None:
    delivered: list[float] = []
    tracer = provider(delivered, every=1.0).get_tracer("t")
    with clock.use(FakeClock()) as time:
        for seconds in (0, 0.4, 0.4, 0.4):
            time.sleep(seconds)
            tracer.start_span("request", kind=SpanKind.SERVER).end()
    assert len(delivered) == 2
