"""Stable names where the user chose none, and no span for each ASGI message."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from support.services import Delivered, free_port, get, lean, observed, serving, until
from trax_otel.instrumentation import TraxDistro, conventions, imports
from trax_otel.local.filters import Filter
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start

VARIABLE = conventions.OPT_IN_VARIABLE


class Convention:
    """What contrib has of this name: modes, and one read of the environment."""

    read: ClassVar[list[str]] = []

    @classmethod
    def _initialize(cls) -> None:
        cls.read.append(os.environ[VARIABLE])


@pytest.fixture
def contrib(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Contrib's list of modes, not imported yet."""
    monkeypatch.setattr(conventions, "_KNOWN_BY", "conventions_of_tests")
    module = ModuleType("conventions_of_tests")
    module._OpenTelemetrySemanticConventionStability = Convention  # type: ignore[attr-defined]
    Convention.read = []
    yield module
    sys.modules.pop(module.__name__, None)
    imports._waiting.pop(module.__name__, None)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variable, so that it is unset again after the test."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)


def imported(module: ModuleType) -> None:
    sys.modules[module.__name__] = module
    for action in imports._waiting.pop(module.__name__, []):
        action()


@pytest.mark.parametrize("unset", [None, "", "  "])
def test_nothing_set_means_stable_names_and_what_the_installed_release_knows_more(
    unset: str | None, contrib: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(monkeypatch)
    if unset is not None:
        monkeypatch.setenv(VARIABLE, unset)
    TraxDistro().configure()
    assert os.environ[VARIABLE] == "http,database"
    names = [
        "default",
        "http",
        "http/dup",
        "database",
        "database/dup",
        "gen_ai_latest_experimental",
        "messaging",
        "rpc/dup",
    ]
    contrib._StabilityMode = Enum("_StabilityMode", {f"M{place}": name for place, name in enumerate(names)})  # type: ignore[attr-defined]
    imported(contrib)
    assert Convention.read == ["http,database,messaging"]


@pytest.mark.parametrize("chosen", ["none", "http/dup,database/dup", "database"])
def test_what_the_user_sets_wins(chosen: str, contrib: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, chosen)
    TraxDistro().configure()
    imported(contrib)
    assert os.environ[VARIABLE] == chosen
    assert Convention.read == [chosen]


def test_a_release_that_keeps_no_such_list_gets_what_is_known_here(
    contrib: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(monkeypatch)
    del contrib._OpenTelemetrySemanticConventionStability  # type: ignore[attr-defined]
    TraxDistro().configure()
    imported(contrib)
    assert os.environ[VARIABLE] == "http,database"


class EntryPoint:
    name = "fastapi"

    def __init__(self, value: str) -> None:
        self.value = value


def test_other_publishers_instrumentors_get_no_arguments() -> None:
    assert conventions.arguments(EntryPoint("opentelemetry.instrumentation.fastapi:X"))["exclude_spans"]
    assert conventions.arguments(EntryPoint("openinference.instrumentation.fastapi:X")) == {}


# --- Real servers ----------------------------------------------------------------------------------------------------

APPLICATIONS = {
    "fastapi": """
from fastapi import FastAPI
app = FastAPI()
@app.get("/items/{item}")
def item(item: int):
    return item
""",
    "starlette": """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
app = Starlette(routes=[Route("/items/{item}", lambda request: PlainTextResponse("1"))])
""",
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with start(http_port=0, grpc_port=0, path=tmp_path_factory.mktemp("endpoint") / "local.db") as running:
        yield running


@pytest.mark.servers
@pytest.mark.parametrize("chosen", ["", "none", "http/dup"])
@pytest.mark.parametrize("framework", APPLICATIONS)
def test_a_request_is_one_span_with_the_chosen_names(
    framework: str, chosen: str, endpoint: Endpoint, tmp_path: Path
) -> None:
    service = f"{framework}-{chosen}"
    (tmp_path / "app.py").write_text(APPLICATIONS[framework])
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    environ = lean(framework, "asgi") | ({VARIABLE: chosen} if chosen else {})
    with serving(observed(endpoint.url, service, command), tmp_path, port, **environ) as server:
        get(f"{server.url}items/1")
        assert server.stop() is not None
    queries = Queries(endpoint.path)
    try:
        delivered = Delivered(queries, service)
        (span,) = until(delivered.spans, "the request's span")
        names = set(span["attributes"])
        assert span["name"] == "GET /items/{item}"
        assert ("http.response.status_code" in names) is (chosen != "none")
        assert ("http.status_code" in names) is (chosen != "")
        metrics = {metric.name for metric in queries.metrics(Filter(service=service))}
        assert ("http.server.request.duration" in metrics) is (chosen != "none")
        assert ("http.server.duration" in metrics) is (chosen != "")
    finally:
        queries.close()
