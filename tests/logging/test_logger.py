"""The shorter way gives the same record, and what a log call is given never raises."""

from __future__ import annotations

import copy
import logging
import pickle
import queue
from collections.abc import Callable, Iterator
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from trax_otel.errors import create_network_error
from trax_otel.logging import LoggingConfig, get_logger, initialize_logging
from trax_otel.logging.logger import TraxLogger
from trax_otel.logging.otlp import attach_otlp_handler, detach_otlp_handler
from trax_otel.signals import use_providers

Lines = Callable[[], list[dict[str, Any]]]


class Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(copy.copy(record))  # formatters of other handlers write on the original


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[logging.Logger, logging.Logger, list[logging.LogRecord]]]:
    """Our logger, a plain one, and what a foreign handler gets of both."""
    initialize_logging(LoggingConfig(log_dir=str(tmp_path), log_to_console=False, level="DEBUG"))
    ours, plain = get_logger("trax.tests.same"), logging.Logger("trax.tests.same", logging.DEBUG)
    assert type(ours) is TraxLogger
    keeper = Keeper()
    ours.addHandler(keeper)
    plain.addHandler(keeper)
    yield ours, plain, keeper.records
    ours.removeHandler(keeper)
    ours.filters.clear()


def both(
    kept: tuple[logging.Logger, logging.Logger, list[logging.LogRecord]], call: Callable[[logging.Logger], object]
) -> tuple[dict[str, Any], dict[str, Any]]:
    ours, plain, records = kept
    for logger in (plain, ours):
        call(logger)
    expected, got = (dict(record.__dict__) for record in records)
    for clocked in ("created", "msecs", "relativeCreated"):
        assert type(expected[clocked]) is type(got[clocked])
        assert abs(expected.pop(clocked) - got.pop(clocked)) < 1000
    for stamped in ("correlation_id", "trace_id", "span_id"):
        expected.pop(stamped, None)
        got.pop(stamped)
    return expected, got


def helper(logger: logging.Logger) -> None:
    logger.warning("from a helper", stacklevel=2)


ERROR = ValueError("x")
CALLS: list[Callable[[logging.Logger], object]] = [
    lambda logger: logger.info("plain"),
    lambda logger: logger.warning("%s and %d", "a", 2, extra={"k": 1}),
    lambda logger: logger.info("%(a)s", {"a": 1}),
    lambda logger: logger.log(35, "custom level"),
    lambda logger: logger.error("with an exception", exc_info=ERROR),
    lambda logger: logger.exception("no exception here"),
    lambda logger: helper(logger),
    lambda logger: logging.LoggerAdapter(logger, {"adapted": True}).info("adapted"),
    lambda logger: logger.critical({"not": "a text"}),
]


@pytest.mark.parametrize("call", CALLS)
def test_the_record_is_the_standard_librarys(kept: Any, call: Callable[[logging.Logger], object]) -> None:
    expected, got = both(kept, call)
    assert got == expected
    assert list(got)[:19] == list(expected)[:19]


def test_a_stack_is_the_callers(kept: Any) -> None:
    _, got = both(kept, lambda logger: logger.info("x", stack_info=True))
    assert got["stack_info"].startswith("Stack (most recent call last):\n")
    assert "test_a_stack_is_the_callers" in got["stack_info"]
    assert "trax_otel" not in got["stack_info"].splitlines()[-2]


def test_records_travel_through_queues_and_pickles(kept: Any) -> None:
    ours, _, records = kept
    out: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = QueueHandler(out)
    ours.addHandler(handler)
    ours.info("to %s", "the queue", extra={"k": [1]})
    ours.removeHandler(handler)
    assert out.get().getMessage() == "to the queue"
    again = pickle.loads(pickle.dumps(copy.copy(records[0])))
    assert again.__dict__ == records[0].__dict__


def test_filters_may_refuse_and_change(kept: Any) -> None:
    ours, _, records = kept

    def refuse(record: logging.LogRecord) -> bool:
        record.seen = True
        return "secret" not in record.getMessage()

    ours.addFilter(refuse)
    ours.info("a secret")
    ours.info("harmless")
    assert [(record.msg, record.seen) for record in records] == [("harmless", True)]


def test_a_record_factory_of_the_applications_is_used(kept: Any) -> None:
    ours, _, records = kept
    before = logging.getLogRecordFactory()

    def factory(*arguments: Any, **keywords: Any) -> logging.LogRecord:
        record = before(*arguments, **keywords)
        record.made_by = "factory"
        return record

    logging.setLogRecordFactory(factory)
    try:
        ours.info("x %s", 1, extra={"k": 2})
    finally:
        logging.setLogRecordFactory(before)
    assert (records[0].made_by, records[0].k, records[0].funcName) == (
        "factory",
        2,
        "test_a_record_factory_of_the_applications_is_used",
    )  # type: ignore[attr-defined]


def test_an_application_with_its_own_logger_class_keeps_it(kept: Any) -> None:
    class Own(logging.Logger):
        pass

    logging.setLoggerClass(Own)
    try:
        assert type(get_logger("trax.tests.own_class")) is Own
    finally:
        logging.setLoggerClass(logging.Logger)


class RaisingStr:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "arguments", "extra"),
    [
        ("x %d", ("y",), None),
        ("x %s %s", (1,), None),
        ("x", (1, 2), None),
        ("%(missing)s", ({"a": 1},), None),
        (RaisingStr(), (), None),
        ("x %s", (RaisingStr(),), None),
        ("x", (), {"name": "clash", "message": "clash", "args": 3, "asctime": 4}),
        ("x", (), {1: 2}),
        ("x", (), ["not a mapping"]),
        ("x", (), {"k": RaisingStr()}),
        ("x \ud800 \n\x1b[0m", (), {"\ud800": "\udfff"}),
    ],
)
def test_no_call_raises_and_each_leaves_one_line(json_lines: Lines, message: Any, arguments: Any, extra: Any) -> None:
    get_logger("trax.tests.odd").warning(message, *arguments, extra=extra)
    assert len(json_lines()) == 1


