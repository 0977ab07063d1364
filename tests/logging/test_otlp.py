"""Each record leaves as exactly one OTLP record and, inside a recording span, as an event; nothing else changes."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry._logs import SeverityNumber

from trax_otel import semconv
from trax_otel.errors import create_network_error
from trax_otel.logging import (
    LoggingConfig,
    attach_otlp_handler,
    bind,
    correlation_context,
    detach_otlp_handler,
    get_logger,
    initialize_logging,
    otlp_handler_attached,
)
from trax_otel.logging.otlp import severity_number
from trax_otel.signals.exporting import while_exporting

LOGGER = logging.getLogger("trax.tests.otlp")


@pytest.fixture(autouse=True)
def attached() -> None:
    attach_otlp_handler()
    LOGGER.setLevel(logging.DEBUG)


def test_a_record_has_body_severity_place_and_scope(captured: Any) -> None:
    LOGGER.warning(
        "hello %s", "you", extra={"operation": "x", "size": 3, "ok": True, "tags": ["a", "b"], "deep": {"a": 1}}
    )
    (log,) = captured.logs
    record = log.log_record
    assert log.instrumentation_scope.name == "trax.tests.otlp"
    assert (record.body, record.severity_text, record.severity_number) == ("hello you", "WARN", SeverityNumber.WARN)
    attributes = dict(record.attributes)
    assert attributes.pop(semconv.CODE_FILE_PATH) == __file__
    assert attributes.pop(semconv.CODE_FUNCTION_NAME) == "test_a_record_has_body_severity_place_and_scope"
    assert attributes.pop(semconv.CODE_LINE_NUMBER) > 0
    assert attributes == {"operation": "x", "size": 3, "ok": True, "tags": ("a", "b"), "deep": '{"a":1}'}
    assert record.observed_timestamp >= record.timestamp


def test_context_correlation_and_fields_are_on_it(captured: Any) -> None:
    tracer = captured.tracer_provider.get_tracer("t")
    with tracer.start_as_current_span("s") as span, correlation_context("req-1"), bind(user="ada"):
        LOGGER.info("in")
        LOGGER.info("by argument", extra={"correlation_id": "req-2", "error_code": "ACME-1"})
    first, second = captured.records
    assert (first.trace_id, first.span_id) == (span.get_span_context().trace_id, span.get_span_context().span_id)
    assert (first.attributes[semconv.CORRELATION_ID], first.attributes["user"]) == ("req-1", "ada")
    assert second.attributes[semconv.CORRELATION_ID] == "req-2"
    assert second.attributes[semconv.ERROR_CODE] == "ACME-1"


def test_an_exception_brings_its_facts(captured: Any) -> None:
    try:
        raise create_network_error("down")
    except Exception:
        LOGGER.exception("failed")
    attributes = captured.records[0].attributes
    assert attributes[semconv.ERROR_CODE] == "TRAX-001"
    assert attributes[semconv.ERROR_CATEGORY] == "network"
    assert attributes[semconv.ERROR_FINGERPRINT]
    assert attributes[semconv.EXCEPTION_TYPE].endswith("NetworkError")
    assert "test_an_exception_brings_its_facts" in attributes[semconv.EXCEPTION_STACKTRACE]


def test_stamped_attributes_are_not_sent_twice(captured: Any, tmp_path: Any) -> None:
    initialize_logging(LoggingConfig(log_dir=str(tmp_path), log_to_console=False))
    with correlation_context("req-1"), bind(user="ada"):
        get_logger("trax.tests.ours").info("x")
    (record,) = captured.records
    assert {"trace_id", "span_id", "correlation_id"}.isdisjoint(record.attributes)
    assert record.attributes["user"] == "ada"


@pytest.mark.parametrize(
    ("level", "number"), [(5, 1), (10, 5), (12, 7), (19, 8), (20, 9), (30, 13), (40, 17), (50, 21), (53, 24), (99, 24)]
)
def test_levels_become_severities(level: int, number: int) -> None:
    assert severity_number(level).value == number


def test_info_and_above_become_events_of_the_span_at_most_32(captured: Any) -> None:
    with captured.tracer_provider.get_tracer("t").start_as_current_span("s"):
        LOGGER.debug("too low")
        for number in range(40):
            LOGGER.info("line %d", number)
    (span,) = captured.spans
    assert len(span.events) == 32
    assert span.events[0].attributes[semconv.LOG_MESSAGE] == "line 0"
    assert span.events[0].attributes[semconv.LOGGER_NAME] == "trax.tests.otlp"
    assert span.attributes[semconv.LOG_EVENTS_DROPPED] == 8
    assert len(captured.records) == 41


def test_a_record_inside_the_spans_lock_does_not_hang(captured: Any) -> None:
    """A `__del__` that logs while the span is written: the span's own lock is held by this very thread."""
    done = threading.Event()

    def work() -> None:
        with captured.tracer_provider.get_tracer("t").start_as_current_span("s") as span, span._lock:
            LOGGER.info("inside")
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(5)
    assert len(captured.records) == 1


