from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest
from opentelemetry.util._once import Once

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from trax_otel import lifecycle, sdk
from trax_otel.sdk import configuration
from trax_otel.sdk.install import LOGS, METRICS, TRACES


@pytest.fixture
def endpoint() -> Iterator[OtlpEndpoint]:
    """A real endpoint."""
    with otlp_endpoint() as running:
        yield running


@pytest.fixture
def globals_of_otel() -> Iterator[None]:
    """OpenTelemetry's globals as in a new process, and whatever was set up is taken down afterwards."""
    places = (TRACES, METRICS, LOGS)
    before = [(place._module, name, getattr(place._module, name)) for place in places for name in names(place)]
    for place in places:
        setattr(place._module, place._name, None)
        setattr(place._module, place._once, Once())
    METRICS._module._PROXY_METER_PROVIDER._real_meter_provider = None
    handler = signal.getsignal(signal.SIGTERM)
    level = logging.getLogger().level
    yield
    current = sdk.current()
    if current is not None:
        current.shutdown(1.0)
    configuration._current = None
    for module, name, value in before:
        setattr(module, name, value)
    signal.signal(signal.SIGTERM, handler)
    logging.getLogger().setLevel(level)
    lifecycle.set_exit_budget(lifecycle.DEFAULT_EXIT_BUDGET)


def names(place: object) -> tuple[str, str]:
    """The two names of one of OpenTelemetry's globals."""
    return place._name, place._once  # type: ignore[attr-defined]
