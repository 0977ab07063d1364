"""Faults on demand: scripted callables, a full disk, and a collector that misbehaves over a real socket."""

from __future__ import annotations

import asyncio
import inspect
import logging
import urllib.error
import urllib.request

import pytest

from trax_otel.testing import (
    Call,
    Delayed,
    FakeClock,
    FaultySink,
    accepts,
    answers,
    collector_that,
    drops,
    failing,
    hangs,
    refuses,
    scripted,
)


def test_outcomes_are_played_in_order_and_the_last_repeats() -> None:
    call = scripted(ConnectionError("refused"), TimeoutError, lambda x: x * 2, "ok")
    with pytest.raises(ConnectionError, match="refused"):
        call(1)
    with pytest.raises(TimeoutError):
        call(2)
    assert [call(3), call(4), call(x=5)] == [6, "ok", "ok"]
    assert call.calls == [Call((1,), {}), Call((2,), {}), Call((3,), {}), Call((4,), {}), Call((), {"x": 5})]


def test_a_script_needs_an_outcome() -> None:
    with pytest.raises(ValueError, match="at least one"):
        scripted()


def test_failing_becomes_the_real_thing() -> None:
    call = failing(2, ConnectionError("down"), then=str.upper)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            call("x")
    assert call("x") == "X"


async def test_coroutine_functions_stay_such() -> None:
    async def real(x: int) -> int:
        return x + 1

    call = failing(1, TimeoutError, then=real)
    assert asyncio.iscoroutinefunction(call) or inspect.iscoroutinefunction(call)
    with pytest.raises(TimeoutError):
        await call(1)
    assert await call(1) == 2
    assert await scripted("value", asynchronous=True)() == "value"


async def test_delays_are_of_the_clock_in_force(trax_clock: FakeClock) -> None:
    assert scripted(Delayed(30.0, "late"))() == "late"
    with pytest.raises(TimeoutError):
        await scripted(Delayed(5.0, TimeoutError), asynchronous=True)()
    assert trax_clock.sleeps == [30.0, 5.0]


def test_a_sink_whose_disk_is_full_for_a_while() -> None:
    sink = FaultySink(fails=1)
    handler = logging.StreamHandler(sink)
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    for message in ("lost", "kept"):
        handler.emit(logging.makeLogRecord({"msg": message}))
    assert sink.lines == ["kept"]
    assert sink.attempts == 2
    with pytest.raises(OSError, match="No space"):
        FaultySink().write("x")


def post(url: str, seconds: float = 5.0) -> int:
    request = urllib.request.Request(f"{url}/v1/traces", b"\x0a\x00", {"content-type": "application/x-protobuf"})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_behaviours_follow_each_other() -> None:
    with collector_that(answers(503, headers={"Retry-After": "1"}, times=2), answers(400, times=1)) as collector:
        assert [post(collector.url) for _ in range(4)] == [503, 503, 400, 200]
        assert [request.status for request in collector.requests] == [503, 503, 400, 200]
        assert collector.wait_for(lambda it: len(it.requests) == 4)
        assert collector.requests[0].message.resource_spans
    with collector_that(accepts(times=1), answers(500)) as collector:
        assert [post(collector.url) for _ in range(3)] == [200, 500, 500]


def test_a_collector_that_hangs_drops_or_refuses() -> None:
    with collector_that(hangs(times=1)) as collector:
        with pytest.raises(TimeoutError):
            post(collector.url, 0.2)
        assert post(collector.url) == 200
    with collector_that(drops(times=1)) as collector:
        with pytest.raises(ConnectionError):
            post(collector.url)
        assert post(collector.url) == 200
    with collector_that(refuses()) as collector, pytest.raises(urllib.error.URLError, match="refused"):
        post(collector.url)


def test_what_an_exporter_delivers_can_be_read() -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    with collector_that() as collector:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
        provider.get_tracer("t").start_span("delivered").end()
        provider.shutdown()
        assert [span.name for span in collector.spans] == ["delivered"]
        assert (collector.logs, collector.metrics) == ([], [])
