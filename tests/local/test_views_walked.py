"""docs/views.md: each step that it names is taken on the telemetry of a service that fails in ten ways."""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from trax_otel.cli import local
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "failing_shop"
SECTIONS = re.findall(
    r"^## (\d+\. .*?)\n(.*?)(?=^## )", (ROOT / "docs" / "views.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
)
STEPS = re.compile(r"^\$ trax-otel (local .*)\n((?:….*\n)+)", re.MULTILINE)
FOUND_BY = {"trace": "[0-9a-f]{8}", "record": r"\d+"}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The endpoint with all that the shop sent."""
    folder = tmp_path_factory.mktemp("shop")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start(http_port=0, grpc_port=0, path=folder / "local.db") as endpoint, (folder / "out").open("w") as out:
        shop = subprocess.Popen(
            [sys.executable, "-m", "trax_otel", "run", "--endpoint", endpoint.url, "--service-name", "shop", "--",
             sys.executable, "app.py", "--port", str(port)],
            cwd=SHOP, stdout=out, stderr=out,
        )  # fmt: skip
        try:
            _wait_for(port)
            visited = [sys.executable, "visit.py", f"http://127.0.0.1:{port}"]
            subprocess.run(visited, cwd=SHOP, check=True, timeout=60, stdout=subprocess.DEVNULL)
            time.sleep(0.7)  # the bank's answer, for which nobody waited
        finally:
            shop.send_signal(signal.SIGTERM)
            try:
                shop.wait(20)
            except subprocess.TimeoutExpired:
                shop.kill()
        queries = Queries(endpoint.path)
        end = time.monotonic() + 20
        while not queries.metric("trax.security.events") and time.monotonic() < end:
            time.sleep(0.1)
        queries.close()
        yield endpoint


def _wait_for(port: int) -> None:
    end = time.monotonic() + 40
    while True:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        assert time.monotonic() < end, "the shop does not listen"
        time.sleep(0.1)


def in_a_line(written: str, known: dict[str, str]) -> re.Pattern[str]:
    """What a line of the document looks like in the output, with what it names to be found."""
    for name, value in known.items():
        written = written.replace(f"<{name}>", value)
    parts = re.split(r"(<trace>|<record>)", written)
    parts[::2] = [re.escape(part.strip()).replace(re.escape("…"), ".*") for part in parts[::2]]
    return re.compile(
        "".join(f" ?(?P<{part[1:-1]}>{FOUND_BY[part[1:-1]]}).*" if part[:1] == "<" else part for part in parts)
    )


@pytest.mark.parametrize(("title", "text"), SECTIONS[:10], ids=[title for title, _ in SECTIONS[:10]])
def test_the_steps_lead_to_the_cause(
    failed: Endpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, title: str, text: str
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    parser = argparse.ArgumentParser()
    local.add_parser(parser.add_subparsers())
    known: dict[str, str] = {}
    for command, seen in STEPS.findall(text):
        for name, value in known.items():
            command = command.replace(f"<{name}>", value)
        _, *arguments = command.split()
        status = local.run(parser.parse_args(["local", "--db", str(failed.path), *arguments]))
        shown = capsys.readouterr().out
        assert status == 0, command
        for line in seen.splitlines():
            found = in_a_line(line, known).search(shown)
            assert found, (command, line, shown)
            known |= found.groupdict()


def test_the_document_counts_its_steps_rightly() -> None:
    counted = [len(STEPS.findall(text)) for _, text in SECTIONS[:10]]
    table = re.findall(
        r"^\| (\d+) \| \[.*?\]\(.*?\) \| (\d+) \|$", (ROOT / "docs" / "views.md").read_text("utf-8"), re.MULTILINE
    )
    assert [(int(number), int(steps)) for number, steps in table] == list(enumerate(counted, 1))
    assert sum(steps <= 3 for steps in counted) >= 8
    assert 0 not in counted


@pytest.mark.parametrize(
    ("row", "cause"),
    [("no such table: archive", "SELECT id FROM archive"), ("KeyError", "&#39;revenue&#39;"),
     ("ConnectionError", "http://127.0.0.1:9/charges"), ("HTTPError", "the rates are being reloaded"),
     ("ReadTimeout", "GET /bank"), ("UNIQUE constraint", "INSERT INTO orders"),
     ("ConnectionAbortedError", "the mail server closed the connection")],
)  # fmt: skip
def test_on_the_page_the_cause_is_two_clicks_away(failed: Endpoint, row: str, cause: str) -> None:
    errors = _page(failed.url + "/errors")
    (entry,) = (part for part in errors.split("<tr>") if row in part and "Look at" in part and "<td" in part)
    where = re.findall(r'href="(/(?:traces|logs)/[^"#]+)', entry)[-1]
    page = _page(failed.url + where)
    outside = re.sub(r'<div class="more" hidden>.*?\n</div></div>', "", page, flags=re.DOTALL)
    assert cause in outside


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read(), "utf-8")


def test_every_example_of_the_help_finds_something(
    failed: Endpoint, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    local.add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["local", "-h"])
    examples = re.findall(r"^  trax-otel local (\w.*?)  +\S", capsys.readouterr().out, re.MULTILINE)
    assert len(examples) >= 9
    assert local.run(parser.parse_args(["local", "--db", str(failed.path), "traces", "--json"])) == 0
    some_trace = json.loads(capsys.readouterr().out)[0]["trace_id"]
    for example in examples:
        if "--follow" in example:
            continue
        arguments = example.replace("ID", some_trace).split()
        assert local.run(parser.parse_args(["local", "--db", str(failed.path), *arguments])) == 0, example
