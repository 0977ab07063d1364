"""Stores that are away lose nothing: the collector keeps and repeats."""

from __future__ import annotations

import secrets
import time

import pytest

from support import otlp_data
from support.real_stack import Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
AWAY_SECONDS = 10.0


def test_what_comes_while_tempo_loki_and_prometheus_are_away_arrives_when_they_are_back(stack: Stack) -> None:
    stores = [stack.servers[name] for name in ("tempo", "loki", "prometheus")]
    for store in stores:
        store.kill()
    ids = [secrets.token_bytes(16) for _ in range(30)]
    began = time.monotonic()
    for number, trace in enumerate(ids):
        stack.send(otlp_data.traces(otlp_data.span("during", trace=trace), service="outage"))
        stack.send(otlp_data.logs(otlp_data.record(f"line {number}", trace_id=trace), service="outage"), "logs")
        stack.send(otlp_data.metrics(otlp_data.counter("outage", number + 1), service="outage"), "metrics")
    time.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - began)))
    for store in stores:
        store.start()

    for trace in ids:
        until(lambda trace=trace: stack.tempo_trace(trace.hex()), "each trace in Tempo", 90)
    until(lambda: len(stack.loki('{service_name="outage"}')) == len(ids), "each line in Loki", 90)
    newest = until(lambda: stack.prometheus('outage_total{service_name="outage"}') or stack.prometheus(
        '{__name__=~"outage.*",service_name="outage"}'), "the counter in Prometheus", 90)  # fmt: skip
    assert float(newest[0]["value"][1]) == len(ids)
