"""Prometheus's alert rules in the form that Grafana's provisioning reads: grafana/rules/*.yaml is the source.

The recording rules stay with Prometheus; Grafana evaluates the same expressions over the same data, and tells people itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = "grafana/rules"
OUTPUT: Final = "grafana/provisioning/alerting/rules.yaml"
FOLDER: Final = "trax"
ANY_VALUE: Final = -1e300
"""An alert's expression gives a series only where it holds, whatever its value is."""
NO_DATA: Final = {"Watchdog": "Alerting"}
"""Elsewhere nothing is `OK`: no series is how an expression says that all is well. That data stay away is said by
ServiceUnavailable, TelemetrySilent and StackServerDown, whose expressions then do give a series."""
ON_ERROR: Final = "Error"
"""A query that fails is an alert of its own (DatasourceError), never taken for health."""


class Alert(NamedTuple):
    """An alert rule, and the group that it stands in."""

    group: str
    interval: str
    rule: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is called; several rules may share a name, told apart by their labels."""
        return str(self.rule["alert"])

    @property
    def uid(self) -> str:
        """The same for the same rule, whatever else changes: Grafana keeps its history by it."""
        window = self.rule["labels"].get("window")
        return f"trax-{self.name}" + (f"-{window}" if window else "")


def alerts(folder: Path = ROOT / RULES) -> Iterator[Alert]:
    """Every alert of the rule files, in their order."""
    for path in sorted(folder.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    yield Alert(group["name"], group["interval"], rule)


def template(text: str) -> str:
    """Prometheus's template as Grafana's: `$value` is that of query A. Annotations are the one part of a provisioning file
    in which Grafana expands no variable of the environment, so a dollar stands for itself."""
    return re.sub(r"\$value\b", "$values.A.Value", text)


def as_grafana(alert: Alert) -> dict[str, Any]:
    """One rule. Its labels and annotations are the source's; Grafana before 11 passes `keepFiringFor` over."""
    rule = alert.rule
    model = {"refId": "A", "expr": rule["expr"].strip(), "instant": True, "range": False}
    condition = {"refId": "C", "type": "threshold", "expression": "A",
                 "conditions": [{"evaluator": {"type": "gt", "params": [ANY_VALUE]}}]}  # fmt: skip
    return {
        "uid": alert.uid,
        "title": alert.uid.removeprefix("trax-"),
        "condition": "C",
        "data": [
            {"refId": "A", "datasourceUid": "prometheus", "relativeTimeRange": {"from": 600, "to": 0}, "model": model},
            {"refId": "C", "datasourceUid": "__expr__", "relativeTimeRange": {"from": 0, "to": 0}, "model": condition},
        ],
        "for": rule.get("for", "0s"),
        **({"keepFiringFor": rule["keep_firing_for"]} if "keep_firing_for" in rule else {}),
        "noDataState": NO_DATA.get(alert.name, "OK"),
        "execErrState": ON_ERROR,
        "labels": dict(rule["labels"]),
        "annotations": {key: template(text) for key, text in rule["annotations"].items()},
        "isPaused": False,
    }


def rule_files() -> dict[str, str]:
    """The provisioning file, by its path."""
    groups: dict[str, dict[str, Any]] = {}
    for alert in alerts():
        made = {"orgId": 1, "name": alert.group, "folder": FOLDER, "interval": alert.interval, "rules": []}
        groups.setdefault(alert.group, made)["rules"].append(as_grafana(alert))
    text = yaml.safe_dump(
        {"apiVersion": 1, "groups": list(groups.values())}, sort_keys=False, allow_unicode=True, width=130
    )
    return {OUTPUT: f"# Made from {RULES} by `python -m tools.grafana`: edit there.\n{text}"}
