"""Thresholds that the settings name are looked at without a line of code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import time
import trax_otel
from trax_otel.metrics import health

trax_otel.configure()
end = time.monotonic() + 10
while not health()["thresholds_crossed"] and time.monotonic() < end:
    time.sleep(0.01)
print(health()["status"])
"""


def run(tmp_path: Path, metrics: dict[str, object]) -> str:
    path = tmp_path / "trax.json"
    path.write_text(json.dumps({"metrics": metrics}), encoding="utf-8")
    exporters = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    environ = {**os.environ, **exporters, "TRAX_CONFIG_FILE": str(path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.strip()


def test_configure_watches_the_thresholds_of_the_settings(tmp_path):
    limits = {"metric": "process.memory.usage", "above": 1, "statistic": "value"}
    assert run(tmp_path, {"thresholds": [limits], "health_monitor_interval": 0.05}) == "degraded"
