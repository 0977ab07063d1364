"""Exceptions on spans of any library: classified, recorded once, and no span without its outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from trax_otel import semconv, signals
from trax_otel.sdk import CapturedProviders, SpanMemory, capture_providers, classify_recorded_exceptions


@pytest.fixture
def captured() -> Iterator[CapturedProviders]:
    """SDK providers in memory, in force for `signals` too."""
    providers = capture_providers()
    restore = signals.use_providers(
        tracer_provider=providers.tracer_provider,
        meter_provider=providers.meter_provider,
        logger_provider=providers.logger_provider,
    )
    yield providers
    restore()
    providers.shutdown()


@pytest.fixture
def tracer(captured: CapturedProviders) -> trace.Tracer:
    """A tracer as a foreign library would get it."""
    return captured.tracer_provider.get_tracer("foreign")


def by_name(captured: CapturedProviders) -> dict[str, Any]:
    return {span.name: span for span in captured.spans()}


def test_an_exception_is_classified_on_every_span_and_recorded_on_the_innermost(
    captured: CapturedProviders, tracer: trace.Tracer
) -> None:
    with pytest.raises(ConnectionRefusedError):  # noqa: PT012, SIM117
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("middle"):
            with tracer.start_as_current_span("inner"):
                raise ConnectionRefusedError("no")
    spans = by_name(captured)
    for name in ("outer", "middle", "inner"):
        assert spans[name].attributes[semconv.ERROR_CODE] == "TRAX-001"
        assert spans[name].attributes[semconv.ERROR_CATEGORY] == "network"
        assert spans[name].attributes[semconv.ERROR_RETRYABLE] is True
        assert spans[name].attributes[semconv.ERROR_TYPE] == "ConnectionRefusedError"
        assert spans[name].status.status_code is StatusCode.ERROR
    assert [len(spans[name].events) for name in ("outer", "middle", "inner")] == [0, 0, 1]
    event = spans["inner"].events[0]
    assert event.name == "exception"
    assert event.attributes["exception.message"] == "no"
    assert "test_exceptions.py" in event.attributes["exception.stacktrace"]


def test_an_exception_is_counted_once(captured: CapturedProviders, tracer: trace.Tracer) -> None:
    for _ in range(2):
        with pytest.raises(ValueError), tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            raise ValueError("x")
    points = captured.metrics()[semconv.ERRORS.name].data.data_points
    assert sum(point.value for point in points if point.attributes[semconv.ERROR_TYPE] == "ValueError") == 2


def test_what_the_caller_adds_is_kept(captured: CapturedProviders, tracer: trace.Tracer) -> None:
    span = tracer.start_span("explicit")
    error = KeyError("k")
    span.record_exception(error, attributes={"order": 5}, timestamp=42)
    span.record_exception(error)
    span.record_exception(error, attributes={"again": True})
    span.end()
    first, second = by_name(captured)["explicit"].events
    assert (first.attributes["order"], first.timestamp) == (5, 42)
    assert "exception.stacktrace" in first.attributes
    assert second.attributes["again"] is True
    assert "exception.stacktrace" not in second.attributes


def test_a_provider_that_is_not_ours_is_covered() -> None:
    classify_recorded_exceptions()
    memory = SpanMemory()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(memory)
    with pytest.raises(TimeoutError), provider.get_tracer("x").start_as_current_span("theirs"):
        raise TimeoutError
    [span] = memory.spans()
    assert span.attributes is not None
    assert span.attributes[semconv.ERROR_CATEGORY] == "network"


@pytest.mark.parametrize(("mode", "events", "records"), [("", 1, 0), ("logs", 0, 1), ("logs/dup", 1, 1)])
def test_the_exception_signal_is_opted_into(
    captured: CapturedProviders,
    tracer: trace.Tracer,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    events: int,
    records: int,
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", mode)
    with pytest.raises(ValueError), tracer.start_as_current_span("failing"):
        raise ValueError("x")
    assert len(by_name(captured)["failing"].events) == events
    found = [record.log_record for record in captured.log_records()]
    assert [record.event_name for record in found] == ["exception"] * records


async def test_cancellation_is_an_outcome(captured: CapturedProviders, tracer: trace.Tracer) -> None:
    async def work() -> None:
        with tracer.start_as_current_span("cancelled"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    span = by_name(captured)["cancelled"]
    assert span.attributes[semconv.OUTCOME] == "cancelled"
    assert span.attributes[semconv.ERROR_TYPE] == "asyncio.exceptions.CancelledError"
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


@pytest.mark.parametrize(
    ("raised", "outcome", "status"),
    [
        (KeyboardInterrupt(), "cancelled", StatusCode.UNSET),
        (SystemExit(0), "success", StatusCode.UNSET),
        (SystemExit(), "success", StatusCode.UNSET),
        (SystemExit(3), "failure", StatusCode.ERROR),
    ],
)
@pytest.mark.parametrize("way", ["start_as_current_span", "use_span", "with", "finally"])
def test_no_exit_leaves_a_span_without_its_outcome(
    captured: CapturedProviders,
    tracer: trace.Tracer,
    raised: BaseException,
    outcome: str,
    status: StatusCode,
    way: str,
) -> None:
    def run() -> None:
        if way == "start_as_current_span":
            with tracer.start_as_current_span("span"):
                raise raised
        span = tracer.start_span("span")
        if way == "use_span":
            with trace.use_span(span, end_on_exit=True):
                raise raised
        if way == "with":
            with span:
                raise raised
        try:
            raise raised
        finally:
            span.end()

    with pytest.raises(type(raised)):
        run()
    span = by_name(captured)["span"]
    assert span.attributes[semconv.OUTCOME] == outcome
    assert span.status.status_code is status
    assert span.events == ()


def test_a_span_that_cleans_up_after_a_cancellation_is_not_cancelled(
    captured: CapturedProviders, tracer: trace.Tracer
) -> None:
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        with tracer.start_as_current_span("clean-up"):
            pass
    assert semconv.OUTCOME not in by_name(captured)["clean-up"].attributes


def test_a_closed_generator_is_no_outcome(captured: CapturedProviders, tracer: trace.Tracer) -> None:
    def numbers() -> Iterator[int]:
        with tracer.start_as_current_span("generator"):
            yield 1

    generator = numbers()
    next(generator)
    generator.close()
    assert semconv.OUTCOME not in by_name(captured)["generator"].attributes


def test_an_exception_whose_text_raises_is_contained(captured: CapturedProviders, tracer: trace.Tracer) -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    span = tracer.start_span("rude")
    span.record_exception(Rude())
    span.end()
    [event] = by_name(captured)["rude"].events
    assert "__str__" in event.attributes["exception.message"]


def test_an_ended_span_is_left_alone(captured: CapturedProviders, tracer: trace.Tracer) -> None:
    span = tracer.start_span("ended")
    span.end()
    logging.getLogger("opentelemetry.sdk.trace").setLevel(logging.ERROR)
    span.record_exception(ValueError("late"))
    assert by_name(captured)["ended"].events == ()


def test_correlation_is_on_every_span(captured: CapturedProviders, tracer: trace.Tracer) -> None:
    token = signals.attach_correlation(id="abc", fields={"tenant": "acme"})
    try:
        tracer.start_span("foreign").end()
    finally:
        signals.detach(token)
    tracer.start_span("after").end()
    spans = by_name(captured)
    assert spans["foreign"].attributes == {semconv.CORRELATION_ID: "abc", "tenant": "acme"}
    assert spans["after"].attributes == {}
