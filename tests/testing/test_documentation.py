"""The examples of docs/testing.md run as they are printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_documented_tests_pass(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    tests = [block for block in blocks if "def test_" in block and "..." not in block]
    assert len(tests) == 2
    for number, block in enumerate(tests):
        (tmp_path / f"test_documented_{number}.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_documented_faults_exist() -> None:
    from trax_otel import testing

    text = PAGE.read_text(encoding="utf-8")
    imported = re.findall(r"from trax_otel\.testing import (.+)", text)
    names = {name.strip() for line in imported for name in line.split(",")}
    assert len(names) >= 8
    assert names <= set(testing.__all__)
