"""What every test stands on: no telemetry of one test reaches another, and no variable of the shell reaches any."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Start from a bare environment: a developer's own OTEL_* or TRAX_* must not change what the suite shows."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "TRAX_")) and name != "TRAX_STACK_HOME":
            del os.environ[name]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What hostile tests log must not break the way from a parallel worker to its reporter: lone surrogates cannot travel."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report
