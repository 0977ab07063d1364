"""The transcription example runs for real: its provider fails, and one trace tells what was done about it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from support.services import SOON, lean, observed, until
from trax_otel import semconv
from trax_otel.local.model import Filter, Span
from trax_otel.local.queries import Queries
from trax_otel.local.server import start

EXAMPLE = Path(__file__).parents[2] / "examples" / "transcription"
OPEN_SECONDS = 4.0
pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("transcription")]


class Running:
    """A script of the example that is ready."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self._process = process

    def kill(self) -> None:
        """End it without a word."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)


@contextmanager
def running(endpoint: str, service: str, folder: Path, *command: str) -> Iterator[Running]:
    """Run a script of the example under `trax-otel run`, until it says that it is ready and then inside the block."""
    output = folder / f"{service}.txt"
    environ = {**os.environ, **SOON, **lean("starlette", "requests"), "TRAX_LOG_LEVEL": "INFO"}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            observed(endpoint, service, [sys.executable, *command, "--port", "0"]),
            cwd=EXAMPLE, env=environ, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    try:
        ready = until(
            lambda: process.poll() is not None or re.search(r"ready on (http://\S+)", output.read_text()), service, 40
        )
        assert ready is not True, output.read_text()
        yield Running(process, ready[1])
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


class Client:
    """Sends recordings to the service."""

    def __init__(self, service: str, provider: str) -> None:
        self.service = service
        self.provider = provider

    def transcribe(self, audio: bytes, key: str) -> tuple[int, Any]:
        """Status and answer."""
        request = urllib.request.Request(f"{self.service}/transcriptions", audio, {"Idempotency-Key": key})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def order(self, **faults: Any) -> None:
        """Let the provider fail."""
        body = json.dumps(faults).encode()
        request = urllib.request.Request(f"{self.provider}/faults", body, method="PUT")
        urllib.request.urlopen(request, timeout=10).close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Queries]]:
    """What came back from each request, and what was told of it all; the services have ended."""
    folder = tmp_path_factory.mktemp("transcription")
    tomorrow, dollars = ((EXAMPLE / "audio" / name).read_bytes() for name in ("tomorrow.wav", "dollars.wav"))
    came: dict[str, Any] = {}
    with start(http_port=0, grpc_port=0, path=folder / "local.db") as endpoint:
        faults = ("--fail", "unavailable,busy,slow")
        with running(endpoint.url, "provider", folder, "provider.py", *faults) as provider:
            options = ("--provider", provider.url, "--folder", str(folder), "--open-seconds", str(OPEN_SECONDS))
            with running(endpoint.url, "transcription", folder, "service.py", *options) as service:
                client = Client(service.url, provider.url)
                came["failing"] = client.transcribe(tomorrow, "failing")
                came["again"] = client.transcribe(tomorrow, "failing")
                came["rejected"] = client.transcribe(dollars, "rejected")
                came["no audio"] = client.transcribe(b"no audio", "no audio")
                time.sleep(OPEN_SECONDS)
                came["working"] = client.transcribe(dollars, "working")
                client.order(always="unavailable")
                came["cached"] = client.transcribe(dollars, "cached")
        queries = Queries(endpoint.path)
        yield came, queries
        queries.close()


def trace_of(queries: Queries, operation_id: str) -> list[Span]:
    """The trace of the first request with this key: it did the work, so it is the longest."""
    traces = [queries.trace(summary.trace_id) for summary in queries.traces(Filter(limit=100))]
    found = [
        spans
        for spans in traces
        if any(operation_id == span.attributes.get(semconv.STATE_OPERATION_ID) for span in spans)
    ]
    assert found, f"no trace of {operation_id}"
    return max(found, key=len)


def named(spans: list[Span], name: str, service: str = "transcription") -> list[Span]:
    return [span for span in spans if span.name == name and span.service == service]


def test_recordings_are_recognised_whatever_the_provider_does(told) -> None:
    came, _ = told
    assert came == {
        "failing": (200, {"text": "tomorrow morning"}),
        "again": (200, {"text": "tomorrow morning"}),
        "rejected": (200, {"text": "five hundred thousand dollars"}),
        "no audio": (422, came["no audio"][1]),
        "working": (200, {"text": "Five hundred thousand dollars."}),
        "cached": (200, {"text": "Five hundred thousand dollars."}),
    }
    assert came["no audio"][1]["error"] == "TRAX-004"


def test_one_trace_tells_of_three_tries_the_breaker_and_the_recogniser(told) -> None:
    spans = trace_of(told[1], "failing")
    parents = {span.span_id: span for span in spans}
    attempts = sorted(named(spans, semconv.RETRY_ATTEMPT_SPAN), key=lambda span: span.attributes[semconv.RETRY_ATTEMPT])
    assert [span.error_code for span in attempts] == ["TRAX-012", "TRAX-012", "TRAX-005"]
    served = named(spans, "POST /transcribe", "provider")
    assert len(served) == 3  # the context went along: the provider's spans are in the same trace
    assert {parents[span.parent_id].name for span in served} == {"POST"}
    events = [event.name for event in attempts[-1].events]
    assert semconv.BREAKER_STATE_CHANGED_EVENT in events
    (operation,) = named(spans, "ProviderClient.transcribe")
    waits = [event.attributes[semconv.RETRY_DELAY_SOURCE] for event in operation.events
             if event.name == semconv.RETRY_SCHEDULED_EVENT]  # fmt: skip
    assert waits == ["backoff", "retry_after"]
    outcomes = {span.attributes[semconv.RECOVERY_FALLBACK]: span.attributes[semconv.RECOVERY_OUTCOME]
                for span in named(spans, semconv.RECOVERY_FALLBACK_SPAN)}  # fmt: skip
    assert outcomes == {"cached_transcription": "skipped", "recogniser": "recovered"}
    (recognised,) = named(spans, "recognise")
    assert parents[recognised.parent_id].attributes[semconv.RECOVERY_FALLBACK] == "recogniser"
    (root,) = named(spans, "POST /transcriptions")
    assert (root.parent_id, root.status) == (None, "unset")


def test_a_rejection_links_to_the_attempt_that_opened_the_breaker(told) -> None:
    failing, rejected = trace_of(told[1], "failing"), trace_of(told[1], "rejected")
    (rejection,) = [span for span in rejected if span.links]
    attempts = named(failing, semconv.RETRY_ATTEMPT_SPAN)
    assert rejection.links[0].span_id == max(attempts, key=lambda span: span.start_ns).span_id
    assert not named(rejected, "POST /transcribe", "provider")


def test_the_kept_answer_says_how_old_it_was(told) -> None:
    (fallback,) = named(trace_of(told[1], "cached"), semconv.RECOVERY_FALLBACK_SPAN)
    assert fallback.attributes[semconv.RECOVERY_FALLBACK] == "cached_transcription"
    assert fallback.attributes[semconv.RECOVERY_CACHE_STALE] is True
    assert 0 < fallback.attributes[semconv.RECOVERY_CACHE_AGE] < 30
    used = {
        series.attributes.get(semconv.RECOVERY_FALLBACK) for series in told[1].metric(semconv.RECOVERY_FALLBACKS.name)
    }
    assert {"recogniser", "cached_transcription"} <= used


def test_what_a_killed_service_was_doing_is_done_by_the_next_one(tmp_path: Path) -> None:
    audio = (EXAMPLE / "audio" / "dollars.wav").read_bytes()
    with start(http_port=0, grpc_port=0, path=tmp_path / "local.db") as endpoint:
        with running(endpoint.url, "provider", tmp_path, "provider.py", "--fail", "slow") as provider:
            options = ("--provider", provider.url, "--folder", str(tmp_path), "--lease-seconds", "1")
            with running(endpoint.url, "transcription", tmp_path, "service.py", *options) as service:
                request = threading.Thread(
                    target=ask_in_vain, args=(Client(service.url, provider.url), audio, "killed")
                )
                request.start()
                until(lambda: list(tmp_path.glob("????????*.wav")), "the recording")
                time.sleep(0.5)
                service.kill()
                request.join()
            time.sleep(1.0)
            with running(endpoint.url, "transcription", tmp_path, "service.py", *options) as service:
                answer = Client(service.url, provider.url).transcribe(audio, "killed")
        assert answer == (200, {"text": "Five hundred thousand dollars."})
        queries = Queries(endpoint.path)
        (resumed,) = [
            span for span in trace_of(queries, "killed") if span.attributes.get(semconv.STATE_RECOVERIES) == 1
        ]
        assert resumed.links
        queries.close()


def ask_in_vain(client: Client, audio: bytes, key: str) -> None:
    with suppress(OSError, http.client.HTTPException):
        client.transcribe(audio, key)
