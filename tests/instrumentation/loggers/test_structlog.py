"""structlog's events leave once each, with their fields; what it prints stays as it is."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from structlog._base import BoundLoggerBase

from trax_otel import semconv
from trax_otel.instrumentation.loggers.structlog import hook
from trax_otel.logging import correlation_context
from trax_otel.testing import CapturedTelemetry, capture

FILE = __file__


@pytest.fixture(autouse=True)
def hooked() -> Iterator[None]:
    hook()
    kind = logging.getLoggerClass()
    yield
    logging.setLoggerClass(kind)  # structlog's factory for `logging` sets its own
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    unhook()


def unhook() -> None:
    with suppress(AttributeError):
        del BoundLoggerBase._processors


@pytest.fixture
def telemetry() -> Iterator[CapturedTelemetry]:
    with capture() as captured:
        yield captured


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def printing(out: Any, *processors: Any, **options: Any) -> Any:
    """A logger of structlog that prints JSON to `out`."""
    structlog.configure(
        processors=processors or [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level,
                                  structlog.processors.TimeStamper(), structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out), **options,
    )  # fmt: skip
    return structlog.get_logger()


def test_an_event_is_one_record_with_its_fields(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(request="r-1")
    log = printing(out).bind(user="ada", name="n")
    log.warning("paid %d", 7, module="m", amount=12.5, nested={"a": 1})
    (record,) = telemetry.logs
    assert (record.body, record.severity) == ("paid 7", "WARN")
    attributes = dict(record.attributes)
    assert attributes.pop(semconv.CODE_FILE_PATH) == FILE
    assert attributes.pop(semconv.CODE_FUNCTION_NAME) == "test_an_event_is_one_record_with_its_fields"
    assert attributes.pop(semconv.CODE_LINE_NUMBER) > 0
    assert attributes == {
        "request": "r-1", "user": "ada", "name": "n", "module": "m", "amount": 12.5, "nested": '{"a":1}',
    }  # fmt: skip
    assert record.logger == __name__
    assert json.loads(out.getvalue())["event"] == "paid 7"


def test_what_is_printed_is_letter_for_letter_the_same(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    processors = [
        structlog.processors.CallsiteParameterAdder([structlog.processors.CallsiteParameter.MODULE]),
        structlog.processors.StackInfoRenderer(), structlog.dev.set_exc_info, structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(sort_keys=True),
    ]  # fmt: skip

    def lines() -> str:
        before = out.tell()
        log = printing(out, *processors)
        try:
            raise ValueError("boom")
        except ValueError:
            log.exception("failed", stack_info=True)
        return out.getvalue()[before:]

    printed = []
    for prepare in (hook, unhook):
        prepare()
        printed.append(lines())
    heard, unheard = printed
    assert heard == unheard
    assert "trax_otel" not in heard
    (record,) = telemetry.logs
    assert record.attributes[semconv.EXCEPTION_TYPE] == "ValueError"
    assert "boom" in record.attributes[semconv.EXCEPTION_STACKTRACE]


def test_only_what_the_application_lets_pass(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    def drop(_: Any, __: str, event: Any) -> Any:
        if event["event"] == "drop":
            raise structlog.DropEvent
        event["password"] = "***"
        return event

    log = printing(
        out, drop, structlog.processors.JSONRenderer(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )  # fmt: skip
    log.debug("below")
    log.info("drop")
    log.info("kept", password="hunter2")
    (record,) = telemetry.logs
    assert (record.body, record.attributes["password"]) == ("kept", "***")


@pytest.mark.parametrize("factory", [structlog.WriteLoggerFactory, structlog.BytesLoggerFactory])
def test_every_printer_of_its_own_is_heard(telemetry: CapturedTelemetry, factory: Any) -> None:
    out: Any = io.BytesIO() if factory is structlog.BytesLoggerFactory else io.StringIO()
    last: list[Any] = [structlog.processors.JSONRenderer()]
    if factory is structlog.BytesLoggerFactory:
        last.append(lambda _, __, text: text.encode())
    structlog.configure(processors=last, logger_factory=factory(out))
    structlog.get_logger().error("printed", key=1)
    (record,) = telemetry.logs
    assert (record.body, record.attributes["key"], record.severity) == ("printed", 1, "ERROR")
    assert out.getvalue()


def test_a_logger_bound_before_the_hook_is_heard(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    unhook()
    log = printing(out).bind(early=True)
    hook()
    log.info("later")
    (record,) = telemetry.logs
    assert record.attributes["early"] is True
    assert log.bind(more=1)._processors is log._processors
    assert "_HeardProcessors" not in repr(log)


def test_an_awaited_event_has_the_place_of_its_task(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    log = printing(out)

    async def main() -> None:
        with correlation_context("job-7"):
            await log.ainfo("awaited")

    asyncio.run(main())
    (record,) = telemetry.logs
    assert record.attributes[semconv.CODE_FUNCTION_NAME] == "main"
    assert record.attributes[semconv.CORRELATION_ID] == "job-7"


def test_inside_a_span_it_is_an_event_of_it_too(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    log = printing(out)
    with telemetry.tracer().start_as_current_span("work"):
        log.info("inside", user="ada")
    span = telemetry.span("work")
    (event,) = span.events
    assert (event.name, event.attributes[semconv.LOG_MESSAGE], event.attributes["user"]) == (
        semconv.LOG_EVENT, "inside", "ada",
    )  # fmt: skip
    assert telemetry.logs[0].span_id == span.span_id


def test_fields_that_have_a_place_are_there_and_ids_keep_their_names(
    telemetry: CapturedTelemetry, out: io.StringIO
) -> None:
    log = printing(out)
    log.info("x", correlation_id="order-7", error_code="ACME-1", trace_id="mine")
    attributes = telemetry.logs[0].attributes
    assert (attributes[semconv.CORRELATION_ID], attributes[semconv.ERROR_CODE]) == ("order-7", "ACME-1")
    assert attributes["trace_id"] == "mine"
    assert not {"correlation_id", "error_code"} & set(attributes)


def test_what_raises_as_text_does_not_raise_here(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    log = printing(out, lambda _, __, event: event["event"])
    cycle: list[Any] = []
    cycle.append(cycle)
    log.info("kept", bad=Unprintable(), cycle=cycle)
    assert telemetry.logs[0].body == "kept"
    assert out.getvalue() == "kept\n"


def test_a_processor_that_raises_does_so_without_a_frame_of_ours(
    telemetry: CapturedTelemetry, out: io.StringIO
) -> None:
    def fail(_: Any, __: str, event: Any) -> Any:
        raise LookupError("mine")

    log = printing(out, fail, structlog.processors.JSONRenderer())
    with pytest.raises(LookupError) as caught:
        log.info("x")
    names = [str(entry.path) for entry in caught.traceback]
    assert not any("trax_otel" in name for name in names)
    assert telemetry.logs == []


# --- Through `logging` ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renderer", ["json", "formatter", "kwargs"])
def test_through_logging_it_is_one_record_with_event_and_fields(
    telemetry: CapturedTelemetry, renderer: str, out: io.StringIO
) -> None:
    last = {
        "json": structlog.processors.JSONRenderer(),
        "formatter": structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        "kwargs": structlog.stdlib.render_to_log_kwargs,
    }[renderer]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.add_logger_name,
                    structlog.stdlib.add_log_level, structlog.stdlib.PositionalArgumentsFormatter(), last],
        logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger,
    )  # fmt: skip
    log = structlog.get_logger("shop.payments").bind(user="ada")
    log.debug("below the level")
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("paid %s", "twice", amount=3)
    log.warning("second", amount=4)
    first, second = telemetry.logs
    assert (first.body, first.logger, first.severity) == ("paid twice", "shop.payments", "ERROR")
    assert (first.attributes["user"], first.attributes["amount"]) == ("ada", 3)
    assert first.attributes[semconv.EXCEPTION_TYPE] == "ValueError"
    assert (second.body, second.attributes["amount"]) == ("second", 4)
    assert semconv.EXCEPTION_TYPE not in second.attributes


def test_a_printer_of_the_applications_that_logs_is_told_once(telemetry: CapturedTelemetry) -> None:
    class Printer:
        def info(self, text: str) -> None:
            logging.getLogger("printer").info(text)

    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=lambda *_: Printer())
    structlog.get_logger().info("once", a=1)
    logging.getLogger("other").info("plain")
    assert [record.body for record in telemetry.logs] == ["once", "plain"]


def test_opentelemetrys_own_processor_rests(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    class Processor:
        _logger_provider = telemetry.logger_provider

        def __call__(self, _: Any, __: str, event: Any) -> Any:
            telemetry.logger_provider.get_logger("second").emit(body=event["event"])
            return event

    Processor.__module__ = "opentelemetry.instrumentation.structlog"
    printing(out, Processor(), structlog.processors.JSONRenderer()).info("once")
    assert [record.body for record in telemetry.logs] == ["once"]
    assert json.loads(out.getvalue()) == {"event": "once"}


def test_captured_for_tests_it_does_not_leave(telemetry: CapturedTelemetry, out: io.StringIO) -> None:
    log = printing(out)
    with structlog.testing.capture_logs() as entries:
        log.info("captured")
    assert entries
    assert telemetry.logs == []
