"""Every snippet of the specification's sections 3 and 4, its service and batch patterns, and its test of recovery."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.specification import execute, resilience
from trax_otel import clock
from trax_otel.errors import APIError, NetworkError, ProcessingError
from trax_otel.errors import ConnectionError as TraxConnectionError
from trax_otel.recovery import (
    FallbackManager,
    MemoryStorage,
    RecoveryContext,
    RecoveryManager,
    StateRecoveryManager,
    fallback_point,
)
from trax_otel.retry import CircuitOpenError
from trax_otel.testing import CapturedTelemetry, FakeClock


@pytest.fixture(autouse=True)
def time() -> Iterator[FakeClock]:
    """Nobody waits."""
    fake = FakeClock()
    with clock.use(fake):
        yield fake


class Failing:
    """Fails so many times, then answers; callable as a function and as a coroutine function."""

    def __init__(self, failures: int, error: Exception | None = None, answer: str = "answer") -> None:
        self.failures = failures
        self.error = error or ConnectionError("refused")
        self.answer = answer
        self.calls = 0

    def request(self, *_: Any) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.answer

    async def async_request(self, *_: Any) -> str:
        return self.request()


# --- Section 3: retry -----------------------------------------------------------------------------


async def test_retry(time: FakeClock) -> None:
    sync, coroutine, function = Failing(3), Failing(5), Failing(2)
    external_api = type("Api", (), {"request": sync.request, "async_request": coroutine.async_request})
    namespace = await execute(resilience.RETRY, external_api=external_api, api_function=function.async_request)
    assert (namespace["result"], function.calls) == ("answer", 3)
    assert namespace["api_call"]() == "answer"
    assert await namespace["async_api_call"]() == "answer"
    assert (sync.calls, coroutine.calls) == (4, 6)
    first = time.sleeps[2]  # after the two of the context manager
    assert 0.9 <= first <= 1.1


async def test_circuit_breaker(time: FakeClock) -> None:
    namespace = await execute(resilience.CIRCUIT_BREAKER, NetworkError=NetworkError)
    breaker = namespace["circuit_breaker"]
    service = Failing(5)
    for _ in range(5):
        with pytest.raises(ConnectionError):
            breaker.call(service.request)
    with pytest.raises(CircuitOpenError) as rejected:
        breaker.call(service.request)
    assert (service.calls, rejected.value.retryable, rejected.value.retry_after) == (5, True, 60.0)
    time.advance(60.0)
    assert breaker.call(service.request) == "answer"  # the one test request
    assert breaker.call(service.request) == "answer"


# --- Section 4: recovery --------------------------------------------------------------------------


async def test_recovery_by_fallback(trax_telemetry: CapturedTelemetry) -> None:
    whisper = Failing(9)
    basic = Failing(9, OSError("no model"))
    cached = Failing(0, answer="hello (cached)")
    error = TraxConnectionError("whisper is away")
    namespace = await execute(
        resilience.RECOVERY,
        whisper_transcribe=whisper.async_request,
        basic_transcribe=basic.request,
        cached_transcribe=cached.async_request,
        context=RecoveryContext("transcribe", error, arguments=(("speech.wav",), {})),
    )
    assert namespace["result"] == "hello (cached)"
    assert (basic.calls, cached.calls) == (1, 1)
    assert trax_telemetry.span("recover").attributes["trax.recovery.outcome"] == "recovered"


async def test_transcription_fallbacks() -> None:
    class WhisperService:
        async def transcribe(self, audio: str) -> str:
            raise ConnectionError("whisper is away")

    stored: dict[str, str] = {}
    primary = Failing(1, answer="from the primary")
    given = {
        "whisper_service": WhisperService(),
        "cache_store": stored.__setitem__,
        "cache_retrieve": stored.get,
        "audio_file": "speech.wav",
    }
    stored["speech.wav"] = "heard before"
    namespace = await execute(resilience.TRANSCRIPTION_FALLBACK, transcribe_function=primary.async_request, **given)
    assert namespace["result"] == "heard before"
    namespace = await execute(resilience.TRANSCRIPTION_FALLBACK, transcribe_function=primary.async_request, **given)
    assert namespace["result"] == "from the primary"


@pytest.mark.parametrize("interrupted", [False, True])
async def test_state_recovery(interrupted: bool) -> None:
    storage = MemoryStorage()
    recovered: list[str] = []

    async def resume(state: Any) -> str:
        recovered.append(state.operation_id)
        return "resumed"

    manager = StateRecoveryManager(storage)
    manager.register_recovery("transcription", resume)

    async def transcribe_audio(file: str) -> str:
        if interrupted:
            raise KeyboardInterrupt
        return f"text of {file}"

    given = {"storage": storage, "transcribe_audio": transcribe_audio, "audio_file": "a.wav"}
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            await execute(resilience.STATE, **given)
        (operation,) = await manager.list_interrupted_operations()
        found = await manager.recover_operation(operation.operation_id)
        assert found is not None
        assert (found.status, recovered) == ("completed", ["transcription_123"])
        return
    namespace = await execute(resilience.STATE, **given)
    assert namespace["result"] == "text of a.wav"
    assert namespace["interrupted_ops"] == []
    operation = await manager.get_operation("transcription_123")
    assert operation is not None
    assert (operation.status, operation.correlation_id) == ("completed", "corr_456")


# --- The patterns ---------------------------------------------------------------------------------


async def service_with(client: Any, manager: Any) -> Callable[[str], Awaitable[str]]:
    namespace = await execute(resilience.SERVICE, os=os)
    service = namespace["TranscriptionService"]()
    service.whisper_client, service.fallback_manager = client, manager
    transcribe: Callable[[str], Awaitable[str]] = service.transcribe_audio
    return transcribe


async def test_the_service_pattern(tmp_path: Path, trax_telemetry: CapturedTelemetry) -> None:
    audio = tmp_path / "speech.wav"
    audio.write_bytes(b"RIFF")
    failing = Failing(9)

    class Client:
        @fallback_point
        async def transcribe(self, file: str) -> str:
            return failing.request()

    manager = FallbackManager()
    manager.add_fallback(lambda file: f"heard {Path(file).name}", name="local recogniser")
    transcribe = await service_with(Client(), manager)
    assert await transcribe(str(audio)) == "heard speech.wav"
    assert failing.calls == 1
    assert trax_telemetry.span("fallback").attributes["trax.recovery.fallback"] == "local recogniser"


async def test_the_service_pattern_retries_what_it_wraps(tmp_path: Path) -> None:
    """`create_api_error(…, original_error=e)` keeps the retryability of what it wraps."""
    audio = tmp_path / "speech.wav"
    audio.write_bytes(b"RIFF")
    twice, always = Failing(2), Failing(9)
    client = type("Client", (), {"transcribe": staticmethod(twice.async_request)})
    assert await (await service_with(client, FallbackManager()))(str(audio)) == "answer"
    assert twice.calls == 3
    client = type("Client", (), {"transcribe": staticmethod(always.async_request)})
    with pytest.raises(APIError) as caught:
        await (await service_with(client, FallbackManager()))(str(audio))
    assert always.calls == 4
    assert isinstance(caught.value.original_error, ConnectionError)


async def test_the_batch_pattern() -> None:
    storage = MemoryStorage()
    namespace = await execute(resilience.BATCH, storage=storage, List=list)
    processor = namespace["BatchProcessor"]()

    async def process_file(file: str) -> str:
        if file == "bad":
            raise ValueError("not audio")
        return f"text of {file}"

    processor.process_file = process_file
    with pytest.raises(ProcessingError, match="Failed to process bad"):
        await processor.process_batch(["one", "two", "bad", "never"])
    operations = await processor.state_manager.list_operations()
    assert {operation.operation_id: operation.status for operation in operations} == {
        "batch_one": "completed",
        "batch_two": "completed",
        "batch_bad": "failed",
    }


async def test_the_recovery_test() -> None:
    namespace: dict[str, Any] = {"RecoveryManager": RecoveryManager}
    exec(compile(resilience.RECOVERY_TEST, "<specification>", "exec"), namespace)
    await namespace["test_recovery_strategies"]()
