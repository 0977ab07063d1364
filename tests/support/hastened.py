"""The shipped alert rules with every duration made shorter by one factor, for tests that cannot wait for minutes.

Nothing else is changed: `masked` shows two texts to be the same but for their durations.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from support.real_stack import ROOT, servers
from tools.grafana import alerting

FACTOR = 30
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
KEYS = "for|keep_firing_for|interval|evaluation_interval|scrape_interval|group_wait|group_interval|repeat_interval"
DURATION = re.compile(rf"(\[|\boffset |\b(?:{KEYS}): )(\d+)([smhd])\b")
"""A range, an offset, or one of the keys that hold a duration."""


def shorter(duration: str) -> str:
    """`5m` is `10s`."""
    milliseconds = int(duration[:-1]) * UNITS[duration[-1]] * 1000 // FACTOR
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def hastened(text: str) -> str:
    """The text of a file with shorter durations."""
    return DURATION.sub(lambda found: found[1] + shorter(found[2] + found[3]), text)


def masked(text: str) -> str:
    """The text of a file without its durations."""
    return re.sub(rf"(\[|\boffset |\b(?:{KEYS}): )\d+(ms|[smhd])\b", r"\1…", text)


def write(source: Path, target: Path) -> None:
    """The hastened form of a shipped file."""
    shipped = source.read_text(encoding="utf-8")
    written = hastened(shipped)
    assert masked(written) == masked(shipped)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(written, encoding="utf-8")


def rules(folder: Path, expected: list[str]) -> Path:
    """The rule files, with a list of expected services as a user would edit it."""
    for source in (ROOT / "grafana" / "rules").glob("*.yaml"):
        write(source, folder / source.name)
    listed = [
        {"record": "trax:expected_service", "expr": "vector(1)", "labels": {"service_name": name}} for name in expected
    ]
    group = {"name": "trax-expected-services", "rules": listed}
    (folder / "expected-services.yaml").write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
    return folder


def grafana_provisioning(folder: Path, rules_folder: Path) -> Path:
    """Grafana's provisioning, its rules made from the hastened ones. It evaluates every ten seconds at most often."""
    shutil.copytree(ROOT / "grafana" / "provisioning", folder)
    groups: dict[str, dict[str, Any]] = {}
    for alert in alerting.alerts(rules_folder):
        made = {"orgId": 1, "name": alert.group, "folder": alerting.FOLDER, "interval": "10s", "rules": []}
        groups.setdefault(alert.group, made)["rules"].append(alerting.as_grafana(alert))
    text = yaml.safe_dump({"apiVersion": 1, "groups": list(groups.values())}, sort_keys=False)
    (folder / "alerting" / "rules.yaml").write_text(text, encoding="utf-8")
    write(ROOT / "grafana/provisioning/alerting/policies.yaml", folder / "alerting" / "policies.yaml")
    return folder


def all_servers(ports: dict[str, int], data: Path, expected: list[str], webhook: str) -> list[servers.Server]:
    """What `make stack` starts, over hastened files, with a webhook that both Alertmanager and Grafana tell."""
    made = {server.name: server for server in servers.all_servers(ports, data)}
    folder = rules(data / "rules", expected)
    (data / "prometheus" / "rules").unlink()
    (data / "prometheus" / "rules").symlink_to(folder)
    (data / "prometheus" / "prometheus.yaml").unlink()
    write(ROOT / "stores" / "prometheus.yaml", data / "prometheus" / "prometheus.yaml")
    made["prometheus"].command.append(f"--query.lookback-delta={shorter('5m')}")  # when a series without news is stale

    write(ROOT / "stores" / "alertmanager.yaml", data / "shipped-alertmanager.yaml")
    servers.write_alertmanager_file(data / "shipped-alertmanager.yaml", data / "alertmanager" / "alertmanager.yaml",
                                    {"TRAX_ALERTMANAGER_WEBHOOK_URL": f"{webhook}/alertmanager"})  # fmt: skip
    made["grafana"].environment.update(
        GF_PATHS_PROVISIONING=str(grafana_provisioning(data / "provisioning", folder)),
        TRAX_ALERT_CONTACT="webhook", TRAX_ALERT_URL=f"{webhook}/grafana",
    )  # fmt: skip
    made["collector"].environment.update(TRAX_SPAN_METRICS_INTERVAL="500ms")
    return list(made.values())
