"""What the README says is so: its Python runs, its commands parse, its links lead somewhere."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from trax_otel import clock
from trax_otel import logging as trax_logging
from trax_otel.cli import local, run
from trax_otel.errors import APIError
from trax_otel.testing import CapturedTelemetry, FakeClock

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(trax-otel (?:local|run)[^#\n]*?)(?: &)? *(?:#.*)?$", README, flags=re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


class Client:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def post(self, path: str, json: object) -> None:
        if self.error:
            raise self.error


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trax_telemetry: CapturedTelemetry) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trax_otel.configure", lambda **_: None)  # telemetry is captured here, not exported
    namespace: dict[str, Any] = {"__name__": "shop"}
    try:
        exec(compile(PYTHON[0], "README.md", "exec"), namespace)
        order = SimpleNamespace(request_id="req-1", tenant="acme", body={}, amount=3)
        namespace["charge"](order, Client())
        with pytest.raises(APIError) as caught:
            namespace["charge"](order, Client(ConnectionError("refused")))
    finally:
        trax_logging.shutdown_logging()
    assert caught.value.retryable
    assert trax_telemetry.span("charge", trax_outcome="success").attributes["tenant"] == "acme"
    assert trax_telemetry.log("charged").attributes["trax.correlation.id"] == "req-1"


class Rates:
    """The provider of exchange rates: fails so often, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def get(self, url: str, timeout: float) -> Any:
        self.calls += 1
        if self.calls <= self.failures:
            raise requests.ConnectionError("refused")
        answer = requests.Response()
        answer.status_code, answer._content = 200, b'{"rate": 2}'
        return answer


@pytest.mark.parametrize(("failures", "sent", "calls"), [(0, 6, 1), (2, 6, 3), (9, 9, 3)])
def test_its_resilience_holds(
    failures: int, sent: int, calls: int, monkeypatch: pytest.MonkeyPatch, trax_telemetry: CapturedTelemetry
) -> None:
    rates = Rates(failures)
    monkeypatch.setattr("requests.get", rates.get)
    given = {"LAST_KNOWN": {"EUR": 3}, "RATES_URL": "http://rates", "send": lambda number, total: total}
    namespace: dict[str, Any] = {"__name__": "shop", **given}
    with clock.use(FakeClock()):
        exec(compile(PYTHON[1], "README.md", "exec"), namespace)
        assert namespace["invoice"]("2026-1", "EUR", [1, 2]) == sent
    assert rates.calls == calls
    assert [span.name for span in trax_telemetry.spans].count("attempt") == (calls if calls > 1 else 0)
    assert len(trax_telemetry.events("trax.recovery.fallback_used")) == (sent == 9)


def test_its_resilience_is_short() -> None:
    assert len([line for line in PYTHON[1].splitlines() if line.strip()]) < 40


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_its_commands_exist(command: str) -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    local.add_parser(subparsers)
    run.add_parser(subparsers)
    parser.parse_args(shlex.split(command)[1:])


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 6


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
