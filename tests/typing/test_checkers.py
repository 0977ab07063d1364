"""mypy --strict and pyright on calls as users write them: nothing to say of the right ones, something of each wrong one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MARK = "# mistake"

Complaints = dict[int, str]
"""What a checker says, by line."""


def by_mypy(file: Path) -> Complaints:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--output",
        "json",
        "--config-file",
        "pyproject.toml",
        str(file),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in {0, 1}, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {
        one["line"]: one["message"]
        for one in found
        if one["severity"] == "error" and Path(one["file"]).name == file.name
    }


def by_pyright(file: Path) -> Complaints:
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1: one["message"] for one in found if one["severity"] == "error"}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("check", [by_mypy, by_pyright])
@pytest.mark.parametrize("name", ["calls.py", "mistakes.py"])
def test_checkers_complain_of_mistakes_and_of_nothing_else(check: Callable[[Path], Complaints], name: str) -> None:
    file = HERE / name
    lines = file.read_text(encoding="utf-8").splitlines()
    expected = {number for number, line in enumerate(lines, 1) if line.endswith(MARK)}
    complaints = check(file)
    unforeseen = {
        number: f"{lines[number - 1]}: {message}" for number, message in complaints.items() if number not in expected
    }
    overlooked = {number: lines[number - 1] for number in sorted(expected - complaints.keys())}
    assert (unforeseen, overlooked) == ({}, {})
