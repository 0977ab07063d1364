"""The plugin costs a test run that does not use it nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
def test_telemetry(trax_telemetry, trax_clock):
    from trax_otel import clock
    from trax_otel.logging import timing_context
    with timing_context("work"):
        clock.current().sleep(5.0)
    assert trax_telemetry.span("work").status != "error"
    assert trax_clock.sleeps == [5.0]

def test_fresh(trax_telemetry):
    assert trax_telemetry.spans == []
"""


def test_users_tests_get_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_plugin_loads_no_sdk() -> None:
    script = "import sys, trax_otel.pytest_plugin; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
