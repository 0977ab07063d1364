"""A real recogniser on this machine: pocketsphinx, whose wheel carries its English model. Worse than a provider's, and
always there."""

from __future__ import annotations

import asyncio
import threading
import wave

import pocketsphinx

from trax_otel.errors import FormatError
from trax_otel.logging import timing_context

RATE = 16_000
"""Samples a second that its model was trained on."""


class Recogniser:
    """Takes WAV files of 16-bit samples, one channel, 16 kHz; one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoder: pocketsphinx.Decoder | None = None

    async def transcribe(self, audio_file: str) -> str:
        """What is said in the file, in lower case. Raises FormatError where it is another kind of file."""
        return await asyncio.to_thread(self.recognise, audio_file)

    def recognise(self, audio_file: str) -> str:
        """`transcribe` in this thread."""
        samples = samples_of(audio_file)
        with timing_context("recognise"), self._lock:
            if self._decoder is None:
                self._decoder = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL")
            self._decoder.start_utt()
            self._decoder.process_raw(samples, full_utt=True)
            self._decoder.end_utt()
            found = self._decoder.hyp()
        return str(found.hypstr) if found is not None else ""


def samples_of(audio_file: str) -> bytes:
    """The file's samples."""
    try:
        with wave.open(audio_file, "rb") as audio:
            if (audio.getframerate(), audio.getsampwidth(), audio.getnchannels()) != (RATE, 2, 1):
                raise FormatError(f"{audio_file}: 16-bit samples, one channel, {RATE} a second are needed")
            return audio.readframes(audio.getnframes())
    except (wave.Error, EOFError) as error:
        raise FormatError(f"{audio_file} is no WAV file", original_error=error) from error
