"""loguru's and structlog's lines arrive once each, and what the program prints is what it prints without us."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.programs import PYTHON, end_of, under_run
from support.services import Delivered, until
from trax_otel import semconv
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

LOGURU = """
import logging, sys
from opentelemetry import trace
from loguru import logger

logger.info("by the first sink")
logger.remove()
def own(record): return record["message"] != "dropped"
ids = [logger.add(sys.stderr, level="INFO", format="{level} {message} {extra} {exception}", filter=own)]
ids.append(logger.add("lines.log", serialize=False, format="{message}", enqueue=True))
print(ids)
bound = logger.bind(user="ada", name="n")
bound.warning("paid {}", 7, amount=12.5)
logger.debug("for the file only")
logger.info("dropped")
with logger.contextualize(request="r-1"):
    with trace.get_tracer("t").start_as_current_span("work"):
        logger.success("in a span")
try:
    {}["key"]
except KeyError:
    logger.exception("failed")
logger.remove(ids[1])
logger.configure(handlers=[{"sink": sys.stderr, "format": "{message}", "level": "ERROR"}])
logger.info("nobody lets it pass")
logger.error("configured")
class Bad:
    def __repr__(self): raise RuntimeError("no")
logger.bind(bad=Bad()).error("kept")
"""

FORWARDED = """
import logging, sys
from loguru import logger

class Intercept(logging.Handler):
    def emit(self, record):
        logger.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())

class Propagate(logging.Handler):
    def emit(self, record):
        logging.getLogger(record.name).handle(record)

logger.remove()
logging.basicConfig(handlers=[Intercept()], level=logging.INFO, force=True)
logger.add(sys.stderr, format="{message}")
logging.getLogger("app").warning("from logging")
logger.remove()
logging.basicConfig(stream=sys.stderr, format="%(name)s %(message)s", level=logging.INFO, force=True)
logger.add(Propagate(), format="{message}")
logger.info("to logging")
logger.remove()
logger.add(lambda message: logging.getLogger("f").info(message.record["message"]), format="{message}")
logger.info("to a function that logs", user="ada")
logger.remove()
logger.add(Propagate(), format="{message}", enqueue=True)
logger.info("from the writer's thread")
logger.complete()
"""


def test_lines_of_loguru_arrive_once_and_print_the_same(
    endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    command = [PYTHON, "-c", LOGURU]
    bare = end_of(command, tmp_path)
    (tmp_path / "lines.log").unlink()
    seen = end_of(under_run(endpoint.url, delivered.service, command), tmp_path)
    assert (without_time(seen.err), seen.out, seen.status) == (without_time(bare.err), bare.out, 0)
    until(lambda: len(delivered.logs()) >= 8, "the lines of loguru")
    logs = {log.body: log for log in delivered.logs()}
    assert sorted(log.body for log in delivered.logs()) == sorted(
        ["by the first sink", "paid 7", "for the file only", "dropped", "in a span", "failed", "configured", "kept"]
    )
    paid = logs["paid 7"]
    assert (paid.severity, paid.attributes["user"], paid.attributes["name"]) == ("WARN", "ada", "n")
    assert paid.attributes["amount"] == 12.5
    assert logs["in a span"].attributes["request"] == "r-1"
    (work,) = [span for span in delivered.traced() if span.name == "work"]
    assert logs["in a span"].trace_id == work.trace_id
    assert [event.attributes[semconv.LOG_MESSAGE] for event in work.events] == ["in a span"]
    failed = logs["failed"].attributes
    assert failed[semconv.EXCEPTION_TYPE] == "KeyError"
    assert failed[semconv.CODE_LINE_NUMBER]


def test_what_loguru_and_logging_hand_to_each_other_is_told_once(
    endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    command = [PYTHON, "-c", FORWARDED]
    bare = end_of(command, tmp_path)
    seen = end_of(under_run(endpoint.url, delivered.service, command), tmp_path)
    assert (seen.err, seen.status) == (bare.err, 0)
    expected = ["from logging", "to logging", "to a function that logs", "from the writer's thread"]
    until(lambda: len(delivered.logs()) >= len(expected), "the lines")
    assert sorted(log.body for log in delivered.logs()) == sorted(expected)


def without_time(text: str) -> str:
    """loguru's default line begins with the time."""
    return re.sub(r"\d\d\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", "TIME", text)
