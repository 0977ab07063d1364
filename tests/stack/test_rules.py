"""Rule files and routes, by Prometheus' and Alertmanager's own tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from support.real_stack import ROOT, servers

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
RULES = sorted((ROOT / "grafana/rules").glob("*.yaml"))
TESTS = sorted((ROOT / "grafana/rules/tests").glob("*.yaml"))


def tool(name: str, *arguments: str) -> str:
    """What it prints; it must succeed."""
    done = subprocess.run(
        [str(servers.programs() / name), *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("file", RULES, ids=[file.stem for file in RULES])
def test_prometheus_accepts_a_rule_file(file: Path) -> None:
    tool("promtool", "check", "rules", str(file))


@pytest.mark.parametrize("file", TESTS, ids=[file.stem for file in TESTS])
def test_alerts_fire_keep_still_and_resolve(file: Path) -> None:
    """The cases are in grafana/rules/tests/; tests/grafana/test_rules.py sees to it that every alert has them."""
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
    tool("promtool", "test", "rules", str(file))


@pytest.fixture(scope="module")
def alertmanager_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file with every kind of receiver."""
    written = tmp_path_factory.mktemp("alertmanager") / "alertmanager.yaml"
    servers.write_alertmanager_file(ROOT / "stores/alertmanager.yaml", written, {
        "TRAX_ALERTMANAGER_WEBHOOK_URL": "http://127.0.0.1:9/hook?of='us'",
        "TRAX_ALERTMANAGER_SLACK_URL": "http://127.0.0.1:9/slack",
        "TRAX_ALERTMANAGER_EMAIL": "people@example.com", "TRAX_ALERTMANAGER_SMTP": "127.0.0.1:25",
        "TRAX_ALERTMANAGER_FROM": "alerts@example.com", "TRAX_ALERTMANAGER_SMTP_USER": "alerts",
        "TRAX_ALERTMANAGER_SMTP_PASSWORD_FILE": "/run/secrets/smtp",
    })  # fmt: skip
    return str(written)


def test_alertmanager_accepts_every_kind_of_receiver(alertmanager_file: str) -> None:
    told = tool("amtool", "check-config", alertmanager_file)
    assert "2 receivers" in told
    (people,) = [
        one for one in yaml.safe_load(Path(alertmanager_file).read_text())["receivers"] if one["name"] == "people"
    ]
    assert set(people) == {"name", "webhook_configs", "slack_configs", "email_configs"}


@pytest.mark.parametrize(("labels", "receiver"), [
    ("severity=critical alertname=ErrorRate service_name=shop", "people"),
    ("severity=warning alertname=Anomaly service_name=shop", "people"),
    ("severity=none alertname=Watchdog", "nobody"),
])  # fmt: skip
def test_an_alert_goes_to(alertmanager_file: str, labels: str, receiver: str) -> None:
    told = tool("amtool", "config", "routes", "test", f"--config.file={alertmanager_file}", *labels.split())
    assert told.split() == [receiver]
