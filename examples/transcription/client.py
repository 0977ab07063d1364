"""The client of the primary provider: three tries, and a circuit breaker that leaves it alone when it keeps failing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import requests

from trax_otel.recovery import fallback_point
from trax_otel.retry import CircuitBreaker, async_retry

PATIENCE = 1.5
"""Seconds until an answer counts as not coming."""


class ProviderClient:
    """Transcribes by the provider at `url`. Its breaker opens after three failures in a row, for `open_seconds`."""

    def __init__(self, url: str, open_seconds: float) -> None:
        self.url = url
        self.breaker = CircuitBreaker(name="provider", failure_threshold=3, timeout=open_seconds)

    @fallback_point
    @async_retry(max_retries=2, initial_delay=0.2, max_delay=2.0)
    async def transcribe(self, audio_file: str) -> str:
        """What is said in a WAV file. Raises what requests raises, and CircuitOpenError while the provider is left alone."""
        transcript: str = await self.breaker.acall(asyncio.to_thread, self.ask, audio_file)
        return transcript

    def ask(self, audio_file: str) -> str:
        """One request. Its key tells the provider, and whoever classifies its errors, that it may safely be sent again."""
        recording = Path(audio_file)
        answer = requests.post(
            f"{self.url}/transcribe",
            data=recording.read_bytes(),
            headers={"Idempotency-Key": recording.stem},
            timeout=PATIENCE,
        )
        answer.raise_for_status()
        return str(answer.json()["text"])
