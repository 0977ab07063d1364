"""`trax-otel bootstrap`: what fits this environment, what is printed, and that one failing package does not stop the others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trax_otel.cli import bootstrap
from trax_otel.cli.main import main
from trax_otel.instrumentation import fitting

FLASK = "opentelemetry-instrumentation-flask"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment of these packages, at the release 0.66b2."""
    installed = {"flask": "3.1", "sqlalchemy": "2.1.0", "psutil": "7", "openai": "2.0", "pip": "1"}
    monkeypatch.setattr(fitting, "installed_versions", lambda: dict(installed))
    monkeypatch.setattr(fitting, "release", lambda: "0.66b2")
    return installed


def test_what_an_environment_can_use_at_the_release_that_fits(fake: dict[str, str]) -> None:
    found = fitting.usable()
    assert f"{FLASK}>=0.66b0,<=0.66b2" in found
    assert "opentelemetry-instrumentation-openai-v2" in found  # released apart
    assert not any("sqlalchemy" in line or "system-metrics" in line for line in found)  # refused; seen to by ours
    fake[FLASK] = "0.66b1"
    assert not any("flask" in line for line in fitting.usable())


def test_a_release_without_fixes_is_named_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "release", lambda: "0.65b0")
    assert fitting.fitted(FLASK, "==0.65b0") == f"{FLASK}==0.65b0"
    monkeypatch.setattr(fitting, "release", lambda: "1.0.0")  # a form that is not known yet
    assert fitting.fitted(FLASK, "==1.0.0") == f"{FLASK}==1.0.0"


def test_requirements_are_printed_and_nothing_is_installed(
    fake: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_call", lambda *_: pytest.fail("an installer was run"))
    assert main(["bootstrap", "--requirements"]) == 0
    assert capsys.readouterr().out.splitlines() == fitting.usable()


def test_one_package_that_fails_is_said_and_the_others_go_on(
    fake: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(installer: object, arguments: object, wanted: list[str]) -> str | None:
        if any("openai" in one for one in wanted):
            return "ERROR: No matching distribution found"
        fake.update({fitting.name_of(one): "0.66b1" for one in wanted})
        return None

    monkeypatch.setattr(bootstrap, "_call", call)
    assert main(["bootstrap"]) == 1
    said = capsys.readouterr()
    assert said.err == (
        "trax-otel bootstrap: opentelemetry-instrumentation-openai-v2 cannot be installed: "
        "ERROR: No matching distribution found\n"
    )
    assert f"{FLASK} 0.66b1" in said.out
    assert "of an earlier fix release" in said.out


def test_without_pip_uv_is_used_and_without_both_it_is_said(
    fake: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap._installer() == [str(uv), "pip", "install", "--quiet", "--python", sys.executable]
    uv.unlink()
    assert main(["bootstrap"]) == 1
    assert "neither pip nor uv is there" in capsys.readouterr().err
