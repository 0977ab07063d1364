"""How figures and texts are written."""

from __future__ import annotations

import time

import pytest

from trax_otel.local.formats import clean, duration, moment, quantity, shown, tidy

MS = 1_000_000


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 s"), (1_000, "1 µs"), (850_000, "850 µs"), (12_340_000, "12.3 ms"), (999_600_000, "1 s"), (1_240 * MS, "1.24 s"),
     (125_000 * MS, "2 min 5 s"), (59_600 * MS, "59.6 s"), (7_260_000 * MS, "2 h 1 min"),
     (60_000 * MS, "1 min"), (7_200_000 * MS, "2 h")],
)  # fmt: skip
def test_durations_have_a_fitting_unit(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, "s", "–"), (0.0123, "s", "12.3 ms"), (250.0, "ms", "250 ms"), (3 * 2.0**20, "By", "3 MiB"), (900.0, "By", "900 B"),
     (-2.0**31, "By", "-2 GiB"), (2.0**20, "By/s", "1 MiB/s"), (0.42, "1", "0.42"), (42.0, "%", "42 %"), (7.0, "1", "7"),
     (1.0, "{request}", "1 request"),
     (12_345.0, "{request}/s", "12,345 requests/s"), (3.5, "", "3.5"), (2.0**70, "By", "1.05e+06 PiB")],
)  # fmt: skip
def test_quantities_are_read_with_their_unit(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_times_that_no_calendar_has_are_a_dash() -> None:
    assert moment(0) == "–"
    assert moment(-5) == "–"
    assert moment(2**63 - 1) != ""
    now = time.time_ns()
    assert moment(now)[:8] == time.strftime("%H:%M:%S", time.localtime(now // 10**9))


def test_what_a_terminal_would_obey_becomes_visible() -> None:
    assert clean("a\x1b[31mred\x07\r\n\t\x9b2J") == "a␛[31mred␇␍␊␉\\x9b2J"
    assert clean("user\u202egnp.exe") == "user\\u202egnp.exe"
    assert clean("broken \ud800 half") == "broken ? half"


def test_a_page_keeps_line_breaks_and_nothing_else() -> None:
    assert tidy("one\r\ntwo\tthree\x1b") == "one\ntwo\tthree␛"
    assert tidy("plain Grüße 👩‍🚀") == "plain Grüße 👩‍🚀"


def test_values_are_shown_as_json_unless_they_are_text() -> None:
    assert shown("as it is") == "as it is"
    assert shown(True) == "true"
    assert shown(["ä", 1]) == '["ä", 1]'
