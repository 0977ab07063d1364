"""The README's ways to install, run from this checkout in throwaway environments; and what they leave as it was."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import ROOT, end_of, program

pytestmark = pytest.mark.services

README = (ROOT / "README.md").read_text()
SECONDS = 150.0
OLDER = "1.44.0"
"""A release of OpenTelemetry that a service may have, with instrumentations of its own (0.65b0)."""


def lines(start: str) -> list[str]:
    """The README's commands that begin so, without their comments, in their order."""
    found = re.findall(rf"^({re.escape(start)}.*?)(?:\s+#.*)?$", README, flags=re.MULTILINE)
    assert found, start
    return found


def environment(folder: Path, *packages: str) -> Path:
    """A new virtual environment with these packages; its Python."""
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=SECONDS)
    if packages:
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True, timeout=SECONDS)
    return python


def versions(python: Path) -> dict[str, str]:
    done = end_of([str(python), "-m", "pip", "freeze"], python.parent, SECONDS)
    return dict(line.split("==") for line in done.out.splitlines() if "==" in line)


@pytest.mark.timeout(400)
def test_the_package_in_the_service_moves_nothing_and_its_instrumentations_follow(tmp_path: Path) -> None:
    python = environment(tmp_path, f"opentelemetry-sdk=={OLDER}", "flask")
    before = versions(python)
    (line,) = [one for one in lines("pip install") if "[" not in one]
    command = [str(python), "-m", *line.replace("trax-otel", str(ROOT)).split()]
    assert end_of([*command, "-q"], tmp_path, SECONDS).status == 0
    trax_otel = str(python.parent / "trax-otel")
    assert lines("trax-otel bootstrap")
    done = end_of([trax_otel, "bootstrap"], tmp_path, SECONDS)
    assert (done.status, done.err) == (0, "")
    after = versions(python)
    assert {name: after[name] for name in before} == before
    assert after["opentelemetry-instrumentation-flask"] == "0.65b0"
    assert not {"rich", "requests", "grpcio"} & set(after)
    assert end_of([str(python), "-m", "pip", "check"], tmp_path, SECONDS).status == 0
    again = end_of([trax_otel, "bootstrap"], tmp_path, SECONDS)
    assert again.out == "Nothing to do: what this environment can use is installed.\n"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("installer", ["pipx", "uv"])
def test_the_tool_on_ones_own_machine(installer: str, tmp_path: Path) -> None:
    (line,) = [one for one in lines("pipx install") if "[local]" in one]
    assert "uv tool install 'trax-otel[local]'" in README
    words = [program(installer), *(["tool"] if installer == "uv" else []), "install", f"{ROOT}[local]"]
    assert line == "pipx install 'trax-otel[local]'"
    folders = {name: str(tmp_path / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    done = end_of(words, tmp_path, SECONDS, **folders)
    assert done.status == 0, done.err
    tool = str(Path(folders["PIPX_BIN_DIR" if installer == "pipx" else "UV_TOOL_BIN_DIR"], "trax-otel"))
    seen = end_of([tool, "local", "--db", "none.db", "traces"], tmp_path)
    assert "no telemetry has been stored yet" in seen.err
    # A service in an environment of its own, which has no trax_otel: said once, run unchanged.
    ran = end_of([tool, "run", "--", str(environment(tmp_path)), "-c", "print('served')"], tmp_path)
    assert (ran.status, ran.out) == (0, "served\n")
    assert len(ran.err.splitlines()) == 1
    assert "trax" in ran.err
