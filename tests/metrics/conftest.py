"""Captured telemetry as the SDK has it, and one driver for both worlds."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from trax_otel import signals
from trax_otel.metrics import (
    Timer,
    async_timing_context,
    async_timing_decorator,
    timing_context,
    timing_decorator,
)
from trax_otel.signals import aggregate
from trax_otel.testing import FakeClock, fake_clock


@pytest.fixture
def still() -> Iterator[FakeClock]:
    """A clock that stands still until told."""
    with fake_clock() as clock:
        yield clock


class Captured:
    """What reached an SDK."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self.tracer = self.tracer_provider.get_tracer("tests")

    @property
    def spans(self) -> list[ReadableSpan]:
        """Ended spans in the order of their end."""
        return list(self._spans.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The only one."""
        (span,) = self.spans
        return span

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """The attributes of the log records that are events of this name."""
        records = [entry.log_record for entry in self._logs.get_finished_logs()]
        return [dict(record.attributes or {}) for record in records if record.event_name == name]

    def points(self, name: str) -> dict[frozenset[tuple[str, Any]], Any]:
        """A metric's data points by their attributes."""
        data = self._reader.get_metrics_data()
        return {
            frozenset((point.attributes or {}).items()): point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    def point(self, name: str, *values: Any) -> Any:
        """The one data point whose attributes have these values, whatever their keys."""
        found = [point for key, point in self.points(name).items() if set(values) <= {value for _, value in key}]
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
def captured() -> Iterator[Captured]:
    telemetry = Captured()
    restore = signals.use_providers(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        logger_provider=telemetry.logger_provider,
    )
    yield telemetry
    restore()
    telemetry.tracer_provider.shutdown()
    telemetry.meter_provider.shutdown()
    telemetry.logger_provider.shutdown()


def forked(work: Callable[[], object]) -> str:
    """What `work` returns in a forked child, as text."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test runner has threads
        child = os.fork()
    if child == 0:
        try:
            os.write(write, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as answer:
        return answer.read().decode()


@pytest.fixture(name="forked")
def forked_fixture() -> Callable[[Callable[[], object]], str]:
    return forked


@pytest.fixture(autouse=True)
def from_zero() -> None:
    """No figure of another test."""
    aggregate.reset()


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never really waits, in the present context."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


@pytest.fixture(name="finish")
def finish_fixture() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    return finish


class Driver:
    """Does the same in the sync and in the async world."""

    def __init__(self, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    def block(self, name: str, body: Callable[[Timer], Any], **options: Any) -> Any:
        """Run `body(timer)` inside a timing context."""
        if not self.asynchronous:
            with timing_context(name, **options) as timer:
                return body(timer)

        async def run() -> Any:
            async with async_timing_context(name, **options) as timer:
                return body(timer)

        return finish(run())

    def function(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """`body` as a function of this world."""
        if not self.asynchronous:
            return body

        async def run(*args: Any, **kwargs: Any) -> Any:
            return body(*args, **kwargs)

        return functools.update_wrapper(run, body)

    def decorate(self, *args: Any, **options: Any) -> Any:
        """This world's decorator, given these arguments."""
        return (async_timing_decorator if self.asynchronous else timing_decorator)(*args, **options)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return finish(result) if self.asynchronous else result


@pytest.fixture(params=["sync", "async"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(request.param == "async")
