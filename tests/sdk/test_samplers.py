"""Trace and span ids."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from trax_otel.sdk.samplers import id_generator

if TYPE_CHECKING:
    import pytest


def test_ids_are_random_whatever_the_application_seeds() -> None:
    problems: list[str] = []
    generator = id_generator({}, problems)
    seen = set()
    for _ in range(5):
        random.seed(1)
        seen |= {generator.generate_trace_id(), generator.generate_span_id()}
    assert len(seen) == 10
    assert all(0 < made < 1 << 128 for made in seen)
    assert generator.is_trace_id_random()
    assert problems == []


def test_each_process_has_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = id_generator({}, [])
    generator._random.seed(1)  # type: ignore[attr-defined]
    first = generator.generate_trace_id()
    generator._random.seed(1)  # type: ignore[attr-defined]
    monkeypatch.setattr("trax_otel.lifecycle.process._process_token", "another process")
    assert generator.generate_trace_id() != first
