"""The views in a terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from support.stored import STACK, L, S, Stored, checkout_logs, failing_checkout, metric_request, span_id, trace_id
from trax_otel.local import terminal
from trax_otel.local.links import targets
from trax_otel.local.model import Filter


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200, highlight=False, force_terminal=False)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def show_trace(stored: Stored, console: Console, *, details: bool = False) -> str:
    logs = stored.queries.logs(Filter(trace_id=trace_id(1), limit=1_000))
    spans = stored.queries.trace(trace_id(1))
    terminal.print_trace(console, spans, logs, details=details, targets=targets(stored.queries, spans))
    return text_of(console)


def test_a_trace_is_a_tree_with_events_errors_links_and_logs_in_place(stored: Stored, console: Console) -> None:
    stored.spans(*failing_checkout()).logs(*checkout_logs())
    lines = show_trace(stored, console).splitlines()
    text = "\n".join(lines)
    assert lines[0].startswith(f"trace {trace_id(1)}")
    assert lines[0].endswith("900 ms  10 spans")

    def place(part: str) -> int:
        return next(number for number, line in enumerate(lines) if part in line)

    in_order = ("SELECT orders", "order 4711 accepted", "reserve", "stock.reserved", "payment  700 ms", "attempt 1  ",
                "payment failed, attempt 1 of 3", "waited 108 ms  back-off", "attempt 2  ", "waited 210 ms",
                "attempt 3  ", "breaker bank: now open", "circuit_breaker rejected", "tripped by attempt 3", "recover  ",
                "gave up after attempt 3: no attempt was left")  # fmt: skip
    assert [place(part) for part in in_order] == sorted(place(part) for part in in_order)
    assert "[2 repeats]" in text
    assert "trax.retry.scheduled" not in text, "the wait itself says it"
    assert "├── Connection refused" not in text.partition("attempt 1")[2], "what the exception says is not said twice"
    assert "[breaker bank open]  [rejected]  TRAX-022" in text
    assert f"→ tripped by attempt 3 here, span {span_id(7)}  why=tripped here" in text
    assert "[by fallback]  [recovered]" in text
    assert "ConnectionRefusedError: [Errno 111] Connection refused" in text
    assert STACK.strip().splitlines()[-2].strip() in text
    assert "db.system.name" not in text


def test_attributes_come_on_demand(stored: Stored, console: Console) -> None:
    stored.spans(*failing_checkout())
    assert "db.system.name postgresql" in show_trace(stored, console, details=True)


def test_a_long_stack_shows_its_innermost_lines(stored: Stored, console: Console) -> None:
    stack = "\n".join(f"frame {number}" for number in range(40))
    stored.spans(S(1, "one", events=[("exception", 1, {"exception.type": "E", "exception.stacktrace": stack})]))
    text = show_trace(stored, console)
    assert "… 28 lines" in text
    assert "frame 39" in text
    assert "frame 27\n" not in text


def test_what_telemetry_says_is_neither_obeyed_nor_read_as_markup(stored: Stored, console: Console) -> None:
    nasty = "[red]x[/red]\x1b]0;owned\x07\r\x9b2J[link=file:///etc/passwd]y"
    spans = [
        S(1, nasty, service=nasty, error=nasty, attributes={nasty: nasty, "error.type": nasty, "trax.error.code": nasty},
          events=[(nasty, 1, {nasty: nasty}), ("exception", 2, {"exception.type": nasty, "exception.message": nasty})],
          links=[(1, 1, {nasty: nasty})]),
    ]  # fmt: skip
    stored.spans(*spans).logs(L(nasty, 1, "ERROR", 1, 1, nasty, nasty, {nasty: nasty}))
    stored.metrics(metric_request(nasty, gauge=nasty, label=nasty, description=nasty))
    queries = stored.queries
    show_trace(stored, console, details=True)
    terminal.print_services(console, queries.services())
    terminal.print_operations(console, queries.operations())
    terminal.print_errors(console, queries.errors())
    terminal.print_traces(console, queries.traces())
    terminal.print_logs(console, queries.logs())
    terminal.print_metrics(console, queries.metrics())
    terminal.print_series(console, queries.metric(nasty))
    text = text_of(console)
    assert not [
        character for character in text if (ord(character) < 32 and character != "\n") or 0x7F <= ord(character) < 0xA0
    ]
    assert text.count("[red]x[/red]␛]0;owned␇␍\\x9b2J[link=file:///etc/passwd]y") >= 8


def test_tables_show_what_was_stored(stored: Stored, console: Console) -> None:
    stored.spans(*failing_checkout()).logs(*checkout_logs()).metrics(metric_request(minutes=1))
    queries = stored.queries
    terminal.print_services(console, queries.services())
    terminal.print_operations(console, queries.operations())
    terminal.print_errors(console, queries.errors())
    terminal.print_traces(console, queries.traces())
    terminal.print_logs(console, queries.logs(Filter(errors_only=True)))
    terminal.print_metrics(console, queries.metrics())
    terminal.print_series(console, queries.metric("http.server.request.duration"))
    rows = [" ".join(line.split()) for line in text_of(console).splitlines()]
    assert any(row.startswith("shop attempt internal 3 3 60 ms 140 ms 140 ms") for row in rows)
    assert any(
        "TRAX-001 ConnectionRefusedError shop 3" in row and row.endswith("[Errno 111] Connection refused yes 9f86d081")
        for row in rows
    )
    assert any("POST /checkout queue, shop, web 900 ms 10 6 TRAX-001, TRAX-022" in row for row in rows)
    assert any("payment failed for good shop" in row and row.endswith("TRAX-001") for row in rows)
    assert any(row.startswith("http.server.request.duration histogram s shop 2") for row in rows)
    assert any("http.request.method=GET http.route=/pay" in row and re.search("500 ms [▁-█]{6}", row) for row in rows)


def test_spans_of_a_broken_sender_are_all_shown(stored: Stored, console: Console) -> None:
    stored.spans(S(1, "first", 2), S(2, "second", 1, at=1), S(3, "third", 99, at=2))
    text = show_trace(stored, console)
    assert all(name in text for name in ("first", "second", "third"))
    assert span_id(1) not in text


def test_a_very_deep_trace_stays_readable(stored: Stored, console: Console) -> None:
    stored.spans(
        *(S(number, f"level {number}", number - 1 if number > 1 else None, at=number) for number in range(1, 1_001))
    )
    text = show_trace(stored, console)
    assert "level 1000 " in text
    assert max(map(len, text.splitlines())) < 300


def test_a_narrow_terminal_loses_nothing(stored: Stored) -> None:
    console = Console(file=io.StringIO(), width=60, highlight=False, force_terminal=False)
    stored.spans(*failing_checkout()).logs(*checkout_logs())
    text = show_trace(stored, console)
    assert max(map(len, text.splitlines())) <= 60
    together = "".join(character for character in text if character.isalnum())
    for part in ("attempt 3", "rejected", "why=tripped here", "timeout=2.0", "payment failed, attempt 1 of 3"):
        assert "".join(character for character in part if character.isalnum()) in together, part
