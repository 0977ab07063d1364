"""`initialize_logging` takes over nothing it was not asked to, and everything it did can be undone."""

from __future__ import annotations

import json
import logging
import logging.config
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trax_otel.errors import InvalidConfigError
from trax_otel.logging import LoggingConfig, get_logger, initialize_logging, shutdown_logging
from trax_otel.logging.logger import TraxLogger

State = tuple[Any, ...]


def files_only(folder: Path, **more: Any) -> LoggingConfig:
    return LoggingConfig(log_dir=str(folder), log_to_console=False, **more)


def state() -> State:
    root = logging.getLogger()
    return (
        root.level,
        tuple(root.handlers),
        logging.Logger.callHandlers,
        logging.getLogRecordFactory(),
        logging.getLoggerClass(),
    )


def messages(folder: Path, name: str = "trax.jsonl") -> list[str]:
    return [json.loads(line)["message"] for line in (folder / name).read_text().splitlines()]


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder, timeout=60
    )  # fmt: skip


def test_get_logger_is_the_standard_librarys() -> None:
    assert get_logger("trax.tests.a") is logging.getLogger("trax.tests.a")
    assert get_logger() is logging.getLogger()
    assert type(get_logger("trax.tests.a")) is logging.Logger


def test_all_three_outputs_bear_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    initialize_logging(LoggingConfig(log_dir=str(tmp_path)))
    logging.getLogger("anybody").warning("hello %s", "there")
    assert "WARNING  anybody: hello there" in capsys.readouterr().err
    assert "hello there" in (tmp_path / "trax.log").read_text()
    assert messages(tmp_path) == ["hello there"]


def test_the_former_state_comes_back_exactly(tmp_path: Path) -> None:
    before = state()
    logger = get_logger("trax.tests.undone")
    initialize_logging(files_only(tmp_path, level="DEBUG"))
    assert type(logger) is TraxLogger
    assert state() != before
    shutdown_logging()
    assert state() == before
    assert type(logger) is logging.Logger
    shutdown_logging()
    assert state() == before


def test_a_second_call_changes_nothing_and_another_config_replaces_it(tmp_path: Path) -> None:
    before = state()
    initialize_logging(files_only(tmp_path))
    first = state()
    initialize_logging(files_only(tmp_path))
    assert state() == first
    get_logger("app").info("once")
    assert messages(tmp_path) == ["once"]
    initialize_logging(files_only(tmp_path / "other", level="WARNING"))
    assert len(logging.getLogger().handlers) == len(first[1])
    get_logger("app").info("too low")
    get_logger("app").warning("elsewhere")
    assert messages(tmp_path) == ["once"]
    assert messages(tmp_path / "other") == ["elsewhere"]
    shutdown_logging()
    assert state() == before


def test_what_the_application_changed_meanwhile_is_its_own(tmp_path: Path) -> None:
    root = logging.getLogger()
    initialize_logging(files_only(tmp_path))
    handler = logging.NullHandler()
    root.addHandler(handler)
    root.setLevel(35)
    shutdown_logging()
    assert root.level == 35
    assert handler in root.handlers


def test_a_lower_level_of_the_root_is_not_raised(tmp_path: Path) -> None:
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    initialize_logging(files_only(tmp_path, level="WARNING"))
    assert root.level == logging.DEBUG
    get_logger("app").info("not ours")
    assert not (tmp_path / "trax.jsonl").exists()


def test_environment_file_and_arguments_in_that_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trax.json"
    file.write_text(json.dumps({"logging": {"level": "ERROR", "backup_count": 7, "max_file_size": 5000}}))
    monkeypatch.setenv("TRAX_CONFIG_FILE", str(file))
    monkeypatch.setenv("TRAX_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("TRAX_MAX_LOG_SIZE", "6000")
    monkeypatch.setenv("TRAX_LOG_TO_CONSOLE", "false")
    monkeypatch.setenv("TRAX_LOG_DIR", str(tmp_path))
    settings = initialize_logging(LoggingConfig(level="INFO"))
    assert (settings.level, settings.max_file_size, settings.backup_count) == ("INFO", 6000, 7)


def test_a_wrong_setting_is_an_error_that_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state()
    with pytest.raises(InvalidConfigError, match=r"level.*'LOUD'.*one of DEBUG, INFO"):
        initialize_logging(LoggingConfig(level="LOUD"))
    monkeypatch.setenv("TRAX_LOG_BACKUP_COUNT", "many")
    with pytest.raises(InvalidConfigError, match="TRAX_LOG_BACKUP_COUNT"):
        initialize_logging()
    assert state() == before


# --- Beside others ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "upheaval",
    [
        "logging.basicConfig(force=True)",
        "logging.config.dictConfig({'version': 1, 'root': {'level': 'INFO', 'handlers': []}})",
        "logging.getLogger().handlers.clear()",
        "logging.shutdown()",
        "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': False})",
    ],
)
def test_files_outlive_whatever_others_do_to_the_root(upheaval: str, tmp_path: Path) -> None:
    script = f"""
import logging, logging.config
from trax_otel.logging import *
log = get_logger("app")
initialize_logging(LoggingConfig(log_dir=".", level="INFO"))
log.info("before")
{upheaval}
log.disabled = False
log.warning("after")
plain = logging.getLogger("plain")
plain.warning("last words")
"""
    done = run(script, tmp_path)
    assert messages(tmp_path) == ["before", "after", "last words"]
    assert done.stderr.count("after") == 1
    assert done.stderr.count("last words") == 1


