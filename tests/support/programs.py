"""Programs of `.venv-services` that nobody here wrote: bare, and under `trax-otel run`; whatever hangs is killed hard."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.services import SOON, free_port, until

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / ".venv-services" / "bin"
PYTHON = str(PROGRAMS / "python")
PATIENCE = 60.0
"""Seconds after which a program counts as hanging."""


def program(name: str) -> str:
    """The path of a program of that environment."""
    return str(PROGRAMS / name)


def under_run(endpoint_url: str, service: str, command: list[str], *options: str) -> list[str]:
    """The command line that runs a command of that environment under `trax-otel run`."""
    run = [program("trax-otel"), "run", "--endpoint", endpoint_url, "--service-name", service, *options]
    return [*run, "--", *command]


@dataclass(frozen=True)
class Ended:
    """What a program left behind. `status` is None where it hung and was killed."""

    status: int | None
    out: str
    err: str


def end_of(command: list[str], folder: Path, seconds: float = PATIENCE, **environ: str) -> Ended:
    """Run a program to its end; one that hangs is killed with all that it started."""
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **SOON, **environ}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        out, err = process.communicate(timeout=10)
        return Ended(None, out, err)
    finally:
        kill(process)
    return Ended(process.returncode, out, err)


def kill(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a program and all of its session that is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A redis-server of the test's own, as its URL."""
    found = shutil.which("redis-server")
    assert found is not None, "redis-server is installed by tools/services/install.sh"
    port = free_port()
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(folder)}
    command = [found, *(word for name, value in options.items() for word in (f"--{name}", value))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: _answers(port), "redis-server")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()


def _answers(port: int) -> bool:
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), 1) as client:
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False
