"""The line that is written without a record is, letter for letter, the one that is written with one."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from trax_otel.logging import (
    FileHandler,
    LoggingConfig,
    bind,
    correlation_context,
    direct,
    get_logger,
    initialize_logging,
)
from trax_otel.logging.values import MAX_TEXT

Call = Callable[[logging.Logger], object]


@contextmanager
def only_ours() -> Iterator[None]:
    """None of pytest's own handlers in the way."""
    root = logging.getLogger()
    others = [handler for handler in root.handlers if not isinstance(handler, FileHandler)]
    for handler in others:
        root.removeHandler(handler)
    yield
    for handler in others:
        root.addHandler(handler)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """JSON lines only."""
    initialize_logging(LoggingConfig(log_dir=tmp_path, log_to_console=False, log_to_file=False, level="DEBUG"))
    return tmp_path / "trax.jsonl"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each call was written directly."""
    results: list[bool] = []
    original = direct.write_directly

    def spy(*arguments: Any) -> bool:
        results.append(original(*arguments))
        return results[-1]

    monkeypatch.setattr("trax_otel.logging.logger.write_directly", spy)
    return results


def lines(file: Path) -> list[str]:
    return [re.sub(r'"timestamp":"[^"]*"', "", line) for line in file.read_text("ascii").splitlines()]


CALLS: list[Call] = [
    lambda logger: logger.info("plain"),
    lambda logger: logger.warning(
        "%s %d", "a\n", 2, extra={"a": 1, "b": "é\u2028", "c": [1, {"d": float("nan")}], "level": 1}
    ),
    lambda logger: logger.debug("%(a)s", {"a": 1}),
    lambda logger: logger.info("100 %", extra={"level": 1, "level_": 2}),
    lambda logger: logger.error("no exception", extra={}),
    lambda logger: logger.info("x" * (MAX_TEXT + 5), extra={"k": "é" * (MAX_TEXT + 5)}),
    lambda logger: logger.critical("ü \ud800", extra={"\ud800": "\udfff"}),
    lambda logger: logging.LoggerAdapter(logger, {"adapted": True}).info("adapted"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("correlated", [False, True])
def test_both_ways_write_the_same(file: Path, written: list[bool], call: Call, correlated: bool) -> None:
    logger, by_record = get_logger("trax.tests.direct"), logging.NullHandler()
    ids = trace.SpanContext(7, 9, is_remote=False)
    with (
        trace.use_span(trace.NonRecordingSpan(ids if correlated else trace.INVALID_SPAN_CONTEXT)),
        correlation_context("req-1"),
        only_ours(),
    ):
        for _ in range(2):
            call(logger)
            logger.addHandler(by_record)
        logger.removeHandler(by_record)
    assert written == [True, False]
    first, second = lines(file)
    assert first == second
    assert json.loads(file.read_text().splitlines()[0])["trace_id"] == ("0" * 31 + "7" if correlated else None)


@pytest.mark.parametrize(
    "call",
    [
        lambda logger: logger.info("x %d", "y"),
        lambda logger: logger.info({"not": "a text"}),
        lambda logger: logger.info("x", extra={"correlation_id": "req-9"}),
        lambda logger: logger.info("x", extra={"error_code": "ACME-1"}),
        lambda logger: logger.info("x", extra={"name": "n"}),
        lambda logger: logger.info("x", extra=[1]),
        lambda logger: logger.info("x", exc_info=ValueError("e")),
        lambda logger: logger.info("x", stack_info=True),
    ],
)
def test_what_is_out_of_the_ordinary_takes_the_way_through_a_record(
    file: Path, written: list[bool], call: Call
) -> None:
    with only_ours():
        call(get_logger("trax.tests.direct"))
    assert True not in written
    assert len(lines(file)) == 1


def test_whoever_would_see_a_record_sees_it(file: Path, written: list[bool], captured: Any) -> None:
    logger = get_logger("trax.tests.direct")
    with only_ours():
        logger.info("an SDK is set up")
        with bind(user="ada"):
            logger.info("fields")
    assert written == [False, False]
    assert len(captured.records) == 2


def test_a_filter_a_factory_and_a_level_hold(file: Path, written: list[bool]) -> None:
    logger = get_logger("trax.tests.direct")
    with only_ours():
        logger.addFilter(lambda record: False)
        logger.info("filtered")
        logger.filters.clear()
        logger.setLevel(logging.ERROR)
        logger.info("too low")
        logger.setLevel(logging.NOTSET)
        before = logging.getLogRecordFactory()
        logging.setLogRecordFactory(lambda *a, **k: before(*a, **k))
        logger.info("made by a factory")
        logging.setLogRecordFactory(before)
        logger.propagate = False
        logger.info("does not reach the root")
        logger.propagate = True
    assert True not in written
    assert [json.loads(line)["message"] for line in file.read_text().splitlines()] == ["made by a factory"]


def test_after_the_root_was_cleared_the_file_still_gets_its_line(file: Path, written: list[bool]) -> None:
    logger = get_logger("trax.tests.direct")
    with only_ours():
        logging.getLogger().handlers.clear()
        logger.info("one")
        logger.info("two")
    assert written == [False, True]
    assert len(lines(file)) == 2
