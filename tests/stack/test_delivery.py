"""Killed without warning, agent and tier 1 lose nothing that they have acknowledged; tier 2 loses what is undecided."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support import otlp_data
from support.gateway import Door, gateway, node
from support.otlp_endpoint import OtlpEndpoint, Reply, otlp_endpoint
from support.real_stack import RunningServer, running, until
from support.services import get

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
SPANS = 50
"""Spans in a request."""


@pytest.fixture
def sink() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as endpoint:
        yield endpoint


class Sender:
    """Sends spans with running numbers until it is stopped, and remembers which were acknowledged."""

    def __init__(self, door: Door) -> None:
        self.acknowledged: set[bytes] = set()
        self._door = door
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.005):
            spans = [otlp_data.span(f"span {number}") for number in range(SPANS)]
            with suppress(OSError):  # the collector is away: not acknowledged
                if self._door.send(otlp_data.traces(*spans)) == 200:
                    self.acknowledged |= {span.span_id for span in spans}

    def stop(self) -> set[bytes]:
        self._stop.set()
        self._thread.join(30)
        return self.acknowledged


def span_ids(sink: OtlpEndpoint) -> set[bytes]:
    return {span.span_id for span in sink.spans()}


def kill_twice_while(sender: Sender, collector: RunningServer) -> None:
    for _ in range(2):
        before = len(sender.acknowledged)
        until(lambda before=before: len(sender.acknowledged) > before + 20 * SPANS, "acknowledged requests", 60)
        collector.kill()
        time.sleep(0.3)
        collector.start()


def test_an_agent_killed_twice_while_the_gateway_comes_and_goes_loses_nothing(
    sink: OtlpEndpoint, tmp_path: Path
) -> None:
    sink.behave = lambda path, count, message: Reply(503) if count % 3 else Reply()
    with running(node("agent", "agent.yaml", tmp_path, sink.url), tmp_path) as agent:
        sender = Sender(Door(agent.server, secured=False))
        kill_twice_while(sender, agent)
        acknowledged = sender.stop()
        sink.behave = lambda path, count, message: Reply()
        until(lambda: acknowledged <= span_ids(sink), "every acknowledged span", 90)
    assert all(one.headers["Authorization"].startswith("Bearer ") for one in sink.requests)


def test_what_is_refused_for_good_is_counted_and_what_comes_later_arrives(sink: OtlpEndpoint, tmp_path: Path) -> None:
    """A wrong token: to repeat would not help. What is lost by it is in the series that an alert reads."""
    sink.behave = lambda path, count, message: Reply(401)
    with running(node("agent", "agent.yaml", tmp_path, sink.url), tmp_path) as agent:
        door = Door(agent.server, secured=False)
        metrics = f"http://127.0.0.1:{agent.server.environment['TRAX_METRICS_PORT']}/metrics"
        assert door.send(otlp_data.traces(*(otlp_data.span("refused") for _ in range(7)))) == 200
        counted = re.compile(r"^otelcol_exporter_send_failed_spans(_total)?\{.*\} 7$", re.MULTILINE)
        until(lambda: counted.search(get(metrics)), "seven failed spans", 30)
        sink.behave = lambda path, count, message: Reply()
        kept = otlp_data.span("kept")
        assert door.send(otlp_data.traces(kept)) == 200
        until(lambda: span_ids(sink), "what came later", 30)
    assert span_ids(sink) == {kept.span_id}


def test_tier_1_killed_while_tier_2_is_away_loses_nothing(sink: OtlpEndpoint, tmp_path: Path) -> None:
    second = node(
        "tier2", "gateway-tier2.yaml", tmp_path, sink.url, TRAX_DECISION_WAIT="2s", TRAX_SAMPLING_PERCENT="100"
    )
    hosts = f"[127.0.0.1:{second.environment['TRAX_OTLP_GRPC_PORT']}]"
    with running(node("tier1", "gateway-tier1.yaml", tmp_path, sink.url, TRAX_TIER2=hosts), tmp_path) as first:
        sender = Sender(Door(first.server, secured=True))
        kill_twice_while(sender, first)
        acknowledged = sender.stop()
        with running(second, tmp_path):
            until(lambda: acknowledged <= span_ids(sink), "every acknowledged span", 120)


WAIT = 6.0
"""The decision wait of these tests; everything else is as shipped."""
ON_THE_WAY = 4.0
"""What the queues before tier 2 may hold a span for (1 s), and the sampling's own clock (1 s), doubled for a busy machine."""


def send_traces(door: Door, sent: dict[bytes, float], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        trace = secrets.token_bytes(16)
        spans = [otlp_data.span("failed", trace=trace, error=True) for _ in range(2)]
        if door.send(otlp_data.traces(*spans)) == 200:
            sent[trace] = time.monotonic()
        time.sleep(0.02)


def arrived(sink: OtlpEndpoint) -> set[bytes]:
    return {span.trace_id for span in sink.spans()}


def test_a_killed_tier_2_loses_only_what_is_younger_than_the_decision_wait(
    sink: OtlpEndpoint, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    sent: dict[bytes, float] = {}
    with gateway(tmp_path, sink.url, tier2=1, TRAX_DECISION_WAIT=f"{WAIT:.0f}s") as (door, (second, _)):
        send_traces(door, sent, WAIT + ON_THE_WAY + 2)
        second.kill()
        killed = time.monotonic()
        second.start()
        send_traces(door, sent, 1)
        after = {trace for trace, at in sent.items() if at > killed}
        until(lambda: after <= arrived(sink), "what was sent after the kill", 60)
    lost = {trace: killed - at for trace, at in sent.items() if trace not in arrived(sink)}
    record_testsuite_property("lost by tier 2", f"{len(lost)}, the oldest {max(lost.values()):.1f} s before the kill")
    assert lost  # else this shows nothing
    assert max(lost.values()) < WAIT + ON_THE_WAY


def test_a_tier_2_that_is_asked_to_end_decides_on_what_it_has(sink: OtlpEndpoint, tmp_path: Path) -> None:
    """So that a rollout loses nothing: only the later spans of a trace may be judged without the earlier ones."""
    sent: dict[bytes, float] = {}
    with gateway(tmp_path, sink.url, tier2=1, TRAX_DECISION_WAIT="30s") as (door, (second, _)):
        send_traces(door, sent, 3)
        time.sleep(ON_THE_WAY)  # all of it is in tier 2
        second.stop()
        second.start()
        until(lambda: set(sent) <= arrived(sink), "every trace", 60)
