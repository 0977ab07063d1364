"""Stores that are away for a minute lose nothing of what an agent has acknowledged: collectors keep and repeat."""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from support import otlp_data
from support.gateway import Door, node
from support.real_stack import Stack, running, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(420)]
AWAY_SECONDS = 60.0
EACH = 4
"""Spans and records in a request."""


class Sender:
    """Sends all three signals twice a second; counts what was acknowledged."""

    def __init__(self, door: Door) -> None:
        self.traces: list[bytes] = []
        self.records = self.points = 0
        self._door = door
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.5):
            trace = secrets.token_bytes(16)
            with suppress(OSError):
                spans = [otlp_data.span(f"during {number}", trace=trace) for number in range(EACH)]
                if self._door.send(otlp_data.traces(*spans, service="outage")) == 200:
                    self.traces.append(trace)
                lines = [otlp_data.record(f"line {number}", trace_id=trace) for number in range(EACH)]
                if self._door.send(otlp_data.logs(*lines, service="outage"), signal="logs") == 200:
                    self.records += EACH
                counted = otlp_data.counter("outage", self.points + 1)
                if self._door.send(otlp_data.metrics(counted, service="outage"), signal="metrics") == 200:
                    self.points += 1

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)


def test_a_minute_without_tempo_loki_and_prometheus_loses_nothing_acknowledged(stack: Stack, tmp_path: Path) -> None:
    stores = [stack.servers[name] for name in ("tempo", "loki", "prometheus")]
    with running(node("agent", "agent.yaml", tmp_path, stack.otlp), tmp_path) as agent:
        sender = Sender(Door(agent.server, secured=False))
        until(lambda: len(sender.traces) > 5, "acknowledged requests", 30)
        tempo, *others = stores
        tempo.stop()  # killed, a single Tempo forgets what it took in the last seconds: trace_idle_period in stores/tempo.yaml
        for store in others:
            store.kill()
        before = len(sender.traces)
        time.sleep(AWAY_SECONDS)
        assert len(sender.traces) > before + AWAY_SECONDS  # twice a second, and no answer is waited for
        for store in stores:
            store.start()
        sender.stop()

        def absent() -> list[int]:
            """Which requests' spans are not all in Tempo, by number."""
            found = (stack.tempo_trace(trace.hex()).count("during ") for trace in sender.traces)
            return [number for number, count in enumerate(found) if count != EACH]

        try:
            until(lambda: not absent(), "every span in Tempo", 120)
        except AssertionError:
            raise AssertionError(f"not in Tempo: requests {absent()}; {before} came before the outage") from None
        until(lambda: len(stack.loki('{service_name="outage"}')) == sender.records, "each record in Loki", 120)

        def points() -> float:
            found = stack.prometheus('sum(count_over_time({__name__=~"outage.*", service_name="outage"}[10m]))')
            return float(found[0]["value"][1]) if found else 0

        until(lambda: points() == sender.points, "each point in Prometheus", 120)
