"""Fallbacks for transcribing speech, as the specification has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import InvalidConfigError
from .cached import CachedFallback
from .manager import FallbackManager

if TYPE_CHECKING:
    from ...retry.conditions import Condition
    from .cache import KeyFunction


class TranscriptionFallbackManager(FallbackManager):
    """A `FallbackManager` whose operations take an audio file first: recognisers and cached transcripts answer for them.

    Its arguments are those of `FallbackManager`.
    """

    def __init__(
        self,
        *,
        name: str = "transcription",
        on: Condition | None = None,
        enabled: bool | None = None,
        max_fallbacks: int | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(name=name, on=on, enabled=enabled, max_fallbacks=max_fallbacks, timeout=timeout)

    async def add_whisper_fallback(self, whisper_service: Any, *, name: str = "whisper") -> None:
        """Add a recogniser: a function of the audio file, or an object with `transcribe(audio_file)`, plain or async.

        It is called with the audio file and no more: what else the operation was given is its own business. A plain
        function runs here and now, so inside an event loop a slow one belongs into `asyncio.to_thread`.

        Raises:
            InvalidConfigError: it is neither, or another fallback has this name.
        """
        transcribe = getattr(whisper_service, "transcribe", None)
        if not callable(transcribe):
            transcribe = whisper_service
        if not callable(transcribe) or isinstance(whisper_service, type):
            raise InvalidConfigError(
                f"whisper_service={whisper_service!r}: a function of the audio file is needed, or an object with "
                "transcribe(audio_file)"
            )
        self.add_fallback(_of_audio(transcribe), name=name)

    async def add_cached_transcription_fallback(
        self,
        cache_store: Callable[[Any, str], Any],
        cache_retrieve: Callable[[Any], Any],
        *,
        key: KeyFunction | None = None,
        name: str = "cached_transcription",
    ) -> None:
        """Add the transcripts of before: each that the operation gives is kept by `cache_store(key, transcript)`, and when it
        fails `cache_retrieve(key)` is asked (None or a KeyError: there is none). Both may be plain or coroutine functions.

        `key` makes the key of the operation's arguments; unless given it is the audio file itself.

        Raises:
            InvalidConfigError: one of them is no function, or another fallback has this name.
        """
        chosen = _audio_file if key is None else key
        self.add_fallback(CachedFallback(cache_store=cache_store, cache_retrieve=cache_retrieve, key=chosen, name=name))


def _of_audio(transcribe: Callable[[Any], Any]) -> Callable[..., Any]:
    def recognise(audio_file: Any, *_: Any, **__: Any) -> Any:
        return transcribe(audio_file)

    return recognise


def _audio_file(audio_file: Any, *_: Any, **__: Any) -> Any:
    return audio_file
