"""The stack's servers on one machine: what each is started with, where it listens and how it tells that it is ready.

Nothing is read from anywhere but the shipped files: folders and ports reach the servers through the environment that those
files name, and through the command line where a server reads no environment.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PORTS = {
    "OTLP_GRPC": 4317, "OTLP_HTTP": 4318, "HEALTH": 13133, "METRICS": 8888,
    "TEMPO": 3200, "TEMPO_GRPC": 9095, "TEMPO_OTLP": 4328, "TEMPO_RING": 7946,
    "LOKI": 3100, "LOKI_GRPC": 9096, "LOKI_RING": 7947,
    "JAEGER": 16686, "JAEGER_GRPC": 16685, "JAEGER_OTLP": 4338, "JAEGER_HEALTH": 13134, "JAEGER_METRICS": 8889,
    "PROMETHEUS": 9090, "ALERTMANAGER": 9093, "GRAFANA": 3000,
}  # fmt: skip
"""Where each server listens, on 127.0.0.1; TRAX_<NAME>_PORT says otherwise."""

CONTACT = {
    "TRAX_ALERT_CONTACT": "webhook", "TRAX_ALERT_URL": "http://nobody-is-told.invalid/",
    "TRAX_ALERT_EMAIL": "nobody@nobody-is-told.invalid",
}  # fmt: skip
"""Whom Grafana tells, where the environment does not say: Grafana does not start with an empty address."""


class Server(NamedTuple):
    """One program: its command line, what is added to its environment, and the address that answers 200 once it is ready."""

    name: str
    command: list[str]
    environment: dict[str, str]
    ready: str


def programs() -> Path:
    """Where tools/stack/build.sh puts programs."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("TRAX_STACK_HOME") or f"{cache}/trax-otel/stack") / "bin"


def ports_from_environment() -> dict[str, int]:
    """The ports to use: the usual ones, each replaced by its variable where that is set."""
    return {name: int(os.environ.get(f"TRAX_{name}_PORT") or usual) for name, usual in PORTS.items()}


def collector_environment(ports: dict[str, int], data: Path) -> dict[str, str]:
    """What the files in collector-config/ read, for stores on this machine."""
    local = "http://127.0.0.1"
    return {
        "TRAX_COLLECTOR_CONFIG": str(ROOT / "collector-config"),
        "TRAX_COLLECTOR_DATA": str(data / "collector"),
        "TRAX_TEMPO_ENDPOINT": f"{local}:{ports['TEMPO_OTLP']}",
        "TRAX_JAEGER_ENDPOINT": f"{local}:{ports['JAEGER_OTLP']}",
        "TRAX_LOKI_ENDPOINT": f"{local}:{ports['LOKI']}/otlp",
        "TRAX_PROMETHEUS_ENDPOINT": f"{local}:{ports['PROMETHEUS']}/api/v1/otlp",
        **{f"TRAX_{name}_PORT": str(ports[name]) for name in ("OTLP_GRPC", "OTLP_HTTP", "HEALTH", "METRICS")},
    }


def collector(name: str, files: list[str], environment: dict[str, str]) -> Server:
    """A collector that runs these files of collector-config/."""
    command = [str(programs() / "otelcol-trax")]
    for file in files:
        command += ["--config", str(ROOT / "collector-config" / file)]
    return Server(name, command, environment, f"http://127.0.0.1:{environment['TRAX_HEALTH_PORT']}/")


def store(name: str, options: list[str], path: str, ports: dict[str, int], data: Path) -> Server:
    """Tempo, Loki or Jaeger: its file reads TRAX_<NAME>_… from the environment."""
    upper = name.upper()
    environment = {f"TRAX_{key}_PORT": str(port) for key, port in ports.items() if key.split("_")[0] == upper}
    environment[f"TRAX_{upper}_DATA"] = str(data / name)
    ready = f"http://127.0.0.1:{ports[upper]}{path}"
    return Server(name, [str(programs() / name), *options], environment, ready)


