from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest
from opentelemetry.util._once import Once

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from trax_otel import lifecycle, sdk
from trax_otel.sdk import configuration
from trax_otel.signals.private import LOGGER, METER, TRACER, rest_instruments


@pytest.fixture
def endpoint() -> Iterator[OtlpEndpoint]:
    """A real endpoint."""
    with otlp_endpoint() as running:
        yield running


@pytest.fixture
def globals_of_otel() -> Iterator[None]:
    """OpenTelemetry's globals as in a new process, and whatever was set up is taken down afterwards."""
    places = [(place._names, name) for place in (TRACER, METER, LOGGER) for name in (place._provider, place._once)]
    before = [names[name] for names, name in places]
    for names, name in places:
        names[name] = Once() if name.endswith("_ONCE") else None
    rest_instruments()
    handler = signal.getsignal(signal.SIGTERM)
    level = logging.getLogger().level
    yield
    current = sdk.current()
    if current is not None:
        current.shutdown(1.0)
    configuration._current = None
    for (names, name), value in zip(places, before, strict=True):
        names[name] = value
    signal.signal(signal.SIGTERM, handler)
    logging.getLogger().setLevel(level)
    lifecycle.set_exit_budget(lifecycle.DEFAULT_EXIT_BUDGET)
