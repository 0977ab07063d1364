"""Tests over the stack's real servers: `make test-stack`, which builds them first. No part of the ordinary suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.real_stack import Stack, servers, whole_stack

HERE = Path(__file__).parent


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which servers are tested; docs/stack.md says what differs from the newest."""
    if config.option.markexpr != "stack":
        return []
    lines = (servers.ROOT / "tools/stack/versions.env").read_text(encoding="utf-8").splitlines()
    return ["stack: " + ", ".join(line.lower() for line in lines if line and not line.startswith(("#", "GO", "WIRE")))]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these out unless they are asked for by `-m stack`."""
    if config.option.markexpr == "stack":
        return
    ours = [item for item in items if HERE in item.path.parents]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with whole_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
