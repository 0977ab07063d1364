"""A store in a folder of its own, and a way to put requests into it as the receivers do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trax_otel.local.decode import Signal, from_message, from_protobuf
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start
from trax_otel.local.store import Batch, Store

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from support.browser import Browser


class Room:
    """A store with its queries; `put` takes OTLP messages."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.queries = Queries(path)

    def put(self, *requests: Any) -> list[Batch]:
        batches = [from_message(signal_of(request), request) for request in requests]
        self.store.write(batches)
        return batches

    def put_bytes(self, signal: Signal, body: bytes) -> Batch:
        batch = from_protobuf(signal, body)
        self.store.write([batch])
        return batch

    def close(self) -> None:
        self.queries.close()
        self.store.close()


def signal_of(request: Any) -> Signal:
    name = type(request).__name__
    return "traces" if "Trace" in name else "metrics" if "Metrics" in name else "logs"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path / "local.db")
    yield room
    room.close()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """The whole endpoint on free ports."""
    with start(http_port=0, grpc_port=0, path=tmp_path / "served" / "local.db") as endpoint:
        yield endpoint


@pytest.fixture
def queries(endpoint: Endpoint) -> Iterator[Queries]:
    queries = Queries(endpoint.path)
    yield queries
    queries.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    from support import browser

    driver = browser.chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: WebDriver, tmp_path: Path) -> Iterator[Browser]:
    """A browser with an endpoint of its own; nothing may be reported on the console."""
    from support.browser import Browser

    with start(http_port=0, grpc_port=0, path=tmp_path / "local.db") as endpoint:
        browser = Browser(chromium, endpoint)
        browser.complaints()
        yield browser
        complaints = browser.complaints()
        chromium.get("about:blank")
    assert complaints == [], "nothing may be reported on the console"