def test_exporters_and_our_own_sdk_are_not_sent_but_an_applications_urllib3_is(captured: Any) -> None:
    for name in (
        "opentelemetry.sdk.trace",
        "opentelemetry.exporter.otlp",
        "opentelemetry.attributes",
        "opentelemetry.instrumentation.flask",
        "trax_otel.sdk",
        "trax_otel.sdk.batch",
    ):
        logging.getLogger(name).warning("feedback")
    with while_exporting():
        logging.getLogger("urllib3.connectionpool").warning("the exporter's own retry")
    assert captured.records == []
    for name in (
        "urllib3.connectionpool",
        "opentelemetryish",
        "trax_otel.sdkish",
        "trax_otel.logging",
    ):
        logging.getLogger(name).warning("kept")
    assert len(captured.records) == 4


def test_a_foreign_exporters_thread_is_not_sent(captured: Any) -> None:
    def export() -> None:
        otel_context.attach(otel_context.set_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY, True))
        logging.getLogger("urllib3.connectionpool").warning("retry")

    for name in ("OtelBatchSpanRecordProcessor", "application"):
        thread = threading.Thread(target=export, name=name)
        thread.start()
        thread.join()
    assert len(captured.records) == 1


def test_what_the_sdk_logs_about_a_record_is_not_sent_in_circles(captured: Any) -> None:
    class Noisy:
        def __str__(self) -> str:
            LOGGER.warning("nested")
            return "noisy"

    LOGGER.info("x", extra={"noisy": Noisy()})
    assert [record.body for record in captured.records] == ["x"]


class RaisingStr:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "arguments", "extra"),
    [
        ("x \ud800", (), {"k\udfff": "\ud800"}),
        (RaisingStr(), (), {"k": RaisingStr()}),
        ("x", (), {"n": float("nan"), "i": 2**70, "none": None, "mixed": [1, "a"], "b": b"\xff"}),
        ("x" * 100_000, (), {f"k{n}": n for n in range(500)}),
    ],
)
def test_hostile_records_are_sent_sanitised_and_bounded(
    captured: Any, message: Any, arguments: Any, extra: Any
) -> None:
    LOGGER.propagate = False  # pytest's own handler refuses such messages
    LOGGER.addHandler(logging.NullHandler())
    try:
        LOGGER.warning(message, *arguments, extra=extra)
    finally:
        LOGGER.propagate = True
        LOGGER.handlers.clear()
    (record,) = captured.records
    record.body.encode()
    assert len(record.body) <= 32_768
    assert len(record.attributes) <= 80
    for key, value in record.attributes.items():
        key.encode()
        str(value).encode()


@pytest.mark.parametrize("created", [float("nan"), -5.0, 1e300])
def test_a_record_whose_own_attributes_are_poisoned_is_sent_too(captured: Any, created: float) -> None:
    logger = logging.Logger("poison\ud800")
    record = logger.makeRecord("poison\ud800", 30, "\udfff.py", 1, "x", (), None, "f\ud800", {"": 1})
    record.created = created
    record.levelname = "\ud800"
    logger.addHandler(logging.NullHandler())
    logger.handle(record)
    (log,) = captured.logs
    assert 0 < log.log_record.timestamp < 2**63
    for text in (
        log.instrumentation_scope.name,
        log.log_record.severity_text,
        *map(str, log.log_record.attributes.values()),
    ):
        text.encode()
    assert "" not in log.log_record.attributes


def test_each_owner_detaches_for_itself(captured: Any) -> None:
    attach_otlp_handler("second")
    detach_otlp_handler()
    assert otlp_handler_attached()
    LOGGER.warning("x")
    detach_otlp_handler("second")
    assert not otlp_handler_attached()
    LOGGER.warning("y")
    assert [record.body for record in captured.records] == ["x"]


