"""A handler that cannot write never reaches the application: one line on stderr, then it recovers and says what was lost."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trax_otel.logging import ConsoleHandler, FileHandler, LoggingConfig, RotatingFile, TextFormatter

from trax_otel.logging import get_logger, initialize_logging, shutdown_logging  # isort: skip


def record(message: str, created: float) -> logging.LogRecord:
    made = logging.LogRecord("app", logging.INFO, "app.py", 1, message, (), None)
    made.created = created
    return made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here; RLIMIT_FSIZE stands for it in test_rotation")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_costs_lines_but_never_the_application(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 60_000)
    initialize_logging(LoggingConfig(log_dir=str(small_disk), log_to_console=False, log_to_file=False, backup_count=5))
    logger = get_logger("app")
    for number in range(200):
        logger.info("line %d", number)
    assert capsys.readouterr().err.count("\n") == 1
    ballast.unlink()
    logger.info("room again")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    written = (small_disk / "trax.jsonl").read_text().splitlines()
    assert all(line.startswith('{"timestamp"') and line.endswith("}") for line in written), "a line is torn"
    assert f"works again; {201 - len(written)} lines were lost" in said
    assert "room again" in written[-1]
    shutdown_logging()


def test_a_folder_that_cannot_be_made_is_said_once_and_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way")
    handler = FileHandler(RotatingFile(tmp_path / "logs" / "trax.log"), TextFormatter())
    for number in range(5):
        handler.handle(record(f"line {number}", 100.0))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "trax.log fails" in said
    (tmp_path / "logs").unlink()
    handler.file._failure = None  # what half a second does
    handler.handle(record("at last", 101.0))
    assert "5 lines were lost" in capsys.readouterr().err
    assert "at last" in (tmp_path / "logs" / "trax.log").read_text()
    handler.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_an_unwritable_folder_does_not_stop_a_service(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    script = f"""
import os
import trax_otel.logging as room
os.setuid(65534)
room.initialize_logging(room.LoggingConfig(log_dir={str(tmp_path / "logs")!r}, log_to_console=False))
log = room.get_logger("app")
for n in range(3): log.warning("line %d", n)
print("served")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "served\n"
    lines = done.stderr.splitlines()
    assert len([line for line in lines if "fails" in line]) == 2, "one line for each file"
    assert len([line for line in lines if "lost 3 lines" in line]) == 2
    assert len(lines) == 4


def test_a_disk_that_is_full_by_turns_does_not_fill_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = ConsoleHandler()
    broken = False

    def deliver(made: logging.LogRecord) -> None:
        if broken:
            raise OSError(28, "No space left on device")

    handler.deliver = deliver  # type: ignore[method-assign]
    for turn in range(100):
        broken = not broken
        handler.handle(record("x", 1000.0 + turn / 100))
    assert capsys.readouterr().err.count("\n") == 2
    broken = False
    handler.handle(record("x", 1011.0))
    assert "49 lines were lost" in capsys.readouterr().err


def test_a_handler_of_the_applications_that_raises_stops_neither_it_nor_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("broken")

    initialize_logging(LoggingConfig(log_dir=str(tmp_path), log_to_console=False, log_to_json=False))
    logger = get_logger("app.broken")
    broken = Broken()
    logger.addHandler(broken)
    try:
        logger.error("one")
        logger.error("two")
    finally:
        logger.removeHandler(broken)
    assert (tmp_path / "trax.log").read_text().count("app.broken") == 2
    assert capsys.readouterr().err.count("log handler Broken failed") == 1


def test_the_console_writes_to_the_stderr_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    handler = ConsoleHandler("never")
    handler.handle(record("häm\x1b[2J", 0.0))
    assert capsys.readouterr().err == "00:00:00.000 INFO     app: häm\\x1b[2J\n"


def test_a_console_without_stderr_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    ConsoleHandler().handle(record("x", 0.0))


def test_a_narrow_encoding_gets_escapes() -> None:
    script = (
        "from trax_otel.logging import *; initialize_logging(LoggingConfig(log_to_file=False, log_to_json=False));"
        "get_logger('a').info('h\\u00e4 \\u4e2d')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
    )
    assert done.stderr.endswith(b"INFO     a: h\\xe4 \\u4e2d\n")


def test_colour_follows_the_terminal_and_the_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    from trax_otel.logging.handlers import wants_colour

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    assert wants_colour("auto", terminal)  # type: ignore[arg-type]
    assert not wants_colour("never", terminal)  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour("auto", terminal)  # type: ignore[arg-type]
    assert wants_colour("always", terminal)  # type: ignore[arg-type]
