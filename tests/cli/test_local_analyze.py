"""`trax-otel local analyze`: its parts, its JSON, its filters, its exit statuses."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from support.stored import L, Stored, checkout_logs, failing_checkout
from trax_otel import semconv
from trax_otel.cli import local
from trax_otel.local.analysis import PARTS, SCHEMA_VERSION, bottlenecks, changes, patterns, security, usage

LISTS = {
    "patterns": (patterns.Pattern, "patterns"),
    "bottlenecks": (bottlenecks.Bottleneck, "slowest"),
    "repeated_calls": (bottlenecks.RepeatedCall, "slowest"),
    "security_incidents": (security.Incident, "security"),
    "security_events": (security.SecurityEvents, "security"),
    "usage": (usage.Usage, "usage"),
    "changes": (changes.Change, "changes"),
}
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(stored: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser(prog="trax-otel")
        local.add_parser(parser.add_subparsers())
        try:
            status = local.run(parser.parse_args(["local", "--db", str(stored.path), "analyze", *arguments]))
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def fill(stored: Stored) -> None:
    said = {semconv.SECURITY_EVENT: "tampering", semconv.SECURITY_OUTCOME: "failure"}
    stored.spans(*failing_checkout()).logs(*checkout_logs(), L("tampering failure", 5, "ERROR", attributes=said))


def test_the_parts_of_the_command_are_those_of_the_analysis() -> None:
    """The command names them itself, so that `--help` does not load the analysis."""
    assert tuple(PARTS) == local.PARTS


def test_everything_is_shown_part_by_part(stored: Stored, command: Command) -> None:
    fill(stored)
    status, out, err = command()
    assert (status, err) == (0, "")
    for part in (
        "Errors and warnings that repeat",
        "TRAX-001",
        "Where the time goes",
        "reserve",
        "tampering",
        "POST /checkout",
    ):
        assert part in out
    assert "No span makes the same call five times." in out
    assert "\x1b" not in out, "plain where it is no terminal"


def test_json_has_every_list_and_every_field(stored: Stored, command: Command) -> None:
    fill(stored)
    status, out, _ = command("--json")
    document: dict[str, Any] = json.loads(out)
    assert (status, document.pop("schema_version")) == (0, SCHEMA_VERSION)
    assert list(document) == list(LISTS)
    for name, (kind, _) in LISTS.items():
        for record in document[name]:
            assert list(record) == [field.name for field in fields(kind)]
    assert {name for name, records in document.items() if not records} == {"repeated_calls", "changes"}
    assert document["patterns"][0]["code"] == "TRAX-001"


@pytest.mark.parametrize("name", LISTS)
def test_the_page_names_every_field(name: str) -> None:
    kind, part = LISTS[name]
    page = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text(encoding="utf-8")
    (row,) = (line.split(" | ") for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    assert row[1] == part
    told = re.sub(r"\(.*?\)", "", row[2])  # what stands in brackets explains
    assert re.findall(r"`(\w+)`", told) == [field.name for field in fields(kind)]


@pytest.mark.parametrize("part", local.PARTS)
def test_one_part_alone(stored: Stored, command: Command, part: str) -> None:
    fill(stored)
    status, out, _ = command("--json", "--only", part)
    document = json.loads(out)
    assert [name for name in document if name != "schema_version"] == [
        name for name, (_, of) in LISTS.items() if of == part
    ]
    assert status == (1 if part == "changes" else 0)


def test_several_parts_in_the_order_asked_for(stored: Stored, command: Command) -> None:
    fill(stored)
    _, out, _ = command("--json", "--only", "usage", "--only", "patterns", "--only", "usage")
    assert list(json.loads(out)) == ["schema_version", "usage", "patterns"]


@pytest.mark.parametrize("arguments", [("--only", "speed"), ("--only",), ("--limit", "0")])
def test_a_mistake_has_status_2(command: Command, arguments: tuple[str, ...]) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert "error: " in err
    if arguments == ("--only", "speed"):
        assert all(part in err for part in ("'speed'", *local.PARTS))


def test_an_empty_store_and_a_filter_that_nothing_fits_say_so_with_status_1(stored: Stored, command: Command) -> None:
    status, out, err = command()
    assert (status, out) == (1, "")
    assert "Nothing has arrived yet" in err
    fill(stored)
    status, out, err = command("--service", "nobody")
    assert (status, out) == (1, "")
    assert "No records fit these filters (stored: 10 spans, 6 log records, 0 points)." in err
    status, out, err = command("--service", "nobody", "--json")
    assert status == 1
    assert not any(records for name, records in json.loads(out).items() if name != "schema_version")


def test_each_list_has_ten_rows_unless_told_otherwise(stored: Stored, command: Command) -> None:
    stored.logs(*(L(letter, 0, "WARN") for letter in "abcdefghijkl"))
    assert len(json.loads(command("--json")[1])["patterns"]) == 10
    assert len(json.loads(command("--json", "--limit", "11")[1])["patterns"]) == 11
    assert "(default: 10)" in command("--help")[1]


@pytest.mark.parametrize(
    "empty", [(), ("--only", "security"), ("--errors",), ("--code", "TRAX-022"), ("--text", "Ärger")]
)
@pytest.mark.parametrize(
    "more", [(), ("--since", "3650d"), ("--operation", "payment"), ("--attr", "a=b"), ("--min-duration", "1s")]
)
def test_no_filter_fails(stored: Stored, command: Command, empty: tuple[str, ...], more: tuple[str, ...]) -> None:
    fill(stored)
    assert command(*empty, *more)[0] in (0, 1)
