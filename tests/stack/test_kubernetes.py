"""kubernetes/: strict resources, the shipped collector files and nothing else, a span that goes through all three releases."""

from __future__ import annotations

import json
import os
import re
import secrets
import ssl
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import otlp_data
from support.gateway import credentials
from support.otlp_endpoint import otlp_endpoint
from support.real_stack import ROOT, post, quiet_port, running, servers, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
FOLDER = ROOT / "kubernetes"
RELEASES = ["agent", "tier1", "tier2"]
CHECK = servers.programs() / "kubernetes-check"
SHIPPED = {
    "trax-otel-collector": ROOT / "collector-config",
    "trax-otel-collector-shared": ROOT / "collector-config/shared",
}
"""The ConfigMaps that apply.sh makes, and the folders whose files are in them."""


def merged(one: Any, over: Any) -> Any:
    """Two values files as Helm puts them together: mappings grow, everything else is replaced."""
    if isinstance(one, dict) and isinstance(over, dict):
        return {key: merged(one.get(key), over[key]) if key in over else one[key] for key in {**one, **over}}
    return over


def values(release: str) -> dict[str, Any]:
    common, own = (yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in ("common", release))
    return dict(merged(common, own))


def environment(release: str) -> dict[str, str]:
    """The variables with a value of their own; those that Kubernetes fills in are told by their name."""
    return {one["name"]: one.get("value", one["name"]) for one in values(release)["extraEnvs"]}