def test_beside_basic_config_nothing_is_read_twice(tmp_path: Path) -> None:
    script = """
import logging
from trax_otel.logging import *
logging.basicConfig(format="theirs %(message)s")
initialize_logging(LoggingConfig(log_dir="."))
get_logger("app").warning("hello")
get_logger("app").info("lower")
"""
    assert run(script, tmp_path).stderr == "theirs hello\ntheirs lower\n"
    assert messages(tmp_path) == ["hello", "lower"]


def test_beside_richs_handler_nothing_is_read_twice(tmp_path: Path) -> None:
    script = """
import logging
from rich.logging import RichHandler
from trax_otel.logging import *
logging.basicConfig(handlers=[RichHandler()])
initialize_logging(LoggingConfig(log_dir="."))
get_logger("app").warning("hello")
"""
    done = run(script, tmp_path)
    assert (done.stdout + done.stderr).count("hello") == 1
    assert messages(tmp_path) == ["hello"]


def test_beside_django_each_record_is_read_once(tmp_path: Path) -> None:
    """With Django's own default logging and a LOGGING setting that replaces the root's handlers."""
    script = """
import logging
from trax_otel.logging import *
initialize_logging(LoggingConfig(log_dir="."))
import django
from django.conf import settings
settings.configure(DEBUG=True, LOGGING={
    "version": 1, "disable_existing_loggers": False,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "django.log"}},
    "root": {"level": "WARNING", "handlers": ["file"]},
})
django.setup()
logging.getLogger("django.request").warning("Not Found: /x")
get_logger("shop").warning("sold out")
"""
    done = run(script, tmp_path)
    assert messages(tmp_path) == ["Not Found: /x", "sold out"]
    assert (tmp_path / "django.log").read_text() == "Not Found: /x\nsold out\n"
    assert done.stderr.count("Not Found") == 1
    assert done.stderr.count("sold out") == 1


def test_beside_uvicorn_each_record_is_read_once(tmp_path: Path) -> None:
    script = """
import logging
from trax_otel.logging import *
initialize_logging(LoggingConfig(log_dir="."))
import uvicorn
uvicorn.Config(app=None)  # configures logging, as at a server's start
logging.getLogger("uvicorn.error").info("Started server process")
get_logger("app").info("ready")
"""
    done = run(script, tmp_path)
    assert done.stderr.count("Started server process") == 1
    assert done.stderr.count("ready") == 1
    assert messages(tmp_path) == ["ready"], "uvicorn keeps its records to itself"


def test_a_fork_writes_on_and_tells_no_losses_of_its_parents(tmp_path: Path) -> None:
    script = """
import os, sys
from trax_otel.logging import *
initialize_logging(LoggingConfig(log_dir=".", log_to_console=False))
log = get_logger("app")
log.info("parent")
pid = os.fork()
if pid == 0:
    log.info("child %d", os.getpid())
    os._exit(0)
os.waitpid(pid, 0)
log.info("parent again")
"""
    done = run(script, tmp_path)
    assert done.stderr == ""
    assert [message.split()[0] for message in messages(tmp_path)] == ["parent", "child", "parent"]


def test_a_record_logged_at_exit_is_written(tmp_path: Path) -> None:
    script = """
import atexit
from trax_otel.logging import *
atexit.register(lambda: get_logger("app").info("bye"))
initialize_logging(LoggingConfig(log_dir=".", log_to_console=False))
"""
    run(script, tmp_path)
    assert messages(tmp_path) == ["bye"]
