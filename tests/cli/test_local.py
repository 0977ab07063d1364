"""`trax-otel local …`: tables, JSON, filters, following, exit statuses."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.stored import BEGIN, MS, L, S, Stored, checkout_logs, failing_checkout, metric_request, trace_id
from support.stored_resilience import bank_metrics, recovery, retried, tripped_bank
from trax_otel.cli import local
from trax_otel.cli.options import number
from trax_otel.local.eviction import Bounds
from trax_otel.local.server import EndpointError

if TYPE_CHECKING:
    from typing_extensions import Self


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    stored = Stored(tmp_path)
    stored.spans(*failing_checkout(), S(900, "GET /health", None, 5_000, 3, 2, "web", "server"))
    stored.logs(*checkout_logs()).metrics(metric_request(minutes=1))
    yield stored
    stored.close()


class Ran:
    """What a command left behind."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def command(stored: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str) -> Ran:
        parser = argparse.ArgumentParser(prog="trax-otel")
        local.add_parser(parser.add_subparsers())
        try:
            status = local.run(parser.parse_args(["local", "--db", str(stored.path), *arguments]))
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.mark.parametrize(
    ("view", "part"),
    [("services", "queue"), ("operations", "POST /checkout"), ("errors", "ConnectionRefusedError"), ("traces", "GET /health"),
     ("logs", "payment failed for good"), ("metrics", "http.server.request.duration")],
)  # fmt: skip
def test_each_view_shows_a_table_and_json(command: Callable[..., Ran], view: str, part: str) -> None:
    asked = ("--since", "all") if view == "errors" else ()
    table = command(view, *asked)
    assert (table.status, table.err) == (0, "")
    assert part in table.out
    assert "\x1b" not in table.out, "plain where it is no terminal"
    records = command(view, *asked, "--json").json
    assert isinstance(records, list)
    assert part in json.dumps(records)


def test_errors_are_of_the_last_day_unless_asked_otherwise(command: Callable[..., Ran], stored: Stored) -> None:
    none = command("errors")
    assert (none.status, none.out) == (1, "")
    assert "trax-otel local errors --since all" in none.err, "older ones are told of"
    now = time.time_ns() // MS - BEGIN // MS
    stored.spans(S(9_001, "pay", None, now - 60_000, 3, 9, error="Declined", attributes={"error.type": "Declined"}))
    assert [entry["type"] for entry in command("errors", "--json").json] == ["Declined"]
    (shown, *_) = command("errors", "--json", "--since", "all").json
    assert shown["type"] == "Declined", "the newest comes first, though others are more"
    assert sum(shown["over_time"]["counts"]) == shown["count"] == 1


def test_an_error_known_from_a_log_only_leads_to_its_record(command: Callable[..., Ran], stored: Stored) -> None:
    facts = {"exception.type": "shop.Lost", "exception.message": "gone", "exception.stacktrace": "line 1\nline 2"}
    stored.logs(L("a task was lost", time.time_ns() / MS - BEGIN / MS, "ERROR", attributes=facts))
    (entry,) = command("errors", "--json").json
    assert f"record {entry['example_log_id']}" in command("errors").out
    record = command("record", str(entry["example_log_id"]))
    assert record.status == 0
    assert all(part in record.out for part in ("a task was lost", "exception.message gone", "line 2"))
    assert command("record", str(entry["example_log_id"]), "--json").json["body"] == "a task was lost"
    assert command("record", "99999").status == 1


def test_an_error_of_a_trace_that_was_not_kept_leads_to_its_record(command: Callable[..., Ran], stored: Stored) -> None:
    facts = {"exception.type": "shop.Lost"}
    stored.logs(L("unsampled", time.time_ns() / MS - BEGIN / MS, "ERROR", trace=4711, span=1, attributes=facts))
    (entry,) = command("errors", "--json").json
    assert entry["example_trace_id"] is None
    assert entry["example_log_id"]


def test_requests_and_jobs_alone_and_one_version_alone(command: Callable[..., Ran], stored: Stored) -> None:
    assert {entry["kind"] for entry in command("operations", "--json", "--kind", "entry").json} <= {
        "server",
        "consumer",
    }
    assert {entry["root"] for entry in command("traces", "--json", "--kind", "server").json} >= {"GET /health"}
    stored.spans(S(9_002, "tick", trace=90, at=9_000, service="clock", version="2.0"))
    assert "tick" not in {entry["root"] for entry in command("traces", "--json", "--kind", "entry").json}
    for view, key in (("traces", "root"), ("operations", "operation")):
        assert [entry[key] for entry in command(view, "--json", "--service-version", "2.0").json] == ["tick"]
    assert command("traces", "--service-version", "9").status == 1


