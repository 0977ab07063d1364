"""Two collectors of tier 2 behind tier 1: everything that sampling names is kept whole, and its share of the rest."""

from __future__ import annotations

import random
import secrets
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import otlp_data
from support.gateway import Door, gateway
from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from support.real_stack import RunningServer, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
TRACES = 10_000
BATCH = 250
SHARE = 0.10
Gateway = tuple[Door, list[RunningServer], OtlpEndpoint]


def event(name: str, **attributes: Any) -> Callable[[Any], None]:
    def add(span: Any) -> None:
        span.events.add(name=name, time_unix_nano=span.start_time_unix_nano, attributes=otlp_data.pairs(attributes))

    return add


def attribute(**attributes: Any) -> Callable[[Any], None]:
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    return lambda span: span.attributes.extend(otlp_data.pairs(named))


def failed(span: Any) -> None:
    span.status.code = 2


def slow(span: Any) -> None:
    span.end_time_unix_nano = span.start_time_unix_nano + 5_100_000_000


KEPT: dict[str, Callable[[Any], None]] = {
    "error": failed,
    "slow": slow,
    "retried": attribute(trax__retry__count=1),
    "attempt": attribute(trax__retry__attempt=2),
    "rejected": attribute(trax__outcome="rejected"),
    "rejected retry": attribute(trax__retry__outcome="rejected"),
    "recovered": attribute(trax__recovery__outcome="recovered"),
    "fallback": attribute(trax__recovery__fallback="cache"),
    "resumed": attribute(trax__state__recoveries=1),
    "coded": attribute(trax__error__code="TRAX-003"),
    "security": attribute(trax__security__event="tampering"),
    "security line": event("log", **{"trax.security.event": "authentication"}),
    "exception": event("exception", **{"exception.type": "KeyError"}),
    "scheduled": event("trax.retry.scheduled"),
    "breaker": event("trax.circuit_breaker.state_changed"),
    "degraded": event("trax.feature.level_changed"),
    "store lost": event("trax.state.store_lost"),
}
ORDINARY: list[Callable[[Any], None]] = [
    lambda span: None,
    attribute(trax__retry__count=0, trax__outcome="success"),
    attribute(trax__state__recoveries=0),
    event("log", **{"log.message": "fine"}),
    event("trax.state.checkpoint"),
]


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with (
        otlp_endpoint() as sink,
        gateway(
            tmp_path_factory.mktemp("gateway"), sink.url, TRAX_DECISION_WAIT="8s", TRAX_SPAN_METRICS_INTERVAL="1s"
        ) as (
            door,
            nodes,
        ),
    ):
        yield door, nodes, sink


def arrived(sink: OtlpEndpoint) -> Counter[bytes]:
    """How many spans of each trace have reached the store."""
    return Counter(span.trace_id for span in sink.spans())


def test_all_that_is_named_is_kept_whole_and_a_share_of_the_rest(tiers: Gateway) -> None:
    door, _, sink = tiers
    chance = random.Random(20261123)
    named: dict[bytes, str] = {}
    ordinary: set[bytes] = set()
    for _ in range(TRACES // BATCH):
        children, roots = [], []
        for _ in range(BATCH):
            trace, root = secrets.token_bytes(16), secrets.token_bytes(8)
            child = otlp_data.span("child", trace=trace, parent=root)
            if chance.random() < 0.3:
                kind = chance.choice(list(KEPT))
                KEPT[kind](child)
                named[trace] = kind
            else:
                chance.choice(ORDINARY)(child)
                ordinary.add(trace)
            children.append(child)
            roots.append(otlp_data.span("root", trace=trace, id=root))
        assert door.send(otlp_data.traces(*children, service="back")) == 200
        assert door.send(otlp_data.traces(*roots, service="front")) == 200

    until(lambda: sum(arrived(sink)[trace] for trace in named) >= 2 * len(named), "all named traces", 90)
    time.sleep(2)
    found = arrived(sink)
    assert Counter(kind for trace, kind in named.items() if found[trace] != 2) == Counter()
    kept = [trace for trace in ordinary if trace in found]
    assert all(found[trace] == 2 for trace in kept)
    expected, spread = SHARE * len(ordinary), (SHARE * (1 - SHARE) * len(ordinary)) ** 0.5
    assert abs(len(kept) - expected) < 5 * spread


def test_both_collectors_of_tier_2_decided(tiers: Gateway) -> None:
    """After the test above: each one's own telemetry tells of traces of its own."""
    for one in tiers[1][:2]:
        address = f"http://127.0.0.1:{one.server.environment['TRAX_METRICS_PORT']}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            lines = [
                line for line in answer.read().decode().splitlines() if "tail_sampling_new_trace_id_received" in line
            ]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")) > 100


def test_what_comes_after_the_decision_follows_it(tiers: Gateway) -> None:
    door, _, sink = tiers
    trace = secrets.token_bytes(16)
    door.send(otlp_data.traces(otlp_data.span("first", trace=trace, error=True)))
    until(lambda: arrived(sink)[trace] == 1, "the first span", 60)
    door.send(otlp_data.traces(otlp_data.span("late", trace=trace)))
    assert until(lambda: arrived(sink)[trace] == 2, "the late span", 30)


def test_span_metrics_count_every_span_whatever_is_sampled(tiers: Gateway) -> None:
    door, _, sink = tiers
    for _ in range(4):
        assert door.send(otlp_data.traces(*(otlp_data.span("counted") for _ in range(50)), service="counting")) == 200

    def calls() -> float:
        newest: dict[str, float] = {}
        for message in sink.accepted("/v1/metrics"):
            for group in message.resource_metrics:
                for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
                    for point in metric.sum.data_points:
                        text = str(point.attributes)
                        if metric.name == "traces.span.metrics.calls" and "counted" in text:
                            newest[text + str(group.resource)] = point.as_int
        return sum(newest.values())

    assert until(lambda: calls() == 200, "calls of all 200 spans", 40)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic YTpi"}], ids=str)
def test_who_shows_no_good_token_is_refused(tiers: Gateway, headers: dict[str, str]) -> None:
    assert tiers[0].send(otlp_data.traces(otlp_data.span()), headers) == 401


def test_plain_http_is_refused(tiers: Gateway) -> None:
    door = tiers[0]
    plain = urllib.request.Request(door.url.replace("https", "http") + "traces", b"", door.headers)
    with pytest.raises((urllib.error.HTTPError, OSError)) as refusal:
        urllib.request.urlopen(plain, timeout=5).close()
    if isinstance(refusal.value, urllib.error.HTTPError):
        assert refusal.value.code == 400
        refusal.value.close()
