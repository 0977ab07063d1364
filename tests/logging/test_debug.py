"""Debug mode keeps its four promises, is switched at run time, and leaves no trace."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from trax_otel import config
from trax_otel.logging import (
    LoggingConfig,
    disable_debug,
    enable_debug,
    get_logger,
    initialize_logging,
    is_debug,
    memory_usage,
    timing_context,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    initialize_logging(LoggingConfig(log_dir=str(tmp_path), log_to_console=False, log_to_json=False, level="WARNING"))
    return tmp_path / "trax.log"


def fail(password: str) -> None:
    try:
        {}["key"]
    except KeyError:
        raise ValueError("outer") from None


def test_errors_come_with_their_whole_chain_and_source_but_no_values(log: Path) -> None:
    logger = get_logger("trax.tests.debug")
    enable_debug()
    try:
        fail("hunter2")
    except ValueError:
        logger.error("failed, and nobody passed exc_info")
    text = log.read_text()
    assert "KeyError: 'key'" in text
    assert "During handling of the above exception" in text
    assert ">" in text
    assert 'raise ValueError("outer") from None' in text
    assert "except KeyError:" in text
    assert text.count("hunter2") == text.count('fail("hunter2")')


def test_every_operation_is_timed_with_memory(log: Path) -> None:
    enable_debug()
    with timing_context("work"):
        pass
    text = log.read_text()
    assert re.search(r"operation work: success after [\d.]+ ms, CPU [\d.]+ ms, memory [\d.]+ MB", text)


def test_what_rooms_of_ours_say_at_debug_is_seen(log: Path) -> None:
    retry = logging.getLogger("trax_otel.retry")
    retry.debug("before")
    enable_debug()
    retry.debug("attempt 2 in 1.5 s")
    disable_debug()
    retry.debug("after")
    text = log.read_text()
    assert "attempt 2 in 1.5 s" in text
    assert "before" not in text
    assert "after" not in text


def test_memory_is_told_and_allocations_are_traced_where_asked_for() -> None:
    usage = memory_usage()
    assert usage.resident > 1_000_000
    assert usage.allocated is None
    enable_debug(trace_allocations=True)
    kept = [bytes(100_000) for _ in range(10)]
    usage = memory_usage()
    assert usage.allocated is not None
    assert usage.allocated > 900_000
    assert any("test_debug.py" in place for place, _, _ in usage.top)
    disable_debug()
    assert not tracemalloc.is_tracing()
    assert len(kept) == 10


def test_all_is_as_before_afterwards(log: Path) -> None:
    root, own = logging.getLogger(), logging.getLogger("trax_otel")
    before = (root.level, own.level, [(h, h.level) for h in root.handlers], config.debug())
    enable_debug()
    enable_debug()
    assert is_debug()
    assert root.level == logging.DEBUG
    disable_debug()
    assert (root.level, own.level, [(h, h.level) for h in root.handlers], config.debug()) == before
    disable_debug()
    assert not is_debug()


@pytest.mark.parametrize("debug_first", [True, False])
def test_it_may_be_switched_before_and_after_logging_is_set_up(tmp_path: Path, debug_first: bool) -> None:
    script = f"""
import logging
from trax_otel.logging import *
steps = [lambda: initialize_logging(LoggingConfig(log_dir={str(tmp_path)!r})), enable_debug]
for step in reversed(steps) if {debug_first} else steps:
    step()
get_logger("app").debug("seen")
shutdown_logging()
get_logger("app").debug("seen without files")
disable_debug()
get_logger("app").debug("unseen")
print(logging.getLogger().handlers, logging.getLogger().level, logging.getLogger("trax_otel").level)
"""
    done = run(script)
    assert done.stdout == "[] 30 0\n"
    assert re.findall("app: (.*)", done.stderr) == ["seen", "seen without files"]
    assert (tmp_path / "trax.log").read_text().count("seen") == 1


def test_allocations_that_the_application_traces_stay_traced() -> None:
    tracemalloc.start()
    try:
        enable_debug(trace_allocations=True)
        disable_debug()
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=variables)


def test_without_any_logging_set_up_it_brings_a_console() -> None:
    script = """
from trax_otel.logging import *
import logging
log = get_logger("app")
enable_debug()
log.debug("seen")
disable_debug()
log.debug("unseen")
print(logging.getLogger().handlers)
"""
    done = run(script)
    assert done.stderr.endswith("DEBUG    app: seen\n")
    assert done.stdout == "[]\n"


def test_the_variable_starts_in_debug_mode(tmp_path: Path) -> None:
    script = f"""
from trax_otel.logging import *
initialize_logging(LoggingConfig(log_dir={str(tmp_path)!r}, log_to_file=False, log_to_json=False))
get_logger("app").debug("seen")
disable_debug()
get_logger("app").debug("unseen")
"""
    done = run(script, TRAX_DEBUG="1")
    assert "seen" in done.stderr
    assert "unseen" not in done.stderr
