"""What every test stands on: no telemetry of one test reaches another, and no variable of the shell reaches any."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from support.stored import Stored

# On a busy machine time says nothing of a property; in CI the same examples are tried each time.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Start from a bare environment: what a developer has set, the terminal's width too, must not change what the suite shows."""
    for name in list(os.environ):
        if (name.startswith(("OTEL_", "TRAX_")) and name != "TRAX_STACK_HOME") or name in {"COLUMNS", "LINES"}:
            del os.environ[name]
    # A shell that starts the suite in the background ignores SIGINT for it, and so for every program under test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What hostile tests log must not break the way from a parallel worker to its reporter: lone surrogates cannot travel."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def variables_of_each_test() -> Iterator[None]:
    """What a test, or what it calls, sets in the environment for our package or OpenTelemetry's goes with it."""
    before = _variables()
    yield
    for name in _variables().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("OTEL_", "TRAX_", "_TRAX_"))}


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    """A local store in a folder of its own, and what reads it."""
    from support.stored import Stored

    stored = Stored(tmp_path)
    yield stored
    stored.close()
