"""The stores' files, by each server's own checker, and their promises: retention, and nothing told to anybody outside."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.real_stack import ROOT, free_ports, servers

pytestmark = pytest.mark.stack


def shipped(name: str) -> Any:
    return yaml.safe_load((ROOT / "stores" / f"{name}.yaml").read_text())


def checked(*command: str) -> str:
    done = subprocess.run(
        [str(servers.programs() / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_and_amtool_accept_their_files(tmp_path: Path) -> None:
    servers.prometheus(free_ports(), tmp_path)
    checked("promtool", "check", "config", str(tmp_path / "prometheus" / "prometheus.yaml"))
    checked("amtool", "check-config", str(ROOT / "stores/alertmanager.yaml"))


def test_every_store_forgets_after_a_while(tmp_path: Path) -> None:
    assert shipped("tempo")["compactor"]["compaction"]["block_retention"] == "336h"
    loki = shipped("loki")
    assert loki["limits_config"]["retention_period"] == "336h"
    assert loki["compactor"]["retention_enabled"]
    assert shipped("jaeger")["extensions"]["jaeger_storage"]["backends"]["spans"]["badger"]["ttl"]["spans"] == "336h"
    assert "--storage.tsdb.retention.time=15d" in servers.prometheus(free_ports(), tmp_path).command
    assert "--storage.tsdb.retention.time=15d" in (ROOT / "compose.yaml").read_text()


def test_no_server_reports_its_use_to_its_maker() -> None:
    assert shipped("tempo")["usage_report"]["reporting_enabled"] is False
    assert shipped("loki")["analytics"]["reporting_enabled"] is False


def test_what_prometheus_promotes_keeps_series_of_several_writers_apart() -> None:
    promoted = shipped("prometheus")["otlp"]["promote_resource_attributes"]
    assert {"service.name", "service.instance.id", "collector.instance.id"} <= set(promoted)