def checked(*arguments: str | Path) -> list[dict[str, Any]]:
    done = subprocess.run([CHECK, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def pod(release: str) -> dict[str, Any]:
    """What the chart makes of the values, as far as it takes them over word by word."""
    told = values(release)
    claims = {claim["metadata"]["name"]: claim for claim in told.get("statefulset", {}).get("volumeClaimTemplates", [])}
    probes = {name: told[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    container = {
        "name": "collector", "image": f"{told['image']['repository']}:{told['image']['tag']}", "env": told["extraEnvs"],
        "envFrom": told["extraEnvsFrom"], "args": told["command"]["extraArgs"], "volumeMounts": told["extraVolumeMounts"],
        "resources": told["resources"], "securityContext": told["securityContext"], "lifecycle": told["lifecycleHooks"], **probes,
    }  # fmt: skip
    volumes = [
        *told["extraVolumes"],
        *({"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims),
    ]
    spec = {
        "containers": [container],
        "volumes": volumes,
        "terminationGracePeriodSeconds": told["terminationGracePeriodSeconds"],
    }
    for key, name in (
        ("tolerations",) * 2,
        ("topologySpreadConstraints",) * 2,
        ("podSecurityContext", "securityContext"),
    ):
        if key in told:
            spec[name] = told[key]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": release}, "spec": spec}


@pytest.mark.parametrize("release", RELEASES)
def test_what_the_values_say_of_the_pod_is_what_kubernetes_knows(release: str, tmp_path: Path) -> None:
    claims = values(release).get("statefulset", {}).get("volumeClaimTemplates", [])
    resources = [pod(release), *({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim} for claim in claims)]
    (tmp_path / "pod.yaml").write_text("\n---\n".join(yaml.safe_dump(one) for one in resources))
    assert len(checked(tmp_path / "pod.yaml")) == len(resources)


def test_a_field_that_kubernetes_does_not_know_is_found(tmp_path: Path) -> None:
    wrong = pod("agent")
    wrong["spec"]["containers"][0]["volumeMount"] = []
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(wrong))
    done = subprocess.run([CHECK, tmp_path / "pod.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "volumeMount" in done.stderr


def test_certificates_and_addresses_are_strict_resources_of_one_namespace() -> None:
    found = checked("certificates.yaml", "stores.yaml")
    assert {one["metadata"]["namespace"] for one in found} == {values("agent")["namespaceOverride"]}
    certificates = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "Certificate"}
    assert set(certificates) == {"trax-otel-ca", *(f"trax-{release}" for release in RELEASES)}
    issuers = {one["metadata"]["name"] for one in found if one["kind"] == "Issuer"}
    assert {spec["issuerRef"]["name"] for spec in certificates.values()} <= issuers


@pytest.mark.skipif("COLLECTOR_CHART" not in os.environ, reason="COLLECTOR_CHART names no folder with the chart")
@pytest.mark.parametrize("release", RELEASES)
def test_the_official_chart_makes_strict_resources_of_the_values(release: str) -> None:
    chart = os.environ["COLLECTOR_CHART"]
    found = {
        one["kind"]: one
        for one in checked("--chart", chart, "--release", f"trax-{release}", "common.yaml", f"{release}.yaml")
    }
    workload = found["DaemonSet" if release == "agent" else "StatefulSet"]["spec"]
    container = workload["template"]["spec"]["containers"][0]
    assert container["args"] == values(release)["command"]["extraArgs"]
    assert container["image"].endswith(values(release)["image"]["tag"])
    assert found["Service"]["metadata"]["name"] == f"trax-{release}"
    assert ("HorizontalPodAutoscaler" in found) == (release == "tier1")
    assert ("PodDisruptionBudget" in found) == (release != "agent")
    assert (found["Service"]["spec"].get("clusterIP") == "None") == (release == "tier2")
    assert found["Service"]["spec"]["internalTrafficPolicy"] == ("Local" if release == "agent" else "Cluster")
    listened = {"OTLP_GRPC", "METRICS"} | ({"OTLP_HTTP"} if release != "tier2" else set())
    assert {port["containerPort"] for port in container["ports"]} == {servers.PORTS[name] for name in listened}
    assert not any("hostPort" in port for port in container["ports"])


def test_versions_are_those_that_are_tested() -> None:
    versions = dict(re.findall(r"^([A-Z_]+)=v?(\S+)$", (ROOT / "tools/stack/versions.env").read_text(), re.MULTILINE))
    assert values("agent")["image"]["tag"] == versions["COLLECTOR"]
    for file in ("apply.sh", "common.yaml"):
        assert versions["COLLECTOR_CHART"] in (FOLDER / file).read_text(), file
    assert f"k8s.io/api v{versions['KUBERNETES']}\n" in (ROOT / "tools/stack/kubernetes/go.mod").read_text()


@pytest.mark.parametrize("release", RELEASES)
def test_the_config_is_the_shipped_files_by_mounts_of_the_config_maps(release: str) -> None:
    told = values(release)
    assert told["configMap"] == {"create": False}
    assert "config" not in told
    maps = {volume["name"]: volume["configMap"]["name"] for volume in told["extraVolumes"] if "configMap" in volume}
    mounts = {
        mount["mountPath"]: SHIPPED[maps[mount["name"]]] for mount in told["extraVolumeMounts"] if mount["name"] in maps
    }
    assert mounts[environment(release)["TRAX_COLLECTOR_CONFIG"] + "/shared"] == SHIPPED["trax-otel-collector-shared"]
    for argument in told["command"]["extraArgs"]:
        path = Path(argument.removeprefix("--config="))
        assert (mounts[str(path.parent)] / path.name).is_file(), argument
    script = (FOLDER / "apply.sh").read_text()
    for name, folder in SHIPPED.items():
        assert f"made configmap {name} --from-file=../{folder.relative_to(ROOT)}\n" in script
        files = [file for file in folder.iterdir() if file.is_file()]
        assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", file.name) for file in files)
        assert sum(file.stat().st_size for file in files) < 1_000_000


def texts(release: str) -> str:
    """All config files that a release can read."""
    entries = [ROOT / "collector-config" / Path(argument).name for argument in values(release)["command"]["extraArgs"]]
    return "".join(file.read_text() for file in [*entries, *(ROOT / "collector-config/shared").iterdir()])


@pytest.mark.parametrize("release", RELEASES)
def test_every_variable_is_one_that_the_files_read_and_every_path_lies_on_a_volume(release: str) -> None:
    told, read = values(release), set(re.findall(r"\$\{env:(TRAX_\w+)", texts(release)))
    stores = set(yaml.safe_load((FOLDER / "stores.yaml").read_text())["data"])
    assert set(environment(release)) <= read
    assert stores <= set(re.findall(r"\$\{env:(TRAX_\w+)", "".join(texts(name) for name in RELEASES)))
    mounts = {mount["mountPath"] for mount in told["extraVolumeMounts"]}
    for name, value in environment(release).items():
        if value.startswith("/") and name != "TRAX_COLLECTOR_CONFIG":
            assert any(value == mount or str(Path(value).parent) == mount for mount in mounts), (name, value)


@pytest.mark.parametrize("release", RELEASES)
def test_secrets_come_from_secrets_and_those_are_made(release: str) -> None:
    made = {one["spec"]["secretName"] for one in checked("certificates.yaml") if one["kind"] == "Certificate"}
    used = {volume["secret"]["secretName"] for volume in values(release)["extraVolumes"] if "secret" in volume}
    assert used <= made | {"trax-otel-tokens"}
    assert f"trax-{release}-tls" in used
    for name, value in environment(release).items():
        if re.search("TOKEN|KEY", name):
            assert value.startswith("/etc/otelcol/"), name


def test_every_address_within_is_a_release_and_its_certificate_bears_the_name() -> None:
    certificates = {
        one["metadata"]["name"]: one["spec"] for one in checked("certificates.yaml") if one["kind"] == "Certificate"
    }
    called = {"tier1": environment("agent")["TRAX_GATEWAY_ENDPOINT"].split("//")[1].split(":")[0],
              "tier2": environment("tier1")["TRAX_TIER2_HOST"]}  # fmt: skip
    for release, host in called.items():
        assert host.split(".")[0] == values(release)["fullnameOverride"] == f"trax-{release}"
        assert host in certificates[f"trax-{release}"]["dnsNames"]
    assert {"server auth", "client auth"} == set(certificates["trax-tier1"]["usages"])


@pytest.mark.parametrize("release", RELEASES)
def test_the_limiter_refuses_before_the_kernel_kills_and_queues_outlive_the_pod(release: str) -> None:
    told = values(release)
    limit = told["resources"]["limits"]["memory"]
    mebibytes = int(limit[:-2]) * {"Mi": 1, "Gi": 1024}[limit[-2:]]
    assert (
        0.8 * mebibytes <= int(environment(release)["TRAX_MEMORY_MIB"]) <= 0.9 * mebibytes
    )  # 0.8: the chart's GOMEMLIMIT
    lasting = {volume["name"] for volume in told["extraVolumes"] if "hostPath" in volume}
    lasting |= {claim["metadata"]["name"] for claim in told.get("statefulset", {}).get("volumeClaimTemplates", [])}
    mounts = {mount["mountPath"]: mount["name"] for mount in told["extraVolumeMounts"]}
    assert mounts[environment(release)["TRAX_COLLECTOR_DATA"]] in lasting


def laid_out(release: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The release's config files and variables with the mounts laid out in a folder, as the pod would see them."""
    (folder / release).mkdir(parents=True)
    there = folder / release / "otelcol"
    there.mkdir()
    for source, name in (("collector-config", "files"), ("collector-config/shared", "shared")):
        (there / name).symlink_to(ROOT / source)
    made = credentials(there / "tls")
    for name, source in (("tls.crt", "TRAX_TLS_CERT"), ("tls.key", "TRAX_TLS_KEY"), ("ca.crt", "TRAX_TLS_CA")):
        (there / "tls" / name).write_bytes(Path(made[source]).read_bytes())
    (there / "tokens").mkdir()
    for name in ("services", "gateway"):
        (there / "tokens" / name).write_text(f"token-of-{name}\n")
    seen = {
        name: value.replace("/etc/otelcol", str(there)).replace("/var/lib/otelcol", str(folder / release / "queue"))
        for name, value in environment(release).items()
    }
    return [str(there / "files" / Path(argument).name) for argument in values(release)["command"]["extraArgs"]], seen


def release_server(release: str, folder: Path, changed: Mapping[str, str]) -> servers.Server:
    files, seen = laid_out(release, folder)
    seen |= {f"TRAX_{port}_PORT": str(quiet_port()) for port in ("OTLP_GRPC", "OTLP_HTTP", "HEALTH", "METRICS")}
    return servers.collector(release, files, {**seen, "TRAX_OTLP_HOST": "127.0.0.1", **changed})


def test_a_span_goes_from_a_service_through_all_three_as_the_values_start_them(tmp_path: Path) -> None:
    """Ports and host names are those of this machine; everything else is as in the pods, tier 2 found by its name."""
    with ExitStack() as started:
        sink = started.enter_context(otlp_endpoint())
        stores = dict.fromkeys(yaml.safe_load((FOLDER / "stores.yaml").read_text())["data"], sink.url) | {
            "TRAX_SAMPLING_PERCENT": "100"
        }
        tier2 = release_server("tier2", tmp_path, {**stores, "TRAX_DECISION_WAIT": "2s"})
        port = tier2.environment["TRAX_OTLP_GRPC_PORT"]
        ca = (tmp_path / "tier2/otelcol/tls/ca.crt").read_bytes()
        tier1 = release_server("tier1", tmp_path, {**stores, "TRAX_TIER2_HOST": "127.0.0.1", "TRAX_TIER2_PORT": port})
        for file in ("tls.crt", "tls.key", "ca.crt"):  # one CA for both tiers
            (tmp_path / "tier1/otelcol/tls" / file).write_bytes((tmp_path / "tier2/otelcol/tls" / file).read_bytes())
        gateway = f"https://127.0.0.1:{tier1.environment['TRAX_OTLP_HTTP_PORT']}"
        agent = release_server("agent", tmp_path, {"TRAX_GATEWAY_ENDPOINT": gateway})
        own_ca = ssl.create_default_context(cafile=str(tmp_path / "agent/otelcol/tls/tls.crt"))
        (tmp_path / "agent/otelcol/tls/ca.crt").write_bytes(ca)
        for server in (tier2, tier1, agent):
            started.enter_context(running(server, tmp_path))
        trace = secrets.token_bytes(16)
        message = otlp_data.traces(otlp_data.span("through", trace=trace)).SerializeToString()
        url = f"https://127.0.0.1:{agent.environment['TRAX_OTLP_HTTP_PORT']}/v1/traces"
        assert post(url, message, {"authorization": "Bearer token-of-gateway"}, own_ca) == 401
        assert post(url, message, {"authorization": "Bearer token-of-services"}, own_ca) == 200
        arrived = lambda: [one for one in sink.accepted("/v1/traces") if trace in one.SerializeToString()]  # noqa: E731
        assert until(arrived, "the span in the store", 60)


FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in *"get secret"*|*"get configmap"*) exit "$THERE" ;; *dry-run*) echo "kind: Made" ;; *"apply"*) cat >/dev/null ;; esac
"""


@pytest.mark.parametrize("there", ["0", "1"], ids=["already there", "new"])
def test_apply_makes_what_is_missing_and_shows_no_secret_on_a_command_line(there: str, tmp_path: Path) -> None:
    for name in ("kubectl", "helm"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), "THERE": there}
    done = subprocess.run(
        [FOLDER / "apply.sh"], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = calls.read_text().splitlines()
    assert [line.split()[3] for line in lines if line.startswith("helm")] == ["trax-tier2", "trax-tier1", "trax-agent"]
    assert any("create secret" in line for line in lines) == (there == "1")
    assert any("stores.yaml" in line for line in lines) == (there == "1")
    assert not re.search(r"[0-9a-f]{64}", "".join(lines))


def test_apply_names_the_program_that_is_missing(tmp_path: Path) -> None:
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(Path("/usr/bin") / name)
    done = subprocess.run(
        [FOLDER / "apply.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "apply.sh needs kubectl on the PATH\n")
