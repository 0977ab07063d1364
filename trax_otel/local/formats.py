"""How figures and texts are written, the same in the terminal, on the page and in the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from .. import semconv

_SYMBOLS: Final = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "␡",
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
    **{
        code: f"\\u{code:04x}"
        for code in (0x2028, 0x2029, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069)
    },
}
"""Control characters, line separators and direction overrides: visible, so that no text can pose as another."""


def clean(value: str) -> str:
    """The text on one line, with what a terminal would obey made visible."""
    return value.translate(_SYMBOLS).encode("utf-8", "replace").decode("utf-8")


def duration(nanoseconds: int) -> str:
    """`850 µs`, `12.3 ms`, `1.24 s`, `2 min 5 s`."""
    micros = nanoseconds / 1_000
    if abs(micros) < 1_000:
        return f"{micros:.0f} µs"
    if abs(micros) < 1_000_000:
        return f"{micros / 1_000:.3g} ms" if abs(micros) < 999_500 else "1 s"
    seconds = micros / 1_000_000
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def moment(nanoseconds: int, *, date: bool = False) -> str:
    """The time of day here, to the millisecond; with its date where asked."""
    if nanoseconds <= 0:
        return "–"
    try:
        when = datetime.fromtimestamp(nanoseconds // 10**9).astimezone()
    except (OverflowError, ValueError, OSError):
        return "–"
    return f"{when:%Y-%m-%d %H:%M:%S}" if date else f"{when:%H:%M:%S}.{nanoseconds // 10**6 % 1000:03d}"


def shown(value: Any) -> str:
    """An attribute's value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def badges(attributes: Mapping[str, Any]) -> list[str]:
    """What makes a span one of a retry, a breaker or a recovery."""
    found = []
    if (attempt := attributes.get(semconv.RETRY_ATTEMPT)) is not None:
        found.append(f"attempt {attempt}")
    if count := attributes.get(semconv.RETRY_COUNT):
        found.append(f"{count} repeat{'' if count == 1 else 's'}")
    if state := attributes.get(semconv.BREAKER_STATE):
        found.append(f"breaker {state}")
    if strategy := attributes.get(semconv.RECOVERY_STRATEGY):
        found.append(f"recovery: {strategy}")
    outcome = attributes.get(semconv.OUTCOME)
    if outcome in {"cancelled", "rejected"}:
        found.append(str(outcome))
    return found
