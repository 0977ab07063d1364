"""compose.yaml: read by the specification's own parser, every path, port and address fits, nothing is open to the world."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from support.real_stack import ROOT, servers

pytestmark = pytest.mark.stack
WAITING = {"password", "stores-ready", "collector-ready", "credentials", "visitor"}
LISTENS = {
    "tempo": {"TEMPO", "TEMPO_OTLP"}, "loki": {"LOKI"}, "prometheus": {"PROMETHEUS"}, "alertmanager": {"ALERTMANAGER"},
    "jaeger": {"JAEGER", "JAEGER_OTLP", "JAEGER_METRICS"}, "grafana": {"GRAFANA"},
}  # fmt: skip
COLLECTORS = ("collector", "agent", "tier1", "tier2-a", "tier2-b")
LISTENS |= {name: {"OTLP_GRPC", "OTLP_HTTP", "HEALTH", "METRICS"} for name in COLLECTORS}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as the parser gives them, with every profile on."""
    read = subprocess.run(
        [str(servers.programs() / "compose-check"), str(ROOT / "compose.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.returncode == 0, read.stderr
    return dict(json.loads(read.stdout)["services"])


def ports_of(service: str) -> set[int]:
    return {servers.PORTS[name] for name in LISTENS.get(service, set())} | ({8000} if service == "demo" else set())


def test_only_this_machine_reaches_a_published_port_and_each_leads_to_a_listener(services: dict[str, Any]) -> None:
    published = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    assert {port["host_ip"] for _, port in published} == {"127.0.0.1"}
    assert len({port["published"] for _, port in published}) == len(published)
    for name, port in published:
        assert port["target"] in ports_of(name), name


def test_every_mounted_path_exists_and_is_read_only(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                shipped = ROOT / mount["source"]
                assert shipped.exists(), mount
                assert mount.get("read_only"), (name, mount)


def test_every_file_named_on_a_command_line_is_mounted(services: dict[str, Any]) -> None:
    for name, service in services.items():
        mounts = {mount["target"]: mount["source"] for mount in service.get("volumes", []) if mount["type"] == "bind"}
        for word in service.get("command") or []:
            for path in re.findall(r"/etc/[\w./-]+\.yaml", word):
                target = next((target for target in mounts if path.startswith(target)), None)
                assert target, f"{name}: {path} is on no mount"
                rest = path[len(target) :].lstrip("/")
                assert (ROOT / mounts[target] / rest if rest else ROOT / mounts[target]).exists(), path


def test_every_address_leads_to_a_service_that_listens_there(services: dict[str, Any]) -> None:
    found = 0
    for name, service in services.items():
        told = [*(service.get("environment") or {}).values(), *(service.get("command") or [])]
        for host, port in re.findall(r"([a-z][a-z0-9-]*):(\d{4,5})\b", " ".join(str(value) for value in told)):
            assert host in services, f"{name} names {host}"
            assert int(port) in ports_of(host), f"{name} names {host}:{port}"
            found += 1
    assert found > 20


def test_every_scraped_address_is_a_service_that_listens_there() -> None:
    for file in ("stack-compose.yaml", "alertmanager-compose.yaml"):
        for group in yaml.safe_load((ROOT / "stores/targets" / file).read_text()):
            for target in group["targets"]:
                host, port = target.split(":")
                assert int(port) in ports_of(host)


def test_images_are_pinned_to_the_versions_that_are_tested(services: dict[str, Any]) -> None:
    versions = dict(re.findall(r"^([A-Z_]+)=v?(\S+)$", (ROOT / "tools/stack/versions.env").read_text(), re.MULTILINE))
    images = {name: service["image"] for name, service in services.items() if "image" in service}
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in images.values()), images
    assert images["collector"].endswith(f":{versions['COLLECTOR']}")
    assert images["loki"].endswith(f":{versions['LOKI']}")
    assert images["alertmanager"].endswith(f":v{versions['ALERTMANAGER']}")
    assert images["prometheus"].endswith(
        ":v{}.{}.0".format(versions["PROMETHEUS"][2], int(versions["PROMETHEUS"][3:5]))
    )


def test_start_order_and_health(services: dict[str, Any]) -> None:
    """Whoever serves is asked for its health, by itself or by a service that waits for it."""
    asked = json.dumps(services["stores-ready"]["command"]) + json.dumps(services["collector-ready"]["command"])
    for name in ("tempo", "loki", "prometheus", "alertmanager", "collector"):
        assert f"{name}:" in asked
    assert {name for name, service in services.items() if "healthcheck" in service} >= {"prometheus", "grafana", "demo"}
    assert services["collector"]["depends_on"]["stores-ready"]["condition"] == "service_completed_successfully"


def test_profiles_and_guards(services: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert {name for name in profiles if profiles[name] == ["gateway"]} == {
        "credentials",
        "agent",
        "tier1",
        "tier2-a",
        "tier2-b",
    }
    assert profiles["jaeger"] == ["jaeger"]
    assert profiles["demo"] == profiles["visitor"] == ["demo"]
    grafana = services["grafana"]["environment"]
    assert grafana["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert grafana["GF_SECURITY_ADMIN_PASSWORD"].startswith(("$__file{", "$$__file{"))
    for name in COLLECTORS:
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]


def test_every_service_that_serves_starts_again(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if service.get("restart") != "unless-stopped"} == WAITING
