"""The application's handlers fail, and tell of it, as they do without us."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from trax_otel.logging import LoggingConfig, attach_otlp_handler, get_logger, initialize_logging


class Broken(io.StringIO):
    """A stream that nothing can be written to."""

    def write(self, _: str) -> int:
        raise OSError("gone")


class Raising(logging.Handler):
    """A handler that lets its failure out."""

    def emit(self, record: logging.LogRecord) -> None:
        raise ValueError(record.getMessage())


@pytest.fixture
def application_handler() -> Iterator[list[logging.Handler]]:
    """Handlers that the application has put on the logger `shop`."""
    logger = logging.getLogger("shop")
    yield logger.handlers
    logger.handlers.clear()


def call_stack(stderr: str) -> list[str]:
    """The functions that `Handler.handleError` printed as the way to the call."""
    lines = stderr.partition("Call stack:\n")[2].splitlines()
    return [line.rpartition(" ")[2] for line in lines if line.startswith("  File ")]


def test_the_call_stack_of_a_call_that_cannot_be_logged_ends_at_the_caller(
    application_handler: list[logging.Handler], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(logging.getLogger("shop"), "propagate", False)
    application_handler.append(logging.StreamHandler(Broken()))
    attach_otlp_handler()
    logging.getLogger("shop").warning("x")
    assert call_stack(capsys.readouterr().err)[-1] == sys._getframe().f_code.co_name


def test_so_it_does_for_loggers_of_ours(
    application_handler: list[logging.Handler],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)
    application_handler.append(logging.StreamHandler(Broken()))
    initialize_logging(LoggingConfig(log_dir=str(tmp_path), log_to_console=False))
    get_logger("shop").warning("x")
    assert call_stack(capsys.readouterr().err)[-1] == sys._getframe().f_code.co_name
    assert sys._getframe().f_code.co_name in (tmp_path / "trax.jsonl").read_text()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 puts the frame back")
def test_a_handler_that_raises_has_the_traceback_that_it_has_without_us(
    application_handler: list[logging.Handler],
) -> None:
    application_handler.append(Raising())
    stacks = []
    for attached in (False, True):
        if attached:
            attach_otlp_handler()
        with pytest.raises(ValueError, match="x") as raised:
            logging.getLogger("shop").warning("x")
        stacks.append([(entry.filename, entry.name) for entry in traceback.extract_tb(raised.value.__traceback__)])
    assert stacks[0] == stacks[1]
