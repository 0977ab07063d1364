"""Grafana's alert rules are Prometheus's: the same expression, labels and times, and nothing that Grafana would expand away."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.grafana import alerting

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana/provisioning/alerting"


def provisioned() -> list[dict[str, Any]]:
    text = (ROOT / alerting.OUTPUT).read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_the_committed_file_is_what_the_rule_files_give() -> None:
    assert {alerting.OUTPUT: (ROOT / alerting.OUTPUT).read_text(encoding="utf-8")} == alerting.rule_files()


def test_each_rule_is_there_once_with_its_times_and_explicit_states() -> None:
    sources = {alert.uid: alert.rule for alert in alerting.alerts()}
    made = {rule["uid"]: rule for rule in provisioned()}
    assert set(made) == set(sources)
    assert len(made) == len(provisioned())
    for uid, rule in made.items():
        assert len(uid) <= 40  # Grafana's limit
        assert rule["data"][0]["model"]["expr"] == sources[uid]["expr"].strip()
        assert rule["for"] == sources[uid].get("for", "0s")
        assert rule["labels"] == sources[uid]["labels"]
        assert (rule["noDataState"], rule["execErrState"]) == ("Alerting" if uid == "trax-Watchdog" else "OK", "Error")


def test_an_annotations_value_is_the_querys_and_its_dollars_stand_for_themselves() -> None:
    """Grafana expands nothing in annotations: a doubled dollar would be shown (tests/stack/test_alerts.py sees the text sent)."""
    assert (
        alerting.template("{{ $value | humanize }} of {{ $labels.job }}")
        == "{{ $values.A.Value | humanize }} of {{ $labels.job }}"
    )
    for rule in provisioned():
        for text in rule["annotations"].values():
            assert "$$" not in text
            assert "$value " not in text


def test_policies_name_a_contact_point_and_mute_times_that_exist() -> None:
    contacts = yaml.safe_load((FOLDER / "contact-points.yaml").read_text(encoding="utf-8"))["contactPoints"]
    policies = yaml.safe_load((FOLDER / "policies.yaml").read_text(encoding="utf-8"))
    names = {contact["name"] for contact in contacts}
    muted = {mute["name"] for mute in policies["muteTimes"]}
    (root,) = policies["policies"]
    for route in [root, *root["routes"]]:
        assert route["receiver"] in names
        assert set(route.get("mute_time_intervals", [])) <= muted


ALERTMANAGER = ROOT / "stores" / "alertmanager.yaml"


def written(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(ALERTMANAGER.with_suffix(".sh")), str(ALERTMANAGER), str(tmp_path / "written.yaml")]
    variables = {f"TRAX_ALERTMANAGER_{name}": value for name, value in environment.items()}
    return subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, text=True, check=False
    )


def people(tmp_path: Path) -> dict[str, Any]:
    (receiver,) = [
        one for one in yaml.safe_load((tmp_path / "written.yaml").read_text())["receivers"] if one["name"] == "people"
    ]
    return dict(receiver)


def test_alertmanager_tells_nobody_until_it_is_told_whom(tmp_path: Path) -> None:
    assert written(tmp_path).returncode == 0
    assert people(tmp_path) == {"name": "people"}


def test_alertmanagers_receivers_come_from_the_environment_and_are_kept_from_others(tmp_path: Path) -> None:
    hook = "https://example.invalid/?token='x': #y"
    assert written(tmp_path, WEBHOOK_URL=hook, SLACK_URL="https://slack.invalid/s", EMAIL="a@b.invalid", SMTP="mail:25",
                   FROM="t@b.invalid", SMTP_USER="u", SMTP_PASSWORD_FILE="/run/secret").returncode == 0  # fmt: skip
    made = people(tmp_path)
    assert made["webhook_configs"] == [{"url": hook}]
    assert made["slack_configs"][0]["api_url"] == "https://slack.invalid/s"
    assert made["email_configs"][0]["auth_password_file"] == "/run/secret"
    assert (tmp_path / "written.yaml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("environment", "named"), [({"EMAIL": "a@b"}, "SMTP"), ({"EMAIL": "a@b", "SMTP": "m:25"}, "FROM"),
                                                    ({"WEBHOOK_URL": "http://x/\n- evil"}, "line break")])  # fmt: skip
def test_what_is_missing_or_cannot_be_is_named_and_nothing_is_written(
    tmp_path: Path, environment: dict[str, str], named: str
) -> None:
    refused = written(tmp_path, **environment)
    assert refused.returncode != 0
    assert named in refused.stderr
    assert not (tmp_path / "written.yaml").exists()
