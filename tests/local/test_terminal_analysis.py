"""The analysis in a terminal, of any width."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from support.stored import L, S, Stored, trace_id
from trax_otel import semconv
from trax_otel.local import terminal
from trax_otel.local.analysis import PARTS, analyze
from trax_otel.local.model import Filter

HOUR = 3_600_000.0
HOSTILE = "[bold]o\x1b[2J\u202er"


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    """Two hours: requests that query in a loop, get slower and fail at the end, a disk that fills, a break-in."""
    stored = Stored(tmp_path)
    failed = {"error.type": "ValueError", semconv.ERROR_CODE: "TRAX-004", semconv.ERROR_FINGERPRINT: "f1"}
    for number in range(1, 121):
        at, late = number * HOUR / 60, number > 91
        agent, id = {"user_agent.original": "curl/8.5"}, number * 10
        stored.spans(
            S(id, "GET /list", None, at, 120 if late else 60 + number % 7, number, "web", "server",
              "row 7 is bad" if late and number % 2 else None, {**agent, **(failed if late and number % 2 else {})}),
            *(S(id + call, "SELECT item", id, at + call * 8, 5, number, "db", "client") for call in range(1, 7)),
        )  # fmt: skip
    stored.logs(*(L(f"disk {place} is {place}% full", place * HOUR / 50, "WARN") for place in range(100)))
    for place in range(6):
        ended = "success" if place == 5 else "failure"
        said = {semconv.SECURITY_EVENT: "authentication", semconv.SECURITY_OUTCOME: ended,
                f"{semconv.SECURITY_PREFIX}actor": "ann", f"{semconv.SECURITY_PREFIX}source": "192.0.2.7"}  # fmt: skip
        stored.logs(L(f"authentication {ended}", place * 1_000, "INFO", 1, 10, attributes=said))
    yield stored
    stored.close()


def printed(stored: Stored, width: int = 200, **wanted: object) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, force_terminal=False)
    terminal.print_analysis(console, analyze(stored.queries, Filter(**wanted)))  # type: ignore[arg-type]
    return file.getvalue()


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip(" ─")]


WIDE = """
Errors and warnings that repeat
pattern severity code services count share trend last trace
disk <number> is <number>% full warn – shop 100 87.7% steady 16:12:08.000 –
row <number> is bad error TRAX-004 web 14 12.3% new 16:12:20.000 {120 - 1}
Where the time goes: each operation's own, without what runs below it
operation service kind count own time share own p95 waits most for slowest
GET /list web server 120 5.61 s 60.9% 90 ms SELECT item (3.6 s) {highest of late}
SELECT item db client 720 3.6 s 39.1% 5 ms – {highest}
Calls that one span makes again and again
call made by service at most spans time in all trace
SELECT item GET /list web 6 120 3.6 s {lowest}
Security: to be looked at
what kind by events from to traces
success after failures authentication actor ann 6 14:13:20.000 14:13:25.000 {1}
success after failures authentication source 192.0.2.7 6 14:13:20.000 14:13:25.000 {1}
Security events
kind outcome actor source services count last trace
authentication failure ann 192.0.2.7 shop 5 14:13:24.000 {1}
authentication success ann 192.0.2.7 shop 1 14:13:25.000 {1}
What is used
operation service requests share failed busiest hour asked most by
GET /list web 120 100.0% 14 2026-09-21 15:00 (60) curl/8.5 (120)
Different since 15:42:35.000, the newest quarter of the time
operation service kind change before now sure
GET /list web server slower 63 ms 120 ms 7.7 σ
GET /list web server more errors 0.0% 45.2% 6.7 σ
"""
NARROW = """
Security: to be looked at

what success after failures
  kind authentication   by actor ann   events 6   from 14:13:20.000
  to 14:13:25.000   traces {1}
"""


def with_ids(text: str) -> str:
    """Of equally slow spans the trace with the highest id is told, of equally long loops the first that was read."""
    ids = {number: trace_id(number)[:8] for number in range(1, 121)}
    told = {"120 - 1": ids[119], "1": ids[1], "highest": max(ids.values()), "lowest": min(ids.values()),
            "highest of late": max(one for number, one in ids.items() if number > 91)}  # fmt: skip
    return re.sub(r"{(.+?)}", lambda found: told[found[1]], text)


def test_each_part_in_a_wide_terminal(stored: Stored) -> None:
    assert rows(printed(stored)) == with_ids(WIDE).strip().splitlines()


def test_rows_are_paragraphs_in_a_narrow_one(stored: Stored) -> None:
    assert with_ids(NARROW) in printed(stored, 72)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_width_loses_or_breaks_a_word(stored: Stored, width: int) -> None:
    text = printed(stored, width)
    assert max(map(len, text.splitlines())) <= width

    def words(text: str) -> set[str]:
        return {word for word in re.sub("[─]", " ", text).split() if len(word) <= 20}

    assert words(printed(stored, 1_000)) - words(text) == set()


def test_an_empty_part_says_so_in_a_line(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    text = rows(printed(stored))
    stored.close()
    assert len(text) == 7 == len({line for line in text if line.endswith(".")})
    assert len(PARTS) == 5


def test_what_telemetry_says_is_neither_markup_nor_obeyed(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    said = {
        semconv.SECURITY_EVENT: "tampering",
        f"{semconv.SECURITY_PREFIX}actor": HOSTILE,
        "user_agent.original": HOSTILE,
    }
    stored.spans(S(1, HOSTILE, None, 0, 99, 1, HOSTILE, "server", HOSTILE, {**said, "error.type": HOSTILE}))
    stored.spans(*(S(2 + step, HOSTILE, 1, step, 1, 1, HOSTILE) for step in range(5)))
    stored.logs(L(HOSTILE, 0, "WARN", service=HOSTILE, attributes=said))
    text = printed(stored, 1_000)
    stored.close()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("[bold]o␛[2J\\u202er") >= 10
