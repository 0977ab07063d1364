"""The pytest plugin: fixtures over `trax_otel.testing`, which is imported only when one of them is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import CapturedTelemetry, FakeClock


@pytest.fixture
def trax_telemetry() -> Iterator[CapturedTelemetry]:
    """Everything that the test emits: spans, log records, metrics and events, with ids that count from 1."""
    from .testing import capture

    with capture() as telemetry:
        yield telemetry


@pytest.fixture
def trax_clock() -> Iterator[FakeClock]:
    """A clock that only the test moves: sleeps return at once and are remembered."""
    from .testing import fake_clock

    with fake_clock() as clock:
        yield clock
