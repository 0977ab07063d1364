"""Whatever is handed to spans, instruments and loggers of OpenTelemetry: nothing raises, and what can be sent arrives."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk.trace import Span as SdkSpan

import trax_otel
from support.otlp_endpoint import OtlpEndpoint
from trax_otel import sdk
from trax_otel.metrics import timing_context
from trax_otel.sdk import contained
from trax_otel.sdk.private import cleaners

pytestmark = pytest.mark.filterwarnings("ignore::opentelemetry.sdk._logs.LogRecordDroppedAttributesWarning")


class Refusing:
    """Raises whenever it is looked at."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class RefusingError(Exception):
    """An exception whose text raises, as one with a lazy message does."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class RefusingMapping(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


class OddInt(int):
    def __lt__(self, other: object) -> bool:
        raise RuntimeError("not compared")


class Colour(str, enum.Enum):
    RED = "red"


def cycle() -> list[Any]:
    found: list[Any] = []
    found += [found, found]
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(5_000):
        found = [found]
    return found


def many() -> Any:
    """A list of 2^64 leaves in 64 lists."""
    found: list[Any] = ["leaf"]
    for _ in range(64):
        found = [found, found]
    return found


VALUES: dict[str, Callable[[], Any]] = {
    "cycle": cycle,
    "cycle of mappings": lambda: (lambda found: found.setdefault("self", found))({}),
    "deep": deep,
    "many": many,
    "refusing": Refusing,
    "list of refusing": lambda: [Refusing()],
    "mapping with refusing": lambda: {"k": Refusing(), Refusing(): 1, None: 2, 3: 4},
    "refusing mapping": lambda: RefusingMapping(a=1),
    "refusing error": RefusingError,
    "odd int": lambda: OddInt(5),
    "enum": lambda: Colour.RED,
    "huge int": lambda: 10**400,
    "long text": lambda: "x" * 100_000,
    "lone surrogate": lambda: "\ud800",
    "bytes": lambda: b"\xff",
    "None": lambda: None,
    "generator": lambda: (number for number in range(3)),
    "nan": lambda: float("nan"),
    "mixed list": lambda: [1, "a", None],
    "set": lambda: {1, 2},
    "type": lambda: int,
}


@pytest.fixture
def otel(endpoint: OtlpEndpoint, globals_of_otel: None) -> Iterator[OtlpEndpoint]:
    telemetry = trax_otel.configure(endpoint=endpoint.url, service_name="contained")
    yield endpoint
    telemetry.shutdown(5)


def flush() -> None:
    current = sdk.current()
    assert current is not None
    current.flush(10)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_span_takes_whatever_it_is_given(value: Callable[[], Any], otel: OtlpEndpoint) -> None:
    tracer = trace.get_tracer("app")
    one: Any = value()
    with tracer.start_as_current_span("kept", attributes={"k": one, "good": 1}) as span:
        span.set_attribute("second", one)
        span.set_attributes({"third": one, "good too": 2})
        span.set_attributes(one)
        span.add_event("event", {"k": one})
        span.add_event(one)
        span.add_event("event", one)
        span.add_event("event", None, one)
        span.add_link(span.get_span_context(), {"k": one})
        span.add_link(one)
        span.set_status(one)
        span.set_status(trace.StatusCode.ERROR, one)
        span.record_exception(one)
        span.record_exception(ValueError("x"), {"k": one})
        span.record_exception(ValueError("x"), one, one)
    tracer.start_span(one).end()
    for argument in ("attributes", "links", "kind", "context", "start_time"):
        tracer.start_span(f"by {argument}", **{argument: one}).end()
    tracer.start_span("linked", links=[one]).end()
    tracer.start_span("ended").end(one)
    trace.get_tracer(one).start_span("of another").end()
    flush()
    [kept] = [sent for sent in otel.spans() if sent.name == "kept"]
    keys = {pair.key for pair in kept.attributes}
    assert {"good", "good too"} <= keys
    if cleaners():  # an older SDK leaves out what is no scalar
        assert {"k", "second", "third"} <= keys
    assert {sent.name for sent in otel.spans()} >= {
        "by attributes",
        "by links",
        "by kind",
        "by context",
        "linked",
        "of another",
    }


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_instruments_and_records_take_whatever_they_are_given(value: Callable[[], Any], otel: OtlpEndpoint) -> None:
    one: Any = value()
    meter = metrics.get_meter("app")
    acts = [meter.create_counter("c").add, meter.create_up_down_counter("u").add, meter.create_histogram("h").record]
    for act in [*acts, meter.create_gauge("g").set]:
        act(one)
        act(1, {"k": one})
        act(1, one)
    metrics.get_meter(one).create_counter("other").add(1)
    meter.create_counter(one).add(1)
    logger = _logs.get_logger("app")
    logger.emit(body=one, attributes={"k": one})
    logger.emit(body="kept", attributes=one)
    logger.emit(body="kept", timestamp=one, severity_number=one)
    logging.getLogger("app").error("kept %s", "x", extra={"a": one})
    with timing_context("operation"):
        pass


@pytest.mark.parametrize("amount", ["3", None, [], 1j, Refusing()], ids=lambda value: type(value).__name__)
def test_an_amount_that_is_no_number_counts_nothing(amount: Any, otel: OtlpEndpoint) -> None:
    made = metrics.get_meter("app").create_counter("amounts")
    made.add(2)
    made.add(amount)
    flush()
    found = [metric for _, metric in otel.metrics() if metric.name == "amounts"]
    assert [point.as_int for metric in found for point in metric.sum.data_points][-1] == 2


def test_an_instrument_whose_name_is_not_allowed_does_nothing_as_without_an_sdk(otel: OtlpEndpoint) -> None:
    meter = metrics.get_meter("app")
    meter.create_counter("1 is no letter").add(1)
    meter.create_histogram("é").record(1)
    meter.create_observable_gauge("", [lambda _: []])


@pytest.mark.parametrize("way", ["start_as_current_span", "use_span", "with span", "timing_context"])
def test_an_exception_whose_text_raises_leaves_as_itself(way: str, otel: OtlpEndpoint) -> None:
    tracer = trace.get_tracer("app")
    blocks: dict[str, Callable[[], Any]] = {
        "start_as_current_span": lambda: tracer.start_as_current_span("work"),
        "use_span": lambda: trace.use_span(tracer.start_span("work"), end_on_exit=True),
        "with span": lambda: tracer.start_span("work"),
        "timing_context": lambda: timing_context("work"),
    }
    with pytest.raises(RefusingError) as caught, blocks[way]():
        raise RefusingError
    assert caught.value.__context__ is None
    flush()
    [sent] = [sent for sent in otel.spans() if sent.name == "work"]
    assert sent.status.code == 2
    assert "RefusingError" in sent.status.message


def test_use_span_still_decorates_functions_of_both_kinds(otel: OtlpEndpoint) -> None:
    tracer = trace.get_tracer("app")

    @tracer.start_as_current_span("sync")
    def sync() -> int:
        return trace.get_current_span().get_span_context().span_id

    @tracer.start_as_current_span("async")
    async def asynchronous() -> int:
        await asyncio.sleep(0.05)
        return trace.get_current_span().get_span_context().span_id

    assert sync() != sync() != 0
    assert asyncio.run(asynchronous()) != 0
    flush()
    [sent] = [sent for sent in otel.spans() if sent.name == "async"]
    assert sent.end_time_unix_nano - sent.start_time_unix_nano > 40_000_000


def test_a_limit_on_lengths_cuts_without_a_word(
    endpoint: OtlpEndpoint, globals_of_otel: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
    telemetry = trax_otel.configure(endpoint=endpoint.url, service_name="limited", log_level="INFO")
    with trace.get_tracer("app").start_as_current_span("cut") as span:
        for number in range(5):
            span.set_attribute(f"k{number}", "longer than four")
            logging.getLogger("app").info("longer than four", extra={"a": "longer than four"})
    telemetry.flush(10)
    [sent] = [sent for sent in endpoint.spans() if sent.name == "cut"]
    assert {pair.value.string_value for pair in sent.attributes if pair.key.startswith("k")} == {"long"}
    assert {record.body.string_value for record in endpoint.log_records()} == {"longer than four"}
    assert {record.name for record in caplog.records} == {"app"}


def test_it_can_be_taken_off_again() -> None:
    present = SdkSpan.set_attributes
    contained.release()
    plain = SdkSpan.set_attributes
    contained.contain()
    contained.contain()
    assert SdkSpan.set_attributes is not plain
    contained.release()
    assert SdkSpan.set_attributes is plain
    if present is not plain:
        contained.contain()
