"""What services left out of their traces is said where traces and operations are listed."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from starlette.applications import Starlette

from support.stored import S, Stored, ns, put, resource
from trax_otel.cli import local
from trax_otel.local.filters import Filter
from trax_otel.local.web import routes

SENTENCE = "30 spans that stood alone are counted and not kept (GET 20, PRAGMA 10): TRAX_ROOT_SPANS=all keeps them"


def limited(service: str, **counts: int) -> bytes:
    request = ExportMetricsServiceRequest()
    added = request.resource_metrics.add()
    resource(added.resource, service)
    metric = added.scope_metrics.add().metrics.add(name="trax.spans.limited", unit="{span}")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
    for name, count in counts.items():
        for step in (0, 1):
            point = metric.sum.data_points.add(
                time_unix_nano=ns(step), start_time_unix_nano=ns(-1), as_int=count * (step + 1) // 2
            )
            put(point.attributes, {"trax.limited.instrumentation": "redis", "trax.limited.span": name})
    return request.SerializeToString()


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    stored = Stored(tmp_path)
    stored.spans(S(1, "GET /a", kind="server"))
    stored.metrics(limited("shop", GET=20, PRAGMA=10)).metrics(limited("other", SET=5))
    yield stored
    stored.close()


def test_it_is_said_for_the_services_that_are_asked_for(stored: Stored) -> None:
    assert stored.queries.left_out(Filter(service="shop")) == SENTENCE
    assert stored.queries.left_out().startswith("35 spans")
    assert stored.queries.left_out(Filter(service="none")) == ""
    assert stored.queries.left_out(Filter(errors_only=True)) == ""


@pytest.mark.parametrize("view", ["traces", "operations"])
def test_both_listings_say_it(view: str, stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    local.add_parser(parser.add_subparsers())
    words = ["local", "--db", str(stored.path), view, "--service", "shop"]
    assert local.run(parser.parse_args(words)) == 0
    assert SENTENCE in capsys.readouterr().out
    local.run(parser.parse_args([*words, "--json"]))
    assert "counted and not kept" not in capsys.readouterr().out
    transport = httpx.ASGITransport(Starlette(routes=routes(stored.queries)))

    async def ask() -> str:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get(f"/{view}?service=shop")).text

    assert SENTENCE in asyncio.run(ask())
