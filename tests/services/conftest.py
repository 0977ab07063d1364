"""Tests over servers, workers and libraries that nobody here wrote: `make test-services`. No part of the ordinary suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs import redis_server
from support.services import Delivered
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these out unless they are asked for by `-m services`."""
    if config.option.markexpr == "services":
        return
    ours = [item for item in items if HERE in item.path.parents]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with start(http_port=0, grpc_port=0, path=tmp_path_factory.mktemp("endpoint") / "local.db") as running:
        yield running


@pytest.fixture
def delivered(endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Delivered]:
    queries = Queries(endpoint.path)
    yield Delivered(queries, request.node.name)
    queries.close()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url
