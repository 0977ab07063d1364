"""Two services joined over HTTP: one trace, baggage, and the correlation id of who called the first."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.services import BIN, Delivered, Running, free_port, get, lean, observed, serving
from trax_otel import semconv
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, start

pytestmark = pytest.mark.servers

SERVER, CLIENT = 2, 3
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"

FRONT = """
import logging, os
import requests
from flask import Flask
from opentelemetry import baggage, context

app = Flask(__name__)

@app.get("/order")
def order():
    logging.getLogger("front").warning("asking")
    token = context.attach(baggage.set_baggage("plan", "pro"))
    try:
        return requests.get(os.environ["BACK_URL"] + "stock", timeout=10).json()
    finally:
        context.detach(token)
"""
BACK = """
import logging, sys
from wsgiref.simple_server import make_server
from flask import Flask, request
from opentelemetry import baggage

app = Flask(__name__)

@app.get("/stock")
def stock():
    logging.getLogger("back").warning("asked")
    return {"headers": {name.lower(): value for name, value in request.headers}, "baggage": dict(baggage.get_all())}

make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
"""


class Joined:
    """Two running services: the first, when asked, asks the second."""

    def __init__(self, first: Running, second: Running, front: Delivered, back: Delivered) -> None:
        self._first, self._second = first, second
        self.front, self.back = front, back

    def ask(self, **headers: str) -> dict[str, Any]:
        """What the second service saw."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return dict(json.loads(get(self._first.url + "order", named)))

    def end(self) -> None:
        """Both end by SIGTERM, so that all is delivered."""
        assert self._first.stop() == 0
        assert self._second.stop() == -signal.SIGTERM


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with start(http_port=0, grpc_port=0, path=tmp_path_factory.mktemp("endpoint") / "local.db") as running:
        yield running


@contextmanager
def joined(endpoint: Endpoint, folder: Path, name: str, **environ: str) -> Iterator[Joined]:
    """Both services run inside the block."""
    (folder / "front.py").write_text(FRONT)
    (folder / "back.py").write_text(BACK)
    front_port, back_port = free_port(), free_port()
    with ExitStack() as stack:
        queries = Queries(endpoint.path)
        stack.callback(queries.close)
        environ.update(lean("flask", "requests"))
        front, back = Delivered(queries, f"front {name}"), Delivered(queries, f"back {name}")
        command = observed(endpoint.url, back.service, [sys.executable, "back.py", str(back_port)])
        second = stack.enter_context(serving(command, folder, back_port, **environ))
        gunicorn = [str(BIN / "gunicorn"), "-b", f"127.0.0.1:{front_port}", "front:app"]
        command = observed(endpoint.url, front.service, gunicorn)
        first = stack.enter_context(serving(command, folder, front_port, BACK_URL=second.url, **environ))
        yield Joined(first, second, front, back)


def only(spans: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(spans) == 1, spans
    return spans[0]


def check_joined(services: Joined) -> str:
    """The second service's span is a child of the first one's call; returns the trace id."""
    served = only(services.front.spans(SERVER))
    called = only(services.front.spans(CLIENT))
    answered = only(services.back.spans(SERVER))
    assert called["parent_id"] == served["span_id"]
    assert answered["parent_id"] == called["span_id"]
    assert served["trace_id"] == called["trace_id"] == answered["trace_id"]
    asking, asked = only(services.front.logs("asking")), only(services.back.logs("asked"))
    assert (asking.trace_id, asking.span_id) == (served["trace_id"], served["span_id"])
    assert (asked.trace_id, asked.span_id) == (served["trace_id"], answered["span_id"])
    return str(served["trace_id"])


def correlation_ids(service: Delivered, body: str) -> set[str | None]:
    """The correlation ids on all spans and on the log record of a service."""
    records = [span["attributes"] for span in service.spans()] + [log.attributes for log in service.logs(body)]
    return {attributes.get(semconv.CORRELATION_ID) for attributes in records}


def test_one_trace_goes_through_both(endpoint: Endpoint, tmp_path: Path) -> None:
    caller = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1", "baggage": "customer=gold"}
    with joined(endpoint, tmp_path, "w3c") as services:
        seen = services.ask(**caller, X_Correlation_ID="order-17")
        services.end()
        assert check_joined(services) == TRACE
        assert only(services.front.spans(SERVER))["parent_id"] == SPAN
        assert seen["headers"]["tracestate"] == "vendor=1"
        assert seen["baggage"] == {"customer": "gold", "plan": "pro"}
        # The id of who called is on all that the first service made, and stays there.
        assert "x-correlation-id" not in seen["headers"]
        assert correlation_ids(services.front, "asking") == {"order-17"}
        assert correlation_ids(services.back, "asked") == {None}


def test_the_correlation_id_is_sent_on_where_that_is_asked_for(endpoint: Endpoint, tmp_path: Path) -> None:
    with joined(endpoint, tmp_path, "correlation", TRAX_PROPAGATE_CORRELATION="true") as services:
        seen = services.ask(X_Correlation_ID="order-18")
        services.end()
        check_joined(services)
        assert seen["headers"]["x-correlation-id"] == "order-18"
        assert correlation_ids(services.front, "asking") == {"order-18"}
        assert correlation_ids(services.back, "asked") == {"order-18"}


def test_b3_joins_them_where_that_is_the_propagator(endpoint: Endpoint, tmp_path: Path) -> None:
    with joined(endpoint, tmp_path, "b3", OTEL_PROPAGATORS="b3multi") as services:
        seen = services.ask(X_B3_TraceId=TRACE, X_B3_SpanId=SPAN, X_B3_Sampled="1", X_Correlation_ID="order-19")
        services.end()
        assert check_joined(services) == TRACE
        assert seen["headers"]["x-b3-traceid"] == TRACE
        assert not {"traceparent", "tracestate", "baggage", "x-correlation-id"} & set(seen["headers"])
        assert correlation_ids(services.front, "asking") == {"order-19"}
