"""What `run` can see in a command that keeps telemetry from starting is one line; the command runs unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from trax_otel.cli.without_effect import reason


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("python -I app.py", "python -I ignores PYTHONPATH"),
        ("/usr/bin/python3.11 -E app.py", "python3.11 -E ignores PYTHONPATH"),
        ("python3 -S app.py", "python3 -S does not load"),
        ("python -sIm app", "python -I"),
        ("python -X dev -W error -E app.py", "python -E"),
        ("python -Wignore -IS app.py", "python -I"),
        ("pypy3 -E app.py", "pypy3 -E"),
        ("env -i python app.py", "env -i empties the environment"),
        ("env - python app.py", "env -i empties"),
        ("env A=b -u PYTHONPATH python app.py", "env takes PYTHONPATH away"),
        ("env PYTHONPATH=/x python app.py", "env sets another PYTHONPATH"),
        ("env A=b python -I app.py", "python -I"),
        ("sudo python app.py", "sudo resets the environment"),
        ("docker run image", "docker starts the program elsewhere"),
    ],
)
def test_what_is_seen_is_told(command: str, told: str) -> None:
    found = reason(command.split())
    assert found is not None
    assert told in found


@pytest.mark.parametrize(
    "command",
    [
        "python app.py -I",
        "python -m app -E",
        "python -c pass -S",
        "python -u -O app.py",
        "python -X importtime -W default app.py -I",
        "python -Xdev -mapp -I",
        "python -",
        "python",
        "env A=b python app.py -i",
        "env -u HOME python app.py",
        "sudo -E python app.py",
        "sudo --preserve-env=PYTHONPATH,PATH python app.py",
        "no-such-command -I",
        "env",
    ],
)
def test_what_goes_is_not_spoken_of(command: str) -> None:
    assert reason(command.split()) is None


@pytest.mark.parametrize(
    ("first_line", "told"),
    [
        ("#!/usr/bin/python3 -I", "python3 -I"),
        ("#!/usr/bin/env -S python3 -E", "python3 -E"),
        ("#!/usr/bin/env python3", None),
        ("#!/bin/sh\nexport PYTHONPATH=/opt/lib", "sets another PYTHONPATH"),
        ("#!/bin/sh\nPYTHONPATH=/opt/lib:$PYTHONPATH python app.py", None),
        ("#! /bin/bash", None),
        ("#!", None),
        ("\x7fELF", None),
    ],
)
def test_a_scripts_first_line_is_read(first_line: str, told: str | None, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"{first_line}\n")
    script.chmod(0o755)
    found = reason([str(script), "-I"])
    assert (found is None) == (told is None)
    assert told is None or told in (found or "")


def test_a_pex_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "app.pex"
    with path.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("PEX-INFO", "{}")
    path.chmod(0o755)
    assert "app.pex is a pex" in (reason([str(path)]) or "")


@pytest.mark.parametrize("options", [["-I"], ["-E"], ["-S"]])
def test_the_command_runs_as_it_does_without_us(options: list[str]) -> None:
    script = "import subprocess, sys; print('ran', flush=True); sys.exit(4)"
    done = subprocess.run(
        [sys.executable, "-m", "trax_otel", "run", "--", sys.executable, *options, "-c", script],
        env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "ran\n")
    [line] = done.stderr.splitlines()
    assert line.startswith("trax-otel: python")
