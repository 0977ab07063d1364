"""How people write durations, times and attributes."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from trax_otel.local.asked import attribute, duration_ns, moment_ns


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [("250ms", 250_000_000), ("1.5s", 1_500_000_000), ("15m", 900 * 10**9), ("2 h", 7_200 * 10**9), ("7d", 604_800 * 10**9),
     ("3", 3 * 10**9), ("10us", 10_000), ("10µs", 10_000), ("5min", 300 * 10**9)],
)  # fmt: skip
def test_durations(written: str, nanoseconds: int) -> None:
    assert duration_ns(written) == nanoseconds


@pytest.mark.parametrize("written", ["", "fast", "-3s", "1y", "1e400", "٣s", "9" * 40])
def test_what_is_no_duration_says_how_to_write_one(written: str) -> None:
    with pytest.raises(ValueError, match="write 250ms"):
        duration_ns(written)


def test_a_moment_is_a_while_ago_or_an_iso_time() -> None:
    assert abs(time.time_ns() - 900 * 10**9 - moment_ns("15m")) < 5 * 10**9
    noon = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    assert moment_ns("2026-01-31T12:00Z") == moment_ns("2026-01-31T13:00+01:00") == int(noon.timestamp()) * 10**9
    assert moment_ns("999999999999d") == 1
    with pytest.raises(ValueError, match="is no time"):
        moment_ns("yesterday")


def test_attributes() -> None:
    assert attribute("http.route=/a=b") == ("http.route", "/a=b")
    for wrong in ("alone", "=value", " =value"):
        with pytest.raises(ValueError, match="write key=value"):
            attribute(wrong)
