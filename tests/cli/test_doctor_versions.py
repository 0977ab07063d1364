"""`trax-otel doctor` on packages: what does not fit, what conflicts, what refuses its library."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from support.doctor import examine
from trax_otel.cli.doctor import versions
from trax_otel.cli.doctor.finding import Finding
from trax_otel.instrumentation import hint


class Package(importlib.metadata.Distribution):
    """An installed package that is only told of."""

    def __init__(self, name: str, version: str, *requires: str) -> None:
        self._about = Message()
        self._about["Name"], self._about["Version"] = name, version
        for one in requires:
            self._about["Requires-Dist"] = one

    @property
    def metadata(self) -> Any:
        return self._about

    @property
    def requires(self) -> list[str]:
        return self._about.get_all("Requires-Dist") or []

    def read_text(self, filename: str) -> None:
        return None

    def locate_file(self, path: Any) -> Any:
        return path


def check(monkeypatch: pytest.MonkeyPatch, *more: Package, missing: str = "", **environ: str) -> list[Finding]:
    """What is found with these packages beside, or instead of, those that are installed."""
    given = {one.metadata["Name"] for one in more}
    real = [one for one in importlib.metadata.distributions() if one.metadata["Name"] not in {*given, missing}]
    monkeypatch.setattr(versions, "distributions", lambda: [*real, *more])
    return versions.check(environ)


def of(findings: list[Finding], check_id: str) -> list[Finding]:
    return [one for one in findings if one.id == check_id]


def test_what_is_installed_here_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = check(monkeypatch)
    assert [one.status for one in findings if one.id != "versions.instrumentation"] == ["ok"] * 2
    assert "opentelemetry-sdk" in of(findings, "versions.packages")[0].detail


def test_an_api_and_an_sdk_of_different_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = of(
        check(monkeypatch, Package("opentelemetry-sdk", "1.30.0", "opentelemetry-api==1.30.0")), "versions.packages"
    )[:1]
    wrong = of(
        check(monkeypatch, Package("opentelemetry-sdk", "1.30.0", "opentelemetry-api==1.30.0")), "versions.packages"
    )
    assert found.status == "error"
    assert any(
        one.summary.startswith("opentelemetry-sdk 1.30.0 needs opentelemetry-api ==1.30.0, and ") for one in wrong
    )
    assert any("needs opentelemetry-sdk" in one.summary and "1.30.0 is installed" in one.summary for one in wrong)


def test_a_protobuf_that_is_too_old_for_the_generated_code(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = of(check(monkeypatch, Package("protobuf", "3.19.0")), "versions.packages")
    assert any("opentelemetry-proto" in one.summary and "3.19.0 is installed" in one.summary for one in wrong)


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = of(check(monkeypatch, missing="opentelemetry-proto"), "versions.packages")
    assert any("needs opentelemetry-proto, which is not installed" in one.summary for one in wrong)


def test_extras_that_were_not_asked_for_are_no_need(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Package("opentelemetry-thing", "1.0", "no-such-package; extra == 'gold'", "none-such; python_version < '3'")
    assert [one.status for one in of(check(monkeypatch, more), "versions.packages")] == ["ok"]


@pytest.mark.parametrize("name", ["ddtrace", "newrelic", "elastic-apm"])
def test_an_agent_beside_us_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = of(check(monkeypatch, Package(name, "2.1")), "conflicts.agent")
    assert found.status == "warning"
    assert f"{name} 2.1" in found.summary
    assert found.advice


def test_another_distro_that_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = of(check(monkeypatch, OTEL_PYTHON_DISTRO="aws_distro"), "conflicts.distro")
    assert (found.status, "aws_distro" in found.summary) == ("warning", True)


def test_another_distro_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = importlib.metadata.EntryPoint("distro", "opentelemetry.distro:Distro", "opentelemetry_distro")
    monkeypatch.setattr(versions, "entry_points", lambda group: [other] if group == other.group else [])
    (found,) = of(check(monkeypatch), "conflicts.distro")
    assert found.status == "ok"
    assert "OTEL_PYTHON_DISTRO=trax" in found.advice


def test_an_instrumentation_that_refuses_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hint, "uninstrumented", lambda: ["flask 0.9 (its instrumentation is for >=1.0)", "redis"])
    (found,) = of(check(monkeypatch), "versions.instrumentation")
    assert (found.status, found.subject) == ("warning", "flask")
    monkeypatch.setattr(hint, "uninstrumented", lambda: ["redis"])
    (found,) = of(check(monkeypatch), "versions.instrumentation")
    assert (found.status, found.detail) == ("ok", "installed without one: redis")


def test_a_check_that_fails_itself_is_a_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> Any:
        raise RuntimeError("metadata in disarray")

    monkeypatch.setattr(versions, "check", broken)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    (found,) = examine(capsys).of("versions")
    assert (found["status"], found["detail"]) == ("skipped", "RuntimeError: metadata in disarray")


def test_protobuf_in_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    from google.protobuf.internal import api_implementation

    monkeypatch.setattr(api_implementation, "Type", lambda: "python")
    monkeypatch.setenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
    (found,) = of(check(monkeypatch), "versions.protobuf")
    assert (found.status, found.advice) == ("warning", "unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION")


BROKEN = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name == "opentelemetry.proto":
            raise TypeError("Descriptors cannot be created directly")

sys.meta_path.insert(0, Refusing())
"""


def test_an_opentelemetry_that_cannot_be_imported_ends_the_way_there(tmp_path: Path) -> None:
    """protobuf refuses generated code of another age with errors of its own: in a process where it really does."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    done = subprocess.run(
        [sys.executable, "-m", "trax_otel", "doctor", "--json", "--store", "http://127.0.0.1:9"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    broken, way = json.loads(done.stdout)["checks"]
    assert (broken["id"], broken["status"], way["status"]) == ("versions.import", "error", "skipped")
    assert "Descriptors cannot be created directly" in broken["detail"]
    assert broken["advice"]
