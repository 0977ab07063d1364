"""What the README says is so: its Python runs, its commands parse, its links lead somewhere."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trax_otel import logging as trax_logging
from trax_otel.cli import local, run
from trax_otel.errors import APIError
from trax_otel.testing import CapturedTelemetry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(trax-otel (?:local|run)[^#\n]*?)(?: &)? *(?:#.*)?$", README, flags=re.MULTILINE)


class Client:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def post(self, path: str, json: object) -> None:
        if self.error:
            raise self.error


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trax_telemetry: CapturedTelemetry) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trax_otel.configure", lambda **_: None)  # telemetry is captured here, not exported
    (source,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "shop"}
    try:
        exec(compile(source, "README.md", "exec"), namespace)
        order = SimpleNamespace(request_id="req-1", tenant="acme", body={}, amount=3)
        namespace["charge"](order, Client())
        with pytest.raises(APIError) as caught:
            namespace["charge"](order, Client(ConnectionError("refused")))
    finally:
        trax_logging.shutdown_logging()
    assert caught.value.retryable
    assert trax_telemetry.span("charge", trax_outcome="success").attributes["tenant"] == "acme"
    assert trax_telemetry.log("charged").attributes["trax.correlation.id"] == "req-1"


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