def test_the_lowest_level_can_be_set(captured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_LOG_HANDLER_LEVEL", "error")
    attach_otlp_handler()
    LOGGER.warning("x")
    LOGGER.error("y")
    assert [record.body for record in captured.records] == ["y"]


# --- Nothing else changes ----------------------------------------------------------------------------------------------


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)


SDK = """
import logging, logging.config
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
exporter = InMemoryLogRecordExporter()
provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
_logs.set_logger_provider(provider)
from trax_otel.logging import attach_otlp_handler, detach_otlp_handler
DICT = {"version": 1, "handlers": {"h": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["h"]}}
sent = lambda: [entry.log_record.body for entry in exporter.get_finished_logs()]
"""


@pytest.mark.parametrize(
    "lines",
    [
        "logging.warning('x')",
        "logging.getLogger('a').warning('x')",
        "logging.getLogger('a').info('x')",
        "logging.basicConfig(level='INFO', format='%(message)s'); logging.info('x')",
        "logging.basicConfig(force=True); logging.warning('x')",
        "logging.config.dictConfig(DICT); logging.warning('x')",
        "logging.getLogger().handlers.clear(); logging.getLogger('a').error('x')",
        "logging.lastResort = None; logging.getLogger('a').error('x')",
        "l = logging.getLogger('a'); l.propagate = False; l.addHandler(logging.StreamHandler()); l.error('x')",
        "print(logging.getLogger().handlers, logging.getLogger('a').hasHandlers())",
    ],
)
def test_with_the_bridge_a_program_prints_what_it_prints_without(lines: str) -> None:
    with_us = run(f"{SDK}\nattach_otlp_handler()\n{lines}")
    without = run(f"{SDK}\n{lines}")
    assert with_us.stdout == without.stdout
    assert with_us.stderr == without.stderr


CONTRIB_HANDLERS = """
attach_otlp_handler()
from opentelemetry.instrumentation.logging.handler import LoggingHandler
logging.getLogger('a').addHandler(LoggingHandler())
logging.getLogger().addHandler(LoggingHandler())
"""
SDK_HANDLER = """
attach_otlp_handler()
import warnings
warnings.simplefilter('ignore')
from opentelemetry.sdk._logs import LoggingHandler
logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))
"""


@pytest.mark.parametrize(
    "setup",
    [
        "from opentelemetry.instrumentation.logging import LoggingInstrumentor as L; L().instrument(); attach_otlp_handler()",
        "attach_otlp_handler(); from opentelemetry.instrumentation.logging import LoggingInstrumentor as L; L().instrument()",
        CONTRIB_HANDLERS,
        SDK_HANDLER,
        "attach_otlp_handler(); attach_otlp_handler('other')",
    ],
    ids=["contrib first", "contrib later", "contrib handlers", "sdk handler", "twice"],
)
def test_exactly_one_record_beside_other_bridges(setup: str) -> None:
    script = f"""{SDK}
{setup}
logging.getLogger('a').warning('one')
logging.basicConfig(force=True)
logging.getLogger('a').warning('two')
import logging.config
logging.config.dictConfig({{'version': 1, 'root': {{'handlers': []}}, 'disable_existing_loggers': False}})
logging.getLogger('a').warning('three')
print(sent())
"""
    assert run(script).stdout == "['one', 'two', 'three']\n"


def test_after_detaching_the_other_bridge_works_again() -> None:
    script = f"""{SDK}
from opentelemetry.instrumentation.logging import LoggingInstrumentor
LoggingInstrumentor().instrument()
attach_otlp_handler()
logging.warning('one')
detach_otlp_handler()
logging.warning('two')
print(sent())
"""
    assert run(script).stdout == "['one', 'two']\n"


def test_a_bridge_into_another_provider_goes_on() -> None:
    script = f"""{SDK}
from opentelemetry.instrumentation.logging.handler import LoggingHandler
other = InMemoryLogRecordExporter()
theirs = LoggerProvider()
theirs.add_log_record_processor(SimpleLogRecordProcessor(other))
logging.getLogger().addHandler(LoggingHandler(logger_provider=theirs))
attach_otlp_handler()
logging.warning('one')
print(sent(), len(other.get_finished_logs()))
"""
    assert run(script).stdout == "['one'] 1\n"


def test_loggers_that_do_not_propagate_are_sent_too(captured: Any) -> None:
    quiet = logging.getLogger("trax.tests.quiet")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    quiet.warning("x")
    assert [record.body for record in captured.records] == ["x"]
