"""Fixtures for pytest. Nothing but pytest is imported until one of them is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import CapturedTelemetry, FakeClock


@pytest.fixture
def trax_telemetry() -> Iterator[CapturedTelemetry]:
    """What the test emits: spans, log records, metrics, with readable assertions."""
    from .testing import capture

    with capture() as telemetry:
        yield telemetry


@pytest.fixture
def trax_clock() -> Iterator[FakeClock]:
    """A clock that moves only when told to, in force during the test."""
    from .testing import fake_clock

    with fake_clock() as clock:
        yield clock
