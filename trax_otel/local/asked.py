"""How people write durations, times and attributes, on the command line and in the page's search."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Final

_UNITS: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9, "h": 3_600 * 10**9,
                 "d": 86_400 * 10**9}  # fmt: skip
ALL: Final = "all"
ERRORS_SINCE: Final = "24h"
"""How far back errors are shown where nothing else is asked for."""
_MOST_NS: Final = 2**63 - 1


def duration_ns(written: str) -> int:
    """`250ms`, `1.5s`, `15m`, `2h`, `7d` in nanoseconds; a bare number is seconds. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(ns|us|µs|ms|s|min|m|h|d)?", written.strip())
    if match is None:
        raise ValueError(f"{written!r} is no duration: write 250ms, 1.5s, 15m, 2h or 7d")
    return min(int(float(match[1]) * _UNITS[(match[2] or "s").replace("µ", "u")]), _MOST_NS)


def moment_ns(written: str) -> int:
    """A duration ago (`15m`), or an ISO 8601 time (this machine's zone unless it has one), as nanoseconds since the epoch.

    `all` is the epoch's beginning. Raises ValueError.
    """
    if written.strip() == ALL:
        return 1
    try:
        return max(1, time.time_ns() - duration_ns(written))
    except ValueError:
        pass
    try:
        return max(1, int(datetime.fromisoformat(written.strip().replace("Z", "+00:00")).timestamp() * 1e9))
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{written!r} is no time: write 15m (ago) or 2026-01-31T12:00, with Z or an offset for another zone"
        ) from None


def attribute(written: str) -> tuple[str, str]:
    """`key=value`. Raises ValueError."""
    key, equals, value = written.partition("=")
    if not key.strip() or not equals:
        raise ValueError(f"{written!r} is no attribute: write key=value")
    return key.strip(), value.strip()