def test_operations_are_ordered_as_asked(command: Callable[..., Ran]) -> None:
    found = [entry["p95_ns"] for entry in command("operations", "--json", "--sort", "p95").json]
    assert found == sorted(found, reverse=True)
    (most,) = command("operations", "--json", "--sort", "errors", "--limit", "1").json
    assert most["errors"] == max(entry["errors"] for entry in command("operations", "--json").json)


@pytest.mark.parametrize("view", ["services", "operations", "traces", "metrics", "errors"])
def test_tables_fit_eighty_columns(command: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = command(view, *(["--since", "all"] if view == "errors" else [])).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(set(line.strip()) == {"─"} or "──" in line for line in lines[:4]), "a table, not paragraphs"


def test_a_trace_by_the_beginning_of_its_id(command: Callable[..., Ran]) -> None:
    shown = command("trace", trace_id(1)[:8])
    assert shown.status == 0
    assert "attempt 3  " in shown.out
    assert "payment failed, attempt 1 of 3" in shown.out
    assert "db.system.name" not in shown.out
    assert "db.system.name postgresql" in command("trace", trace_id(1), "--details").out
    document = command("trace", trace_id(1), "--json").json
    assert len(document["spans"]) == 10
    assert {log["body"] for log in document["logs"]} >= {"stock reserved"}


def test_one_metric_with_its_series(command: Callable[..., Ran]) -> None:
    assert "http.route=/pay" in command("metrics", "http.server.request.duration").out
    assert len(command("metrics", "http.server.request.duration", "--json").json) == 2
    missing = command("metrics", "none.such")
    assert missing.status == 1
    assert "no metric is called none.such" in missing.err


def test_what_is_not_found_is_said_with_status_1(command: Callable[..., Ran]) -> None:
    missing = command("trace", "ffff")
    assert (missing.status, missing.out) == (1, "")
    assert "see trax-otel local traces" in missing.err
    none = command("traces", "--service", "nobody")
    assert none.status == 1
    assert "No traces fit these filters" in none.err
    assert command("traces", "--service", "nobody", "--json").json == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--min-duration", "fast"),
        ("--limit", "0"),
        ("--attr", "alone"),
        ("--limit", "many"),
        ("--colour",),
    ],
)
def test_a_mistake_says_how_it_is_written_with_status_2(
    command: Callable[..., Ran], arguments: tuple[str, ...]
) -> None:
    ran = command("traces", *arguments)
    assert ran.status == 2
    assert "error: " in ran.err
    if arguments[0] in ("--since", "--min-duration", "--attr"):
        assert ": write " in ran.err


def test_a_port_that_is_none_is_a_mistake(command: Callable[..., Ran]) -> None:
    assert command("--http-port", "70000").status == 2


@pytest.mark.parametrize(
    ("view", "arguments", "found"),
    [
        ("traces", ("--service", "shop"), ["POST /checkout"]),
        ("traces", ("--operation", "GET /health"), ["GET /health"]),
        ("traces", ("--code", "TRAX-022"), ["POST /checkout"]),
        ("traces", ("--min-duration", "250ms"), ["POST /checkout"]),
        ("traces", ("--text", "POSTGRES"), ["POST /checkout"]),
        ("traces", ("--errors",), ["POST /checkout"]),
        ("traces", ("--attr", "http.route=/checkout"), ["POST /checkout"]),
        ("traces", ("--limit", "1"), ["GET /health"]),
        ("logs", ("--errors",), ["payment failed for good"]),
        ("logs", ("--operation", "web.checkout"), ["order 4711 accepted"]),
        ("logs", ("--text", "idle"), ["worker idle"]),
        ("errors", ("--since", "all", "--code", "TRAX-022"), ["CircuitOpenError"]),
        ("operations", ("--service", "queue"), ["queue payment"]),
        ("metrics", ("--text", "http."), ["http.server.request.duration"]),
    ],
)  # fmt: skip
def test_filters_narrow(command: Callable[..., Ran], view: str, arguments: tuple[str, ...], found: list[str]) -> None:
    key = {"traces": "root", "logs": "body", "errors": "type", "operations": "operation", "metrics": "name"}[view]
    assert [record[key] for record in command(view, "--json", *arguments).json] == found


