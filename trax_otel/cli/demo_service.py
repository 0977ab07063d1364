"""The demo's service: a third-party program in processes of its own, started, watched and ended."""

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
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Self

COMMAND: Final = "gunicorn -w 2 httpbin:app"
"""What a user would type after `trax-otel run --`."""
_LISTENING: Final = re.compile(r"Listening at: (http://\S+)")
_START_SECONDS: Final = 25.0
_STOP_SECONDS: Final = 8.0
_LAST_LINES: Final = 15


class ServiceError(Exception):
    """The service cannot be run; the text says why, with the last lines of its output."""


class Service:
    """httpbin under gunicorn with two workers, run by `trax-otel run`, unchanged."""

    def __init__(self, endpoint: str, output: Path) -> None:
        missing = [name for name in ("gunicorn", "httpbin") if importlib.util.find_spec(name) is None]
        if missing:
            raise ServiceError(f"{' and '.join(missing)} not installed: pip install 'trax-otel[demo]'")
        self.url = ""
        self._output = output
        program, *arguments = COMMAND.split()
        with output.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trax_otel", "run", "--quiet", "--service-name", "httpbin", "--endpoint", endpoint,
                 "--", program, "--bind", "127.0.0.1:0", *arguments],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=_environment(), start_new_session=True,
            )  # fmt: skip

    def wait_until_it_answers(self) -> None:
        """Return when a request was answered. Raises ServiceError where it ended, or took too long."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            status = self._process.poll()
            if status is not None:
                raise ServiceError(f"the service ended with status {status} instead of starting.{self._last_lines()}")
            found = _LISTENING.search(self._output.read_text(errors="replace"))
            if found:
                self.url = found[1]
                if _answers(f"{self.url}/status/200"):
                    return
            time.sleep(0.1)
        raise ServiceError(f"the service did not answer within {_START_SECONDS:.0f} s.{self._last_lines()}")

    def failed(self, problem: str) -> ServiceError:
        """An error about the running service, with the last lines of its output."""
        return ServiceError(f"{problem}.{self._last_lines()}")

    def close(self) -> None:
        """End it as an operator would, and make sure that none of its processes is left."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left (macOS says it the second way)
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _last_lines(self) -> str:
        lines = self._output.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "".join(f"\n  | {line}" for line in lines) or "\n  | (it printed nothing)"


def _environment() -> dict[str, str]:
    """The user's environment without settings of telemetry, which are not meant for the demo; exports come quickly."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRAX_"))}
    programs = str(Path(sys.executable).parent)
    environ["PATH"] = os.pathsep.join([programs, environ.get("PATH", os.defpath)])
    environ |= {
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "OTEL_BLRP_SCHEDULE_DELAY": "300",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "",
    }
    return environ


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