def test_foreign_handlers_can_format_what_did_not_fit(kept: Any) -> None:
    ours, _, records = kept
    ours.info("x %d", "y")
    assert records[0].getMessage().startswith("x %d [arguments ('y',) do not fit")


def test_extras_named_as_a_records_own_attributes_are_kept(json_lines: Lines) -> None:
    get_logger("trax.tests.odd").info("x", extra={"name": "n", "module": "m", "args": [1]})
    (line,) = json_lines()
    assert (line["name_"], line["module_"], line["args_"]) == ("n", "m", [1])
    assert line["logger"] == "trax.tests.odd"


def test_a_disabled_logger_is_silent(kept: Any) -> None:
    ours, _, records = kept
    ours.disabled = True
    ours.error("x")
    ours.disabled = False
    assert records == []


def test_another_librarys_wrapper_round_call_handlers_sees_every_record(kept: Any) -> None:
    """As error trackers do it: they wrap the method after us, and call what they found."""
    ours, _, records = kept
    seen: list[str] = []
    inner = logging.Logger.callHandlers

    def wrapper(self: logging.Logger, record: logging.LogRecord) -> None:
        seen.append(record.getMessage())
        inner(self, record)

    logging.Logger.callHandlers = wrapper  # type: ignore[method-assign]
    try:
        ours.info("x")
    finally:
        logging.Logger.callHandlers = inner  # type: ignore[method-assign]
    assert seen == ["x"]
    assert len(records) == 1
    assert records[0].trace_id is None  # type: ignore[attr-defined]


def test_keywords_are_fields(json_lines: Lines) -> None:
    logger = get_logger("trax.tests.fields")
    logger.info("charged", amount=3, extra={"currency": "EUR"})  # type: ignore[call-arg]
    logger.warning("odd", extra=[1], order=7)  # type: ignore[call-arg,arg-type]
    first, second = json_lines()
    assert (first["amount"], first["currency"], first["message"]) == (3, "EUR", "charged")
    assert (second["order"], second["extra"]) == (7, [1])


def test_an_extra_never_takes_the_place_of_ours(json_lines: Lines, trax_telemetry: Any) -> None:
    error = create_network_error("down")
    with trax_telemetry.tracer().start_as_current_span("work") as span:
        get_logger("trax.tests.ids").error(
            "x",
            exc_info=error,
            extra={"trace_id": "mine", "span_id": 7, "error_code": "ACME-1", "correlation_id": "c1"},
        )
    (line,) = json_lines()
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert (line["trace_id_"], line["span_id_"], line["correlation_id"]) == ("mine", 7, "c1")
    assert (line["error_code"], line["error_code_"]) == ("TRAX-001", "ACME-1")
    (log,) = trax_telemetry.logs
    assert (log.attributes["trace_id_"], log.attributes["span_id_"]) == ("mine", 7)
    assert (log.attributes["trax.error.code"], log.attributes["error_code_"]) == ("TRAX-001", "ACME-1")


def test_without_lines_of_ours_the_ids_of_a_caller_leave_too(trax_telemetry: Any) -> None:
    logging.getLogger("trax.tests.ids").warning("x", extra={"trace_id": "mine", "error_code": "ACME-1"})
    (log,) = trax_telemetry.logs
    assert (log.attributes["trace_id_"], log.attributes["trax.error.code"]) == ("mine", "ACME-1")


def test_the_ids_of_a_record_that_was_pickled_stay(json_lines: Lines, trax_telemetry: Any) -> None:
    records: list[logging.LogRecord] = []
    keeper = logging.Handler()
    keeper.emit = records.append  # type: ignore[method-assign]
    logger = get_logger("trax.tests.queue")
    logger.addHandler(keeper)
    with trax_telemetry.tracer().start_as_current_span("work") as span:
        logger.warning("x")
    logger.removeHandler(keeper)
    logger.handle(pickle.loads(pickle.dumps(records[0])))
    first, second = json_lines()
    assert first["trace_id"] == second["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert "trace_id_" not in second


def test_a_record_class_of_the_applications_says_its_own_message(json_lines: Lines, trax_telemetry: Any) -> None:
    class Brace(logging.LogRecord):
        def getMessage(self) -> str:
            return str(self.msg).format(*self.args)  # type: ignore[arg-type]

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Brace)
    try:
        get_logger("trax.tests.brace").warning("{} of {}", 1, 2)
        get_logger("trax.tests.brace").warning("{} of {}", 1)
    finally:
        logging.setLogRecordFactory(before)
    assert json_lines()[0]["message"] == "1 of 2"
    assert "do not fit" in json_lines()[1]["message"]
    assert trax_telemetry.logs[0].body == "1 of 2"


@pytest.mark.filterwarnings("ignore")
def test_where_the_provider_has_a_limit_the_callers_fields_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "4")
    provider = LoggerProvider(shutdown_on_exit=False)
    kept = InMemoryLogRecordExporter()
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    restore = use_providers(logger_provider=provider)
    attach_otlp_handler("test")
    try:
        logging.getLogger("trax.tests.limit").warning("x", extra={f"f{number}": number for number in range(4)})
    finally:
        detach_otlp_handler("test")
        restore()
        provider.shutdown()
    (log,) = kept.get_finished_logs()
    assert dict(log.log_record.attributes or {}) == {f"f{number}": number for number in range(4)}