def test_retries_breakers_and_recoveries_have_views(command: Callable[..., Ran], stored: Stored) -> None:
    none = command("retries")
    assert (none.status, none.out) == (1, "")
    assert "No retries fit these filters" in none.err
    stored.spans(*tripped_bank(), *recovery(100, 4))
    for body in (*bank_metrics(), retried("pay", succeeded_with_retry=2, failed_with_retry=1)):
        stored.metrics(body)
    assert "pay" in command("retries").out
    assert command("retries", "--json").json[0]["ends"]["failed_with_retry"] == 1
    assert "too many failures in a row" in command("breakers").out
    (bank,) = command("breakers", "--json").json
    assert [stretch["state"] for stretch in bank["stretches"]] == ["open", "closed", "open", "half_open", "closed"]
    assert command("breakers", "--errors").status == 1, "it is closed by now"
    assert "fallback › cached" in command("recoveries").out
    document = command("recoveries", "--json").json
    assert {"recoveries", "tried", "features", "resumed"} == set(document)
    assert command("recoveries", "--operation", "transcribe", "--json").json["recoveries"][0]["count"] == 1
    assert command("retries", "--code", "TRAX-001").status == 2, "what is counted bears no code"


def test_since_and_until_take_iso_times(command: Callable[..., Ran]) -> None:
    second = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGIN // 10**9 + 3))
    assert [entry["root"] for entry in command("traces", "--json", "--since", second).json] == ["GET /health"]
    assert [entry["root"] for entry in command("traces", "--json", "--until", second).json] == ["POST /checkout"]


def test_logs_come_oldest_first(command: Callable[..., Ran]) -> None:
    out = command("logs").out
    assert out.index("order 4711 accepted") < out.index("payment failed for good") < out.index("worker idle")


def test_the_report_is_written_where_asked(command: Callable[..., Ran], tmp_path: Path) -> None:
    ran = command("report", str(tmp_path / "r.html"))
    assert ran.status == 0
    assert ran.out.strip() == str(tmp_path / "r.html")
    assert "POST /checkout" in (tmp_path / "r.html").read_text("utf-8")


