"""compose.yaml, without a container engine: valid, closed to the network, and one with the files and ports tested here."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from support.real_stack import ROOT, servers

pytestmark = pytest.mark.stack
COMPOSE = ROOT / "compose.yaml"
CONFIG: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = CONFIG["services"]
LISTENS = {"tempo": {"TEMPO", "TEMPO_OTLP"}, "loki": {"LOKI"}, "jaeger": {"JAEGER", "JAEGER_OTLP"},
           "prometheus": {"PROMETHEUS"}, "alertmanager": {"ALERTMANAGER"}, "grafana": {"GRAFANA"},
           "collector": {"OTLP_GRPC", "OTLP_HTTP", "HEALTH", "METRICS"}}  # fmt: skip
"""What other containers or the host reach of each, by the name of its port in tools/stack/servers.py."""


def mounted(service: str) -> dict[str, str]:
    """Where each folder or volume stands inside, by what it is outside."""
    return {volume.split(":")[0]: volume.split(":")[1] for volume in SERVICES[service].get("volumes", [])}


def test_the_reference_parser_accepts_the_file() -> None:
    parser = servers.programs() / "compose-parser"
    done = subprocess.run([str(parser), str(COMPOSE)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) >= {"collector", "tempo", "loki", "prometheus", "grafana"}


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_exists_and_cannot_be_written_to(service: str) -> None:
    for volume in SERVICES[service].get("volumes", []):
        source, _, *mode = volume.split(":")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == ["ro"], volume
        else:
            assert source in CONFIG["volumes"]


def test_only_this_machine_reaches_a_port_and_nobody_enters_grafana_without_a_password() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in published)
    assert not any(service.get("privileged") or service.get("network_mode") == "host" for service in SERVICES.values())
    grafana = SERVICES["grafana"]["environment"]
    assert grafana["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert grafana["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith(mounted("grafana")["secrets"])


def test_addresses_name_a_service_and_a_port_it_listens_on() -> None:
    usual = {name: {servers.PORTS[port] for port in ports} for name, ports in LISTENS.items()}
    text = COMPOSE.read_text(encoding="utf-8")
    told = re.findall(r"(?<![\w./-])(?:http://)?(" + "|".join(LISTENS) + r"):(\d+)", text)
    assert {name for name, _ in told} == set(LISTENS) - {"grafana"}
    assert [(name, port) for name, port in told if int(port) not in usual[name]] == []
    for name, ports in usual.items():
        assert {int(port.rsplit(":", 1)[1]) for port in SERVICES[name].get("ports", [])} <= ports


@pytest.mark.parametrize("service", ["tempo", "loki", "jaeger", "collector", "grafana"])
def test_variables_that_are_set_are_read_by_the_mounted_files(service: str) -> None:
    sources = [ROOT / source for source in mounted(service) if source.startswith(".")]
    files = [file for source in sources for file in ([source] if source.is_file() else source.rglob("*.yaml"))]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    told = {name for name in SERVICES[service]["environment"] if name.startswith("TRAX_")}
    assert told
    assert [name for name in told if name not in text] == []


def test_data_are_on_volumes_that_their_servers_own() -> None:
    """The folders that the files name where nothing else is said are volumes, handed over before a server starts."""
    homes = {"tempo": "/var/tempo", "loki": "/loki", "jaeger": "/badger", "collector": "/var/lib/otelcol",
             "prometheus": "/prometheus", "alertmanager": "/alertmanager", "grafana": "/var/lib/grafana"}  # fmt: skip
    for service, home in homes.items():
        assert mounted(service)[service] == home
        assert service in mounted("prepare")
        assert SERVICES[service]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}


def test_images_are_pinned_to_the_versions_that_are_tested() -> None:
    lines = (ROOT / "tools/stack/versions.env").read_text(encoding="utf-8").splitlines()
    versions = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    images = {name: service["image"].split(":")[1] for name, service in SERVICES.items() if "image" in service}
    assert all(re.fullmatch(r"v?\d+\.\d+\.\d+", version) for version in images.values())
    for name, variable in (("collector", "COLLECTOR"), ("loki", "LOKI"), ("alertmanager", "ALERTMANAGER")):
        assert images[name].removeprefix("v") == versions[variable].removeprefix("v")
    # a Prometheus 3.x is the module v0.3xx
    major, minor, patch = images["prometheus"].removeprefix("v").split(".")
    assert versions["PROMETHEUS"] == f"v0.{major}{int(minor):02}.{patch}"
