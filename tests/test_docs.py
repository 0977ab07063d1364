"""The Python in docs/resilience.md runs, block by block, as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from trax_otel import clock
from trax_otel.recovery import forget_feature
from trax_otel.retry import circuit_breaker
from trax_otel.testing import FakeClock

PAGE = (Path(__file__).parents[1] / "docs" / "resilience.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^## (.+?)$|^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def fails(*_: Any) -> Any:
    raise ConnectionError("away")


def run(source: str, **given: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "docs", **given}
    with clock.use(FakeClock()):
        exec(compile(source, "resilience.md", "exec"), namespace)
    return namespace


def blocks(section: str) -> list[str]:
    """The Python of one section."""
    found, current = [], ""
    for title, source in BLOCKS:
        current = title or current
        if source and current == section:
            found.append(source)
    return found


def test_retry() -> None:
    (source,) = blocks("Retry")
    assert run(source, get=str.upper)["answer"] == "HTTPS://EXAMPLE.ORG"


def test_circuit_breaker() -> None:
    (source,) = blocks("Circuit breaker")
    assert run(source, post=lambda path, order: path)["payments"].state == "closed"
    assert circuit_breaker("payments").state == "closed"


def test_recovery() -> None:
    first, second = blocks("Recovery")
    namespace = run(first, ask_provider=fails)
    assert (namespace["text"], namespace["other"], namespace["result"]) == (
        "sunny, probably", "sunny, probably", "read from the replica",
    )  # fmt: skip
    released: list[str] = []
    try:
        namespace = run(second, reserve=lambda item: None, release=released.append)
    finally:
        forget_feature("suggestions")
    assert (namespace["ideas"], namespace["file"].exists(), released) == (["personal", "things"], False, [])


@pytest.mark.parametrize("already", [False, True])
def test_state(already: bool) -> None:
    (source,) = blocks("State")
    stored: list[str] = []
    again = source.partition("with operation_state_context")
    namespace = run(source + (again[1] + again[2] if already else ""), recognise=str.upper, store=stored.append)
    assert (namespace["state"].result, stored) == ("A.WAV", ["A.WAV"])
