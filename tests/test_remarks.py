"""What OpenTelemetry's loggers say: overheard on request, else once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from trax_otel import remarks


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The messages that reach the root logger's handlers."""
    messages: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Handler()
    logging.getLogger().addHandler(handler)
    yield messages
    logging.getLogger().removeHandler(handler)


def test_a_logger_of_opentelemetrys_says_each_thing_once(heard: list[str]) -> None:
    logger = logging.getLogger("opentelemetry.test_remarks")
    remarks.say_once()
    remarks.say_once()
    for value in range(3):
        logger.warning("value %d is cut to a limit", value)
        logger.warning("another thing that is said")
    assert heard == ["value 0 is cut to a limit", "another thing that is said"]


@pytest.mark.parametrize("name", ["app", "opentelemetry.exporter.test_remarks", "opentelemetryish.test_remarks"])
def test_all_others_say_what_they_say(name: str, heard: list[str]) -> None:
    logger = logging.getLogger(name)
    remarks.say_once()
    for _ in range(2):
        logger.warning("said as often as it is")
    assert len(heard) == 2


def test_a_message_that_cannot_be_looked_at_passes(heard: list[str]) -> None:
    class Refusing:
        def __str__(self) -> str:
            if self not in seen:
                seen.append(self)
                raise RuntimeError("no text")
            return "told after all"

    seen: list[object] = []
    logger = logging.getLogger("opentelemetry.test_remarks.refusing")
    remarks.say_once()
    logger.warning(Refusing())
    assert heard == ["told after all"]


def test_what_is_overheard_is_not_said(heard: list[str]) -> None:
    logger = logging.getLogger("opentelemetry.test_remarks.overheard")
    with remarks.overheard(logger.name) as collected:
        logger.warning("not for everybody %d", 1)
        logger.debug("too quiet")
    logger.warning("for everybody again")
    assert collected == ["not for everybody 1"]
    assert heard == ["for everybody again"]
