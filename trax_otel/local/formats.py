"""How figures and texts are written, the same in the terminal, on the page and in the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from .. import clock
from ..semconv import standard

DAY_NS: Final = 86_400 * 10**9

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
    if nanoseconds == 0:
        return "0 s"
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
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def quantity(value: float | None, unit: str) -> str:
    """A metric's value with its UCUM unit, as people read it: `12.3 ms`, `4.5 MiB`, `7 requests`."""
    if value is None:
        return "–"
    name, slash, per = unit.partition("/")
    rest = f"/{per}" if slash else ""
    if name == "s" and not slash:
        return duration(round(value * 1e9))
    if name in {"ms", "us", "ns"} and not slash:
        return duration(round(value * {"ms": 1e6, "us": 1e3, "ns": 1}[name]))
    if name == "By":
        return _bytes(value) + rest
    number = f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
    if name.startswith("{"):
        name = name.strip("{}").replace("_", " ") + ("" if value == 1 else "s")
    elif name == "1":
        name = ""
    return f"{number} {name}{rest}" if name else f"{number}{rest}"


def _bytes(value: float) -> str:
    size, prefixes = abs(value), iter(("", "Ki", "Mi", "Gi", "Ti", "Pi"))
    prefix = next(prefixes)
    while size >= 1_024 and prefix != "Pi":
        size, prefix = size / 1_024, next(prefixes)
    return (
        f"{'-' if value < 0 else ''}{size:.0f} B" if not prefix else f"{'-' if value < 0 else ''}{size:.3g} {prefix}B"
    )


def moment(nanoseconds: int, *, date: bool = False) -> str:
    """The time of day here, to the millisecond; with its date where asked."""
    if nanoseconds <= 0:
        return "–"
    try:
        when = datetime.fromtimestamp(nanoseconds // 10**9).astimezone()
    except (OverflowError, ValueError, OSError):
        return "–"
    return f"{when:%Y-%m-%d %H:%M:%S}" if date else f"{when:%H:%M:%S}.{nanoseconds // 10**6 % 1000:03d}"


def when(nanoseconds: int) -> str:
    """The time of day where it was within a day, else with the day before it."""
    if abs(clock.current().time_ns() - nanoseconds) < DAY_NS:
        return moment(nanoseconds)[:8]
    return moment(nanoseconds, date=True)[5:16]


def tidy(value: str) -> str:
    """Like `clean`, with line breaks and tabs left as they are: for a page, where text runs over lines."""
    if value.isprintable():
        return value
    return "\n".join(clean(line).replace("␉", "\t") for line in value.replace("\r\n", "\n").split("\n"))


def shown(value: Any) -> str:
    """An attribute's value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def http_status(attributes: Mapping[str, Any]) -> int | None:
    """The status of an HTTP call, by the attribute's present or former name; None where there is none."""
    value = standard.first(attributes, *standard.HTTP_STATUS)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