def prometheus(ports: dict[str, int], data: Path) -> Server:
    """Prometheus over stores/prometheus.yaml, laid beside the addresses of this machine's servers."""
    folder = data / "prometheus"
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    for shipped in ("stores/prometheus.yaml", "grafana/rules"):
        link = folder / Path(shipped).name
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT / shipped)
    scraped = {"collector": "METRICS", "prometheus": "PROMETHEUS", "tempo": "TEMPO", "loki": "LOKI",
               "jaeger": "JAEGER_METRICS", "alertmanager": "ALERTMANAGER"}  # fmt: skip
    lines = [
        f"- {{targets: ['127.0.0.1:{ports[port]}'], labels: {{server: {name}}}}}" for name, port in scraped.items()
    ]
    (folder / "targets" / "stack-native.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "targets" / "alertmanager-native.yaml").write_text(
        f"- targets: ['127.0.0.1:{ports['ALERTMANAGER']}']\n", encoding="utf-8"
    )
    address = f"127.0.0.1:{ports['PROMETHEUS']}"
    command = [
        str(programs() / "prometheus"), f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data",
        "--storage.tsdb.retention.time=15d", f"--web.listen-address={address}", "--web.enable-otlp-receiver",
        "--enable-feature=exemplar-storage", "--web.enable-lifecycle", "--log.level=warn",
    ]  # fmt: skip
    return Server("prometheus", command, {}, f"http://{address}/-/ready")


def write_alertmanager_file(shipped: Path, written: Path, environment: Mapping[str, str]) -> None:
    """Alertmanager's file with the receivers that the environment names."""
    written.parent.mkdir(parents=True, exist_ok=True)
    script = ROOT / "stores" / "alertmanager.sh"
    subprocess.run(["sh", str(script), str(shipped), str(written)], check=True, env={**os.environ, **environment})


def alertmanager(ports: dict[str, int], data: Path) -> Server:
    """Alertmanager, alone: without the listener of its cluster."""
    address, folder = f"127.0.0.1:{ports['ALERTMANAGER']}", data / "alertmanager"
    written = folder / "alertmanager.yaml"
    write_alertmanager_file(ROOT / "stores" / "alertmanager.yaml", written, {})
    command = [
        str(programs() / "alertmanager"), f"--config.file={written}", f"--storage.path={folder}",
        f"--web.listen-address={address}", "--cluster.listen-address=", "--log.level=warn",
    ]  # fmt: skip
    return Server("alertmanager", command, {}, f"http://{address}/-/ready")


def grafana(ports: dict[str, int], data: Path) -> Server:
    """Grafana with the shipped provisioning; its admin's password is made at the first start and kept in a file of its own."""
    folder, local = data / "grafana", "http://127.0.0.1"
    folder.mkdir(parents=True, exist_ok=True)
    password = folder / "password"
    if not password.exists():
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(18), encoding="utf-8")
    environment = {
        "GF_PATHS_DATA": str(folder / "data"), "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PROVISIONING": str(ROOT / "grafana" / "provisioning"),
        "TRAX_DASHBOARDS": str(ROOT / "grafana" / "dashboards"),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1", "GF_SERVER_HTTP_PORT": str(ports["GRAFANA"]),
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{password}}}", "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_AUTH_ANONYMOUS_ENABLED": "false", "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false", "GF_LOG_LEVEL": "warn",
        **{name: os.environ.get(name) or usual for name, usual in CONTACT.items()},
        **{f"TRAX_{name}_URL": f"{local}:{ports[name]}" for name in ("PROMETHEUS", "TEMPO", "LOKI", "JAEGER")},
    }  # fmt: skip
    command = [str(programs() / "grafana"), "server", "--homepath", str(programs().parent / "src" / "grafana")]
    return Server("grafana", command, environment, f"{local}:{ports['GRAFANA']}/api/health")


def all_servers(ports: dict[str, int], data: Path) -> list[Server]:
    """The stack in the order of its start: stores first, then the collector that sends to them."""
    shipped = ROOT / "stores"
    return [
        store("tempo", [f"-config.file={shipped}/tempo.yaml", "-config.expand-env=true"], "/ready", ports, data),
        store("loki", [f"-config.file={shipped}/loki.yaml", "-config.expand-env=true"], "/ready", ports, data),
        store("jaeger", ["--config", f"{shipped}/jaeger.yaml"], "/", ports, data),
        alertmanager(ports, data),
        prometheus(ports, data),
        grafana(ports, data),
        collector("collector", ["local.yaml", "jaeger.yaml"], collector_environment(ports, data)),
    ]
