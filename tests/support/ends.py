"""What the tests of workers' ends share. Nothing leaves by itself (`LATE`): what arrives was delivered at an end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from support.services import Delivered, until

HERE = Path(__file__).parents[1] / "services" / "ends"
LATE = {
    "PYTHONPATH": str(HERE),
    "OTEL_BSP_SCHEDULE_DELAY": "60000",
    "OTEL_BLRP_SCHEDULE_DELAY": "60000",
    "OTEL_METRIC_EXPORT_INTERVAL": "60000",
}
BUDGET = 5.0


def shows_all_of(answered: Counter[int], delivered: Delivered, metric: str) -> None:
    """Spans, records and counts of each process, each under an instance id of its own."""
    until(lambda: len(delivered.logs("worked")) >= answered.total(), "records", 5)
    spans = [span for span in delivered.spans() if span["name"] == "work"]
    assert Counter(span["resource"]["process.pid"] for span in spans) == answered
    assert len(delivered.logs("worked")) == answered.total()
    assert delivered.total(metric) == answered.total()
    assert len({span["trace_id"] for span in spans}) == answered.total()
    instances = delivered.instances()
    assert all(len(ids) == 1 for ids in instances.values())
    assert len(set.union(*instances.values())) == len(instances)
