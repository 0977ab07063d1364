"""Stable names and old ones are one question: whichever a service sends, the views find it under both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from starlette.applications import Starlette

from support.stored import S, Stored, metric_request, trace_id
from trax_otel.local.analysis.usage import usage
from trax_otel.local.filters import Filter
from trax_otel.local.formats import http_status
from trax_otel.local.web import routes
from trax_otel.semconv import standard

STABLE = {"http.response.status_code": 500, "user_agent.original": "probe", "client.address": "10.0.0.7"}
OLD = {"http.status_code": 500, "http.user_agent": "probe", "net.peer.ip": "10.0.0.7"}
DURATION = "http.server.request.duration"
OLD_DURATION = "http.server.duration"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stored]:
    stored = Stored(tmp_path)
    yield stored
    stored.close()


@pytest.fixture(params=[STABLE, OLD], ids=["stable", "old"])
def stored(request: pytest.FixtureRequest, empty: Stored) -> Stored:
    return empty.spans(S(1, "GET /a", kind="server", error="", attributes=request.param))


def metrics_called(name: str) -> bytes:
    request = ExportMetricsServiceRequest.FromString(metric_request(minutes=2))
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        metric.name = name if metric.name == DURATION else metric.name
    return request.SerializeToString()


def test_spans_are_found_by_either_name(stored: Stored) -> None:
    for name in ("http.response.status_code", "http.status_code"):
        assert len(stored.queries.traces(Filter(extra={name: 500}))) == 1
        assert stored.queries.traces(Filter(extra={name: 404})) == []
    assert stored.queries.traces(Filter(extra={"http.route": 500})) == []


def test_views_read_either(stored: Stored) -> None:
    (used,) = usage(stored.queries, Filter())
    assert (used.agents, used.clients) == ((("probe", 1),), (("10.0.0.7", 1),))
    (failed,) = stored.queries.errors()
    assert (failed.type, failed.message) == ("500", "answered with HTTP status 500")
    (span,) = stored.queries.trace(trace_id(1))
    assert http_status(span.attributes) == 500


@pytest.mark.parametrize("asked", [DURATION, OLD_DURATION])
@pytest.mark.parametrize("sent", [DURATION, OLD_DURATION])
def test_a_metric_is_found_by_either_name(sent: str, asked: str, empty: Stored) -> None:
    empty.metrics(metrics_called(sent))
    assert {series.name for series in empty.queries.metric(asked)} == {sent}
    transport = httpx.ASGITransport(Starlette(routes=routes(empty.queries)))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(f"/metrics/{asked}")

    assert f"<h1>{sent}" in asyncio.run(ask()).text


def test_where_a_service_sends_both_the_name_that_was_asked_for_is_shown(empty: Stored) -> None:
    empty.metrics(metrics_called(DURATION)).metrics(metrics_called(OLD_DURATION))
    for name in (DURATION, OLD_DURATION):
        assert {series.name for series in empty.queries.metric(name)} == {name}


def test_every_name_stands_once() -> None:
    pairs = [*standard._RENAMED, *standard.METRICS]
    names = [name for names in pairs for name in names]
    assert len(names) == len(set(names))
    assert all(len(names) > 1 for names in pairs)
