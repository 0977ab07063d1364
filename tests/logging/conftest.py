"""Logging is process-wide: every test begins and ends with it as it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from trax_otel import signals
from trax_otel.logging import (
    LoggingConfig,
    detach_otlp_handler,
    disable_debug,
    initialize_logging,
    shutdown_logging,
)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, call_handlers = root.level, logging.Logger.callHandlers
    handlers = list(root.handlers)
    yield
    disable_debug()
    shutdown_logging()
    detach_otlp_handler()
    assert logging.Logger.callHandlers is call_handlers
    root.setLevel(level)
    root.handlers[:] = [h for h in root.handlers if h in handlers or type(h).__module__.startswith("_pytest")]


@pytest.fixture
def json_lines(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """Sets up JSON lines only; gives a function that reads them."""
    initialize_logging(LoggingConfig(log_dir=str(tmp_path), log_to_console=False, log_to_file=False, log_to_json=True))

    def read() -> list[dict[str, Any]]:
        text = (tmp_path / "trax.jsonl").read_text(encoding="ascii")
        assert text.endswith("\n")
        return [json.loads(line) for line in text.removesuffix("\n").split("\n")]

    return read


@dataclass
class Captured:
    """What reached the SDK."""

    provider: LoggerProvider
    tracer_provider: TracerProvider
    _logs: InMemoryLogRecordExporter
    _spans: InMemorySpanExporter
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def logs(self) -> list[Any]:
        return list(self._logs.get_finished_logs())

    @property
    def records(self) -> list[Any]:
        return [entry.log_record for entry in self.logs]

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())


@pytest.fixture
def captured() -> Iterator[Captured]:
    logs, spans = InMemoryLogRecordExporter(), InMemorySpanExporter()
    provider, tracer_provider = LoggerProvider(), TracerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    restore = signals.use_providers(tracer_provider=tracer_provider, logger_provider=provider)
    yield Captured(provider, tracer_provider, logs, spans)
    restore()
    provider.shutdown()
    tracer_provider.shutdown()
