"""The transcription service. From this folder, with the provider running (provider.py):

trax-otel run --local --service-name transcription -- python service.py --port 8000
curl --data-binary @audio/tomorrow.wav localhost:8000/transcriptions
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from client import ProviderClient
from recogniser import Recogniser, samples_of
from serving import serve
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trax_otel.errors import TraxError, ValidationError, classify_error, create_api_error
from trax_otel.logging import get_logger, timing_context
from trax_otel.recovery import (
    AsyncOperationState,
    ResponseCache,
    SQLStorage,
    StateRecoveryManager,
    TranscriptionFallbackManager,
    fallback_context,
    operation_state_context,
)
from trax_otel.retry import async_retry

if TYPE_CHECKING:
    from starlette.requests import Request

OPERATION = "transcription"
logger = get_logger(__name__)


class TranscriptionService:
    """The provider first; when it fails, what it said before of this recording; else the recogniser here."""

    def __init__(self, whisper_client: ProviderClient) -> None:
        self.whisper_client = whisper_client
        self.fallback_manager = TranscriptionFallbackManager()

    async def prepare(self) -> None:
        """Add the fallbacks."""
        kept = ResponseCache(stale_for=24 * 3600.0, max_entries=10_000)
        await self.fallback_manager.add_cached_transcription_fallback(kept.put, kept.get)
        await self.fallback_manager.add_whisper_fallback(Recogniser(), name="recogniser")

    @async_retry(max_retries=3)
    async def transcribe_audio(self, audio_file: str) -> str:
        """What is said in a WAV file. Raises APIError where nobody could tell."""
        with timing_context("transcription_operation") as timer:
            try:
                async with fallback_context(self.fallback_manager):
                    result = await self.whisper_client.transcribe(audio_file)
                size = os.path.getsize(audio_file)  # noqa: ASYNC240, PTH202 — as the specification has it
                logger.info("Transcription completed", extra={"duration_ms": timer.duration_ms, "file_size": size})
                return result
            except Exception as e:
                error = classify_error(e)
                logger.error(
                    "Transcription failed", extra={"error_code": error.error_code, "error_type": type(e).__name__}
                )
                raise create_api_error("Transcription service failed", original_error=e) from e


def application(service: TranscriptionService, state_manager: StateRecoveryManager, folder: Path) -> Starlette:
    """The web service. A request's `Idempotency-Key` names its operation: sent again, it gets the same answer."""

    async def finish(state: AsyncOperationState) -> None:
        text = await state.step("transcribe", service.transcribe_audio, state.arguments["audio_file"])
        state.set_result({"text": text})

    state_manager.register_recovery(OPERATION, finish)

    async def transcribe(request: Request) -> Response:
        audio_file = keep(await request.body(), folder)
        samples_of(audio_file)  # whoever sends something else learns it at once: no provider could do better
        operation_id = request.headers.get("Idempotency-Key") or str(uuid.uuid4())
        arguments = {"audio_file": audio_file}
        async with operation_state_context(
            state_manager, operation_id, operation_type=OPERATION, arguments=arguments
        ) as state:
            if not state.completed:
                await finish(state)
        return JSONResponse(state.result, headers={"Idempotency-Key": operation_id})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.prepare()
        await state_manager.recover_all()  # what an earlier process was in the middle of
        yield
        await state_manager.close()

    routes = [Route("/transcriptions", transcribe, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={TraxError: refused})


async def refused(request: Request, error: Exception) -> Response:
    """Whoever calls gets the code; trace and log have the rest."""
    assert isinstance(error, TraxError)
    status = 422 if isinstance(error, ValidationError) else 503
    return JSONResponse({"error": error.error_code, "message": str(error), "retryable": error.retryable}, status)


def keep(audio: bytes, folder: Path) -> str:
    """The file with this recording; its content gives the name, so the same recording is the same file."""
    file = folder / f"{hashlib.sha256(audio).hexdigest()}.wav"
    if not file.exists():
        file.write_bytes(audio)
    return str(file)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Transcribes recordings, whatever its provider does.")
    parser.add_argument("--port", type=int, default=8000, help="0: a free one")
    parser.add_argument("--provider", default="http://127.0.0.1:8001", metavar="URL")
    parser.add_argument("--open-seconds", type=float, default=10.0, help="how long a failing provider is left alone")
    parser.add_argument(
        "--lease-seconds", type=float, default=30.0, help="when a silent operation counts as interrupted"
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "transcription-example",
                        help="where recordings and state are kept")  # fmt: skip
    options = parser.parse_args()
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    storage = SQLStorage(f"sqlite:///{options.folder / 'state.db'}")
    state_manager = StateRecoveryManager(storage, lease_seconds=options.lease_seconds)
    service = TranscriptionService(ProviderClient(options.provider, options.open_seconds))
    serve(application(service, state_manager, options.folder), "service", options.port)


if __name__ == "__main__":
    main()
