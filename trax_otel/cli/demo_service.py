"""The demo's programs, each in a process of its own under `trax-otel run`: the service, and those who visit it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from ..local.schema import private_file

if TYPE_CHECKING:
    from typing_extensions import Self

COMMAND: Final = "gunicorn -w 2 httpbin:app"
"""What a user would type after `trax-otel run --`."""
_LISTENING: Final = re.compile(r"Listening at: (http://\S+)")
_START_SECONDS: Final = 25.0
_STOP_SECONDS: Final = 8.0
_LAST_LINES: Final = 45


class ServiceError(Exception):
    """The service cannot be run; the text says why, with the last lines of its output."""


class Program:
    """A command under `trax-otel run`, in a process group of its own; what it says on stderr (and stdout) goes to a file."""

    def __init__(
        self, name: str, command: list[str], *, endpoint: str, output: Path, stdout: int | None = None
    ) -> None:
        self._output = output
        with private_file(output) as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trax_otel", "run", "--quiet", "--service-name", name, "--endpoint", endpoint, "--",
                 *command],
                stdout=log if stdout is None else stdout, stderr=log, stdin=subprocess.DEVNULL, env=_environment(),
                start_new_session=True,
            )  # fmt: skip

    def close(self) -> None:
        """End it as an operator would, and make sure that none of its processes is left."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left (macOS says it the second way)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def printed(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(errors="replace")

    def failed(self, problem: str) -> ServiceError:
        """An error about it, with the last lines of its output."""
        lines = self.printed().splitlines()[-_LAST_LINES:] or ["(it printed nothing)"]
        return ServiceError(f"{problem}." + "".join(f"\n  | {line}" for line in lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Service(Program):
    """httpbin under gunicorn with two workers, unchanged, on a free port."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        missing = [name for name in ("gunicorn", "httpbin", "requests") if importlib.util.find_spec(name) is None]
        if missing:
            raise ServiceError(f"not installed: {', '.join(missing)}. Run: pip install 'trax-otel[demo]'")
        self.url = ""
        program, *arguments = COMMAND.split()
        command = [program, "--bind", "127.0.0.1:0", *_without_control_socket(), *arguments]
        super().__init__("httpbin", command, endpoint=endpoint, output=folder / "demo-service.log")

    def wait_until_it_answers(self) -> None:
        """Return when a request was answered. Raises ServiceError where it ended, or took too long."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            status = self.process.poll()
            if status is not None:
                raise self.failed(f"the service ended with status {status} instead of starting")
            found = _LISTENING.search(self.printed())
            if found:
                self.url = found[1]
                if _answers(f"{self.url}/status/200"):
                    return
            time.sleep(0.1)
        raise self.failed(f"the service did not answer within {_START_SECONDS:.0f} s")


class Visitors(Program):
    """The program that sends the requests; `lines` gives one line after each."""

    def __init__(self, url: str, endpoint: str, folder: Path, *, forever: bool = False) -> None:
        command = [sys.executable, "-m", "trax_otel.cli.demo_traffic", url, *(["--forever"] if forever else [])]
        output = subprocess.DEVNULL if forever else subprocess.PIPE
        super().__init__("visitors", command, endpoint=endpoint, output=folder / "demo-visitors.log", stdout=output)

    @property
    def lines(self) -> IO[bytes]:
        """Its stdout."""
        assert self.process.stdout is not None
        return self.process.stdout


def _without_control_socket() -> list[str]:
    """Newer gunicorns leave a socket in the user's folder unless told otherwise."""
    from gunicorn.config import KNOWN_SETTINGS  # type: ignore[import-untyped,unused-ignore]

    known = any(getattr(setting, "name", "") == "control_socket_disable" for setting in KNOWN_SETTINGS)
    return ["--no-control-socket"] if known else []


def _environment() -> dict[str, str]:
    """The user's environment without settings of telemetry, which are not meant for the demo; exports come quickly."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRAX_"))}
    programs = str(Path(sys.executable).parent)
    environ["PATH"] = os.pathsep.join([programs, environ.get("PATH", os.defpath)])
    environ |= {
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "OTEL_BLRP_SCHEDULE_DELAY": "300",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    return environ


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
