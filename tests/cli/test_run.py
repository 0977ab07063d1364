"""`trax-otel run`: it becomes the command, and only fills in what the user left open."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from trax_otel.cli import run as run_module
from trax_otel.instrumentation.start import AUTOSTART


@pytest.fixture(scope="module")
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


def run(*words: str, endpoint: OtlpEndpoint | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Without the environment's instrumentations, which only take time here."""
    environ = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*", **environ}
    where = ["--endpoint", endpoint.url] if endpoint else []
    return subprocess.run(
        [sys.executable, "-m", "trax_otel", "run", *where, *words],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run_module.add_parser(parser.add_subparsers())
    return parser.parse_args(["run", *words])


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_commands_exit_status_is_its_own(endpoint: OtlpEndpoint, status: int) -> None:
    assert run("--", sys.executable, "-c", f"raise SystemExit({status})", endpoint=endpoint).returncode == status


def test_a_command_killed_by_a_signal_is_seen_so(endpoint: OtlpEndpoint) -> None:
    done = run("--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)", endpoint=endpoint)
    assert done.returncode == -signal.SIGKILL


def test_it_replaces_itself_and_signals_reach_the_command(endpoint: OtlpEndpoint) -> None:
    script = (
        "import os, signal, sys, time; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(9));"
        "print(os.getpid(), flush=True); time.sleep(30)"
    )
    command = [sys.executable, "-m", "trax_otel", "run", "--endpoint", endpoint.url, "--", sys.executable, "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == 9
    process.stdout.close()


def test_a_missing_command_says_so_and_gives_127() -> None:
    done = run("--", "no-such-command", "x")
    assert (done.returncode, done.stdout, done.stderr) == (127, "", "trax-otel run: no-such-command: not found\n")


@pytest.mark.parametrize("kind", ["not executable", "folder", "not a program"])
def test_a_command_that_cannot_be_run_gives_126(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "thing"
    if kind == "folder":
        target.mkdir()
    else:
        target.write_bytes(b"\x7fnonsense")
        target.chmod(0o755 if kind == "not a program" else 0o644)
    done = run("--", str(target))
    assert done.returncode == 126
    assert done.stderr.startswith(f"trax-otel run: {target}: ")


def test_no_command_is_a_usage_error() -> None:
    done = run()
    assert done.returncode == 2
    assert "no command. Write: trax-otel run -- python app.py" in done.stderr


def test_local_and_endpoint_contradict_each_other() -> None:
    assert run("--local", "--endpoint", "http://x", "--", "true").returncode == 2


def test_the_help_is_worth_reading() -> None:
    done = run("-h")
    assert done.returncode == 0
    for word in ("--service-name", "--endpoint", "--protocol", "--local", "--log-level", "--config", "gunicorn", "126", "127",
                 "OTEL_SDK_DISABLED"):  # fmt: skip
        assert word in done.stdout


def test_what_the_user_set_stays_and_an_option_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.setenv("OTEL_PYTHON_DISTRO", "other")
    monkeypatch.setenv("PYTHONPATH", f"/mine{os.pathsep}{AUTOSTART}")
    environ = run_module.environment(parsed("--endpoint", "http://c:4318", "--", "x"))
    assert environ["OTEL_SERVICE_NAME"] == "mine"
    assert environ["OTEL_PYTHON_DISTRO"] == "other"
    assert environ["OTEL_PYTHON_CONFIGURATOR"] == "trax"
    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://c:4318"
    assert environ["PYTHONPATH"].split(os.pathsep) == [str(AUTOSTART), "/mine"]
    assert run_module.environment(parsed("--service-name", "option", "--", "x"))["OTEL_SERVICE_NAME"] == "option"


@pytest.mark.parametrize("before", [":/lib", "/lib:", "/a::/b"])
def test_an_empty_part_of_pythonpath_stays(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", before)
    assert run_module.environment(parsed("--", "x"))["PYTHONPATH"] == f"{AUTOSTART}:{before}"


def test_an_option_wins_over_the_variable_of_one_signal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://production:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in run_module.environment(parsed("--", "x"))
    environ = run_module.environment(parsed("--local", "--", "x"))
    assert not {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"} & environ.keys()


@pytest.mark.parametrize(
    ("option", "variable", "value"),
    [
        (["--protocol", "grpc"], "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        (["--local"], "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
        (["--log-level", "debug"], "TRAX_LOG_LEVEL", "DEBUG"),
        (["--config", "/x/trax.json"], "TRAX_CONFIG_FILE", "/x/trax.json"),
        (["--exit-timeout", "2.5"], "TRAX_EXIT_TIMEOUT", "2.5"),
        (["--quiet"], "TRAX_QUIET", "1"),
    ],
)
def test_options_become_variables(option: list[str], variable: str, value: str) -> None:
    assert run_module.environment(parsed(*option, "--", "x"))[variable] == value


@pytest.mark.parametrize("value", ["nan", "-3", "inf", "soon"])
def test_an_exit_timeout_that_is_none_is_refused_before_the_command(value: str) -> None:
    done = run(f"--exit-timeout={value}", "--", sys.executable, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument --exit-timeout: '{value}' is not allowed" in done.stderr.splitlines()[-1]


def test_no_warning_of_ours_becomes_an_error() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "trax_otel", "local", "--help"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_commands_own_options_are_its_own() -> None:
    assert parsed("--quiet", "--", "app", "--quiet", "-h").words == ["--", "app", "--quiet", "-h"]
    assert parsed("app", "--service-name", "x").words == ["app", "--service-name", "x"]


def test_a_foreign_interpreter_says_so_once_and_runs_unchanged(tmp_path: Path) -> None:
    """An environment of its own, without trax_otel, that starts a child of its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(2)']); print(1)"
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "trax_otel", "run", "--", python, "-c", script],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert sorted(done.stdout.split()) == ["1", "2"]
    assert done.stderr.count("cannot import trax_otel") == 1


def test_an_existing_sitecustomize_still_runs(tmp_path: Path, endpoint: OtlpEndpoint) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    done = run("--", sys.executable, "-c", "print('script')", endpoint=endpoint, PYTHONPATH=str(tmp_path))
    assert done.stdout == "theirs\ntheirs\nscript\n"  # once in the interpreter of `run` itself, once in the script's


def test_the_disabled_sdk_starts_nothing(endpoint: OtlpEndpoint) -> None:
    before = len(endpoint.requests)
    script = "import sys; print('trax_otel' in sys.modules or 'opentelemetry' in sys.modules)"
    done = run("--", sys.executable, "-c", script, endpoint=endpoint, OTEL_SDK_DISABLED="true")
    assert done.stdout == "False\n"
    assert len(endpoint.requests) == before


def test_opentelemetry_instrument_does_the_same(endpoint: OtlpEndpoint) -> None:
    before = len(endpoint.requests)
    environ: dict[str, Any] = {
        **os.environ, "OTEL_PYTHON_DISTRO": "trax", "OTEL_PYTHON_CONFIGURATOR": "trax",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.url,
    }  # fmt: skip
    tool = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    done = subprocess.run(
        [tool, sys.executable, "-c", "import logging; logging.error('seen'); 1/0"],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not any("logs" in got.path for got in endpoint.requests[before:]):
        time.sleep(0.05)
    bodies = [
        record.body.string_value
        for got in endpoint.requests[before:]
        if got.path.endswith("logs")
        for resource in got.message.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
    assert "seen" in bodies
    assert any("ZeroDivisionError" in body for body in bodies)
