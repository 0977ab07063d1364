"""Every alert has what a person needs at night, a page, and tests in which it fires and in which it keeps still."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from support import dashboards
from tools.grafana import alerting

ROOT = Path(__file__).resolve().parents[2]
ALERTS = list(alerting.alerts())
NAMES = sorted({alert.name for alert in ALERTS})
ALWAYS = {"Watchdog"}
"""Alerts that nothing keeps still."""


def cases() -> Iterator[dict[str, Any]]:
    for path in (ROOT / "grafana/rules/tests").glob("*.yaml"):
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            yield from case.get("promql_expr_test", [])


def expectations(name: str) -> list[list[dict[str, Any]]]:
    """What each test of an alert expects at its time."""
    return [case["exp_samples"] for case in cases() if f'alertname="{name}"' in case["expr"]]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)
def test_an_alert_says_how_grave_it_is_what_it_means_and_where_to_look(alert: alerting.Alert) -> None:
    rule = alert.rule
    assert rule["labels"]["severity"] in {"critical", "warning", "none"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard"}
    assert len(notes["summary"]) < 130
    assert notes["description"].endswith(".")
    assert (ROOT / "docs/runbooks" / f"{alert.name}.md").is_file()
    assert notes["runbook_url"].endswith(f"/docs/runbooks/{alert.name}.md")
    assert notes["dashboard"].removeprefix("/d/") in {dashboard["uid"] for dashboard in dashboards.dashboards()}
    assert "keep_firing_for" in rule or alert.name in {"ServiceSilent", "TelemetrySilent", "Watchdog"}
    promql_parser.parse(rule["expr"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)
def test_a_summary_uses_labels_that_the_alert_has(alert: alerting.Alert) -> None:
    fired = [sample["labels"] for expected in expectations(alert.name) for sample in expected]
    for label in re.findall(r"\$labels\.(\w+)", alert.rule["annotations"]["summary"]):
        assert any(f'{label}="' in labels for labels in fired), label


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_seen_to_fire_and_to_keep_still(name: str) -> None:
    expected = expectations(name)
    assert any(expected), "no test lets it fire"
    assert [] in expected or name in ALWAYS, "no test keeps it still"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_alerts_has_its_line(name: str) -> None:
    rules = [alert.rule for alert in ALERTS if alert.name == name]
    (line,) = [line for line in (ROOT / "docs/alerts.md").read_text(encoding="utf-8").splitlines()
               if line.startswith(f"| [{name}](runbooks/{name}.md) |")]  # fmt: skip
    cells = [cell.strip() for cell in line.split("|")[2:]]
    assert cells[0].split(", ") == list(dict.fromkeys(rule["labels"]["severity"] for rule in rules))
    for cell, key, none in ((cells[2], "for", "at once"), (cells[3], "keep_firing_for", "–")):
        assert set(cell.split(", ")) == {rule.get(key, none) for rule in rules}, key


def test_every_runbook_belongs_to_an_alert_and_has_its_parts() -> None:
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (ROOT / "docs/runbooks").glob("*.md")}
    assert set(pages) == set(NAMES)
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n")
        for part in ("Severity: ", "## Look first", "```promql", "## Do", "## When it is wrong"):
            assert part in text, (name, part)
