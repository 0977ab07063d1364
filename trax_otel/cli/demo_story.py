"""The demo's second part: examples/transcription, whose provider fails, told as one trace."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .. import semconv
from .demo_service import Program, ServiceError

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self

    from ..local.queries import Queries

RECORDING: Final = "tomorrow.wav"
FAULTS: Final = ("unavailable", "busy", "slow")
_NEEDED: Final = ("pocketsphinx", "sqlalchemy", "starlette", "uvicorn", "requests")
_READY: Final = re.compile(r"ready on (http://\S+)")
_START_SECONDS: Final = 25.0
_ANSWER_SECONDS: Final = 20.0
_ARRIVAL_SECONDS: Final = 10.0


def example_folder() -> Path:
    """Where the example is: beside the package's modules in an installation, in examples/ of a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "examples" / "transcription"
    return installed if installed.is_dir() else package.parent / "examples" / "transcription"


def missing() -> list[str]:
    """What has to be installed before the story can be told."""
    return [name for name in _NEEDED if importlib.util.find_spec(name) is None]


class Script(Program):
    """One of the example's two programs, on a free port."""

    def __init__(self, name: str, script: str, endpoint: str, folder: Path, *options: str) -> None:
        self.name = name
        command = [sys.executable, str(example_folder() / script), "--port", "0", *options]
        super().__init__(name, command, endpoint=endpoint, output=folder / f"demo-{name}.log")

    def wait_until_ready(self) -> str:
        """Its address, once it listens. Raises ServiceError where it ended, or took too long."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            found = _READY.search(self.printed())
            if found:
                return found[1]
            if self.process.poll() is not None:
                raise self.failed(f"the {self.name} ended with status {self.process.returncode} instead of starting")
            time.sleep(0.05)
        raise self.failed(f"the {self.name} was not ready within {_START_SECONDS:.0f} s")


class Story:
    """A provider that fails three times, a service that asks it, and two requests. To be used by `with`."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._endpoint = endpoint
        self._folder = folder
        self._state = tempfile.TemporaryDirectory(prefix="trax-demo-")  # what an earlier demo kept would answer at once
        self._provider = Script("provider", "provider.py", endpoint, folder, "--fail", ",".join(FAULTS))
        self._service: Script | None = None

    def tell(self) -> tuple[str, str]:
        """Send the two requests; what each was answered."""
        provider = self._provider.wait_until_ready()
        self._service = Script("transcription", "service.py", self._endpoint, self._folder,
                               "--provider", provider, "--folder", self._state.name)  # fmt: skip
        url = self._service.wait_until_ready()
        return self._transcribe(url), self._transcribe(url)

    def _transcribe(self, url: str) -> str:
        assert self._service is not None
        audio = (example_folder() / "audio" / RECORDING).read_bytes()
        try:
            with urllib.request.urlopen(f"{url}/transcriptions", audio, _ANSWER_SECONDS) as answer:
                text: str = json.load(answer)["text"]
                return text
        except (OSError, urllib.error.URLError, ValueError, KeyError) as error:
            raise self._service.failed(f"the transcription service did not answer: {error}") from None

    def close(self) -> None:
        """End both programs, and remove what they kept."""
        for program in (self._service, self._provider):
            if program is not None:
                program.close()
        self._state.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def story_trace(queries: Queries) -> str | None:
    """The trace of the first request: the one with the attempts. Waits until its last span, the request's own, is there."""
    from ..local.model import Filter

    wanted = Filter(service="transcription", limit=100)
    end = time.monotonic() + _ARRIVAL_SECONDS
    while time.monotonic() < end:
        for summary in queries.traces(wanted):
            spans = queries.trace(summary.trace_id)
            names = [span.name for span in spans]
            whole = any(span.kind == "server" and span.service == "transcription" for span in spans)
            if whole and names.count(semconv.RETRY_ATTEMPT_SPAN) >= len(FAULTS):
                return summary.trace_id
        time.sleep(0.1)
    return None


def print_whole_trace(queries: Queries, trace_id: str, console: Console) -> None:
    """A trace with its log lines, and with what links lead to and from."""
    from ..local import terminal
    from ..local.links import incoming, targets
    from ..local.model import Filter

    spans = queries.trace(trace_id)
    logs = queries.logs(Filter(trace_id=trace_id))
    terminal.print_trace(
        console, spans, logs, targets=targets(queries, spans), incoming=incoming(queries, trace_id)
    )  # fmt: skip


def show(queries: Queries, answers: tuple[str, str], console: Console) -> None:
    """The trace, and what the service tells of its retries and its breaker. Raises ServiceError where nothing arrived."""
    from ..local import terminal
    from ..local.model import Filter

    trace_id = story_trace(queries)
    if trace_id is None:
        raise ServiceError(f"the transcription service answered, but no trace of it came in {_ARRIVAL_SECONDS:.0f} s")
    console.print("\n[bold]One request whose provider failed[/bold] (examples/transcription)")
    console.print(
        f"the provider failed three times ({', '.join(FAULTS)}), its breaker opened, and a real recogniser here answered:"
        f" {answers[0]!r}; the next request did not wait for the provider: {answers[1]!r}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    print_whole_trace(queries, trace_id, console)
    wanted = Filter(service="transcription")
    terminal.print_retries(console, queries.retries(wanted))
    terminal.print_breakers(console, queries.breakers(wanted))