def test_a_report_that_cannot_be_written_says_why(command: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = command("report", str(tmp_path / "file" / "r.html"))
    assert ran.status == 1
    assert "cannot be written" in ran.err


def test_without_a_store_it_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    local.add_parser(parser.add_subparsers())
    assert local.run(parser.parse_args(["local", "traces", "--db", str(tmp_path / "none.db")])) == 1
    assert "Start the endpoint (trax-otel local)" in capsys.readouterr().err


# --- As a process ----------------------------------------------------------------------------------------------------------

START = [sys.executable, "-c", "import sys; from trax_otel.cli.main import main; sys.exit(main())", "local"]


def wait_for(path: Path, part: str, seconds: float = 20) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        text = path.read_text("utf-8")
        if part in text:
            return text
        time.sleep(0.05)
    raise AssertionError(f"{part!r} did not appear in: {path.read_text('utf-8')}")


class Process:
    """A command whose output goes to a file; it does not outlive the block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(20)

    def __init__(self, path: Path, *arguments: str) -> None:
        self.path = path
        with path.open("wb") as out:
            self._process = subprocess.Popen(
                [*START, *arguments], stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )

    def wait_for(self, part: str) -> str:
        return wait_for(self.path, part)

    def wait_until_open(self, path: Path, seconds: float = 20) -> None:
        until = time.monotonic() + seconds
        while path not in [entry.resolve() for entry in Path(f"/proc/{self._process.pid}/fd").iterdir()]:
            assert time.monotonic() < until, f"{path} is not opened"
            time.sleep(0.05)

    def end(self, number: int = signal.SIGINT) -> int:
        self._process.send_signal(number)
        return self._process.wait(20)


@pytest.mark.servers
def test_the_endpoint_names_its_addresses_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with Process(
        tmp_path / "out", "--db", str(tmp_path / "local.db"), "--http-port", "0", "--grpc-port", "0"
    ) as server:
        text = server.wait_for("Ctrl-C ends it")
        url = re.search(r"page +(http://127\.0\.0\.1:\d+)", text)
        assert url is not None
        assert httpx.get(url[1]).status_code == 200
        assert server.end() == 0
        assert "Traceback" not in server.path.read_text("utf-8")


@pytest.mark.servers
def test_a_port_in_use_names_the_port_and_the_option(tmp_path: Path) -> None:
    with Process(
        tmp_path / "first", "--db", str(tmp_path / "local.db"), "--http-port", "0", "--grpc-port", "0"
    ) as first:
        port = re.search(r"OTLP/HTTP +http://127\.0\.0\.1:(\d+)", first.wait_for("Ctrl-C ends it"))
        assert port is not None
        second = subprocess.run(
            [*START, "--db", str(tmp_path / "other.db"), "--http-port", port[1], "--grpc-port", "0"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert f"port {port[1]} on 127.0.0.1 is in use" in second.stderr
        assert "--http-port" in second.stderr
        assert first.end(signal.SIGTERM) == 0


@pytest.mark.servers
@pytest.mark.parametrize("view", ["logs", "traces"])
def test_following_shows_what_arrives_and_ends_quietly(stored: Stored, tmp_path: Path, view: str) -> None:
    with Process(tmp_path / "out", view, "--db", str(stored.path), "--follow", "--json") as follower:
        time.sleep(1.5)  # it begins with what arrives after its own start
        stored.logs(L("arrived later", 9_000)).spans(S(7_000, "arrived later", trace=77, at=9_000))
        line = json.loads(follower.wait_for("arrived later").splitlines()[0])
        assert line.get("body", line.get("root")) == "arrived later"
        assert follower.end() == 0
        text = follower.path.read_text("utf-8")
        assert "Traceback" not in text
        assert "POST /checkout" not in text


@pytest.mark.servers
@pytest.mark.parametrize("view", ["operations", "errors", "services"])
def test_a_followed_table_is_shown_anew_when_it_has_changed(stored: Stored, tmp_path: Path, view: str) -> None:
    asked = ("--since", "all") if view == "errors" else ()
    with Process(tmp_path / "out", view, "--db", str(stored.path), *asked, "--follow", "--json") as follower:
        follower.wait_for("\n")
        failing = S(
            7_000, "later", trace=77, at=9_000, service="later", error="Late", attributes={"error.type": "later"}
        )
        stored.spans(failing)
        before, after = (json.loads(line) for line in follower.wait_for("later").splitlines()[:2])
        assert len(after) == len(before) + 1
        assert follower.end() == 0


@pytest.mark.servers
def test_following_begins_before_anything_was_stored(tmp_path: Path) -> None:
    empty = Stored(tmp_path)
    with Process(tmp_path / "out", "traces", "--db", str(empty.path), "--follow") as follower:
        follower.wait_until_open(empty.path)
        time.sleep(0.5)  # its first query, which takes microseconds
        empty.spans(S(1, "the very first"))
        follower.wait_for("the very first")
        assert follower.end() == 0
        empty.close()


@pytest.mark.servers
def test_a_reader_that_leaves_ends_it_quietly(stored: Stored) -> None:
    for step in range(40):
        stored.logs(*(L("x" * 500, step * 100 + place) for place in range(50)))
    shown = subprocess.run(
        " ".join(f"'{part}'" for part in [*START, "logs", "--db", str(stored.path), "--limit", "2000"]) + " | head -1",
        shell=True, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert len(shown.stdout.splitlines()) == 1
    assert shown.stderr == ""


def test_a_counter_shows_its_total_and_a_metric_what_it_was(command: Callable[..., Ran]) -> None:
    counter = command("metrics", "trax.errors").out
    assert re.search(r"TRAX-001 .*\d+ errors +[\d.]+ errors?/s +[▁-█]+", counter)
    assert re.search(r"resident .*MiB +[▁-█]{3,}", command("metrics", "process.memory.usage").out)


@pytest.mark.parametrize(("written", "kept"), [("500k", 500_000), ("2M", 2_000_000), ("1G", 10**9), ("7", 7)])
def test_bounds_are_written_as_numbers(written: str, kept: int) -> None:
    assert number(written) == kept


@pytest.mark.parametrize("arguments", [("--max-spans", "0"), ("--max-bytes", "2x"), ("--max-age", "long")])
def test_a_bound_that_is_none_is_a_mistake(command: Callable[..., Ran], arguments: tuple[str, ...]) -> None:
    assert command(*arguments).status == 2


def test_the_bounds_that_are_asked_for_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def start(**given: Any) -> Any:
        asked.update(given)
        raise EndpointError("enough")

    monkeypatch.setattr("trax_otel.local.server.start", start)
    parser = argparse.ArgumentParser()
    local.add_parser(parser.add_subparsers())
    assert local.run(parser.parse_args(["local", "--max-spans", "20k", "--max-age", "2h"])) == 1
    assert asked["bounds"] == Bounds(spans=20_000, age=7_200.0)
