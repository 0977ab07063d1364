"""The feedback guard: what happens while telemetry is exported must not make telemetry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_exporting: Final[ContextVar[bool]] = ContextVar("trax-exporting", default=False)


def exporting() -> bool:
    """Whether the calling thread (or task) is at work for an exporter: what it logs is not sent."""
    return _exporting.get()


@contextmanager
def while_exporting() -> Iterator[None]:
    """Mark the block as an exporter's work."""
    token = _exporting.set(True)
    try:
        yield
    finally:
        _exporting.reset(token)
