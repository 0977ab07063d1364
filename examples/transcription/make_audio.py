"""How the files in audio/ were made: espeak-ng spoke them.

    python -m venv throwaway && throwaway/bin/pip install espeakng-loader==0.2.4
    throwaway/bin/python make_audio.py

espeak-ng is under the GPL 3 and not part of this project; what it speaks is not covered by its licence. The recordings are
under the project's own (Apache-2.0).
"""

from __future__ import annotations

import array
import ctypes
import wave
from pathlib import Path

import espeakng_loader  # type: ignore[import-not-found,unused-ignore]

AUDIO = Path(__file__).parent / "audio"
RATE = 16_000
"""Samples a second, 16 bits, one channel: what the recogniser takes."""
SPOKEN = {"tomorrow.wav": ("tomorrow morning", 140), "dollars.wav": ("five hundred thousand dollars", 160)}
"""What each file says, and at how many words a minute."""
SYNCHRONOUS, UTF8, WORDS_PER_MINUTE = 2, 1, 1


def speak(text: str, speed: int) -> array.array[int]:
    """The text as samples at RATE."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    samples: array.array[int] = array.array("h")

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def take(wav: ctypes._Pointer[ctypes.c_short], count: int, _: int | None) -> int:
        if wav and count > 0:
            samples.extend(wav[:count])
        return 0

    library.espeak_SetSynthCallback(take)
    library.espeak_SetVoiceByName(b"en-us")
    library.espeak_SetParameter(WORDS_PER_MINUTE, speed, 0)
    spoken = text.encode()
    library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, UTF8, None, None)
    library.espeak_Synchronize()
    return resampled(samples, rate)


def resampled(samples: array.array[int], rate: int) -> array.array[int]:
    """At RATE, by linear interpolation."""
    step = rate / RATE
    made: array.array[int] = array.array("h")
    for number in range(int((len(samples) - 1) / step)):
        place, part = divmod(number * step, 1)
        at = int(place)
        made.append(round(samples[at] * (1 - part) + samples[at + 1] * part))
    return made


def main() -> None:
    """Write the files."""
    AUDIO.mkdir(exist_ok=True)
    for name, (text, speed) in SPOKEN.items():
        with wave.open(str(AUDIO / name), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(speak(text, speed).tobytes())


if __name__ == "__main__":
    main()
