"""One log line with trace ids and two fields, as JSON in a file that is flushed, through four ways of logging."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from pathlib import Path

import orjson
import structlog
from opentelemetry import context, trace

from benchmarks.harness import Result, compare
from trax_otel.logging import LoggingConfig, get_logger, initialize_logging, shutdown_logging

TITLE = "One JSON log line with trace ids, × a raw write with flush"
BASELINE = "raw write + flush"
OURS = "get_logger().info"
TARGETS = {OURS: 5.0}


class JsonFormatter(logging.Formatter):
    """What one writes by hand for the standard library."""

    def format(self, record: logging.LogRecord) -> str:
        ids = trace.get_current_span().get_span_context()
        return json.dumps({
            "timestamp": record.created, "level": record.levelname, "logger": record.name, "module": record.module,
            "function": record.funcName, "line": record.lineno, "message": record.getMessage(),
            "trace_id": f"{ids.trace_id:032x}", "span_id": f"{ids.span_id:016x}",
            "status": record.status, "path": record.path,
        })  # fmt: skip


def add_ids(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    ids = trace.get_current_span().get_span_context()
    event["trace_id"] = f"{ids.trace_id:032x}"
    event["span_id"] = f"{ids.span_id:016x}"
    return event


def standard_logger(path: Path) -> logging.Logger:
    logger = logging.Logger("benchmark.standard", logging.INFO)
    handler = logging.FileHandler(path)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    return logger


def structlog_logger(path: Path) -> structlog.typing.FilteringBoundLogger:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            add_ids,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(file=path.open("wb")),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger().bind(logger_name="benchmark.structlog")


def run(rounds: int = 25) -> Result:
    """All cases in one folder, inside one span's context."""
    folder = Path(tempfile.mkdtemp())
    ids = trace.SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, False, trace.TraceFlags(1))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(ids)))
    initialize_logging(
        LoggingConfig(log_dir=folder, log_to_console=False, log_to_file=False, log_to_json=True, max_file_size=2**30)
    )
    raw = (folder / "raw").open("wb")
    ours, bound = get_logger("benchmark.ours"), structlog_logger(folder / "structlog")
    standard = standard_logger(folder / "standard")
    ours.info("request done", extra={"status": 200, "path": "/api/items"})
    line = (folder / "trax.jsonl").read_bytes()

    def write_raw(calls: int) -> None:
        for _ in range(calls):
            raw.write(line)
            raw.flush()

    def log_ours(calls: int) -> None:
        for _ in range(calls):
            ours.info("request done", extra={"status": 200, "path": "/api/items"})

    def log_structlog(calls: int) -> None:
        for _ in range(calls):
            bound.info("request done", status=200, path="/api/items")

    def log_standard(calls: int) -> None:
        for _ in range(calls):
            standard.info("request done", extra={"status": 200, "path": "/api/items"})

    try:
        return compare(
            {
                BASELINE: write_raw,
                OURS: log_ours,
                "structlog bytes + orjson": log_structlog,
                "stdlib + json.dumps": log_standard,
            },
            rounds=rounds,
        )
    finally:
        shutdown_logging()
        context.detach(token)
        raw.close()
        shutil.rmtree(folder)
