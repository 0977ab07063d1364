"""The plugin costs a test run that does not use it nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distribution
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


def test_a_suite_whose_warnings_are_errors_passes_under_run(tmp_path: Path) -> None:
    """Where the package is installed, pytest knows all of its files as a plugin's, and warns of what is imported already."""
    installed = tmp_path / "site" / "trax_otel-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: trax-otel\nVersion: 0\n")
    (installed / "entry_points.txt").write_text(distribution("trax-otel").read_text("entry_points.txt") or "")
    (installed / "RECORD").write_text("trax_otel/__init__.py,,\ntrax_otel/pytest_plugin.py,,\n")
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (suite / "test_suite.py").write_text("def test_with_a_fixture(trax_clock):\n    assert trax_clock is not None\n")
    pytest_alone = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider"]
    under_run = [sys.executable, "-m", "trax_otel", "run", "--endpoint", "http://127.0.0.1:9", "--", *pytest_alone]
    for command in (pytest_alone, under_run):
        done = subprocess.run(
            command, cwd=suite, env={**os.environ, "PYTHONPATH": str(installed.parent), "TRAX_EXIT_TIMEOUT": "0.5"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
