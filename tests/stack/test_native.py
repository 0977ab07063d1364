"""`make stack` and `make stack-down`: everything starts, is guarded, knows the others, and ends."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.real_stack import ROOT, free_ports, until
from support.services import get

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


class Native(NamedTuple):
    """A stack started as a user starts it."""

    run: Callable[[str], subprocess.CompletedProcess[str]]
    data: Path
    ports: dict[str, int]

    def grafana(self, path: str) -> Any:
        password = (self.data / "grafana" / "password").read_text()
        login = base64.b64encode(f"admin:{password}".encode()).decode()
        return json.loads(get(f"http://127.0.0.1:{self.ports['GRAFANA']}{path}", {"authorization": f"Basic {login}"}))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    data, ports = tmp_path_factory.mktemp("native"), free_ports()
    environ = {
        **os.environ,
        "TRAX_STACK_DATA": str(data),
        **{f"TRAX_{name}_PORT": str(port) for name, port in ports.items()},
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, str(ROOT / "tools/stack/stack.py"), command]
        return subprocess.run(program, env=environ, capture_output=True, text=True, check=False)

    started = run("up")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield Native(run, data, ports)
    finally:
        run("down")


def test_all_servers_answer_and_a_second_start_changes_nothing(native: Native) -> None:
    assert native.run("status").returncode == 0
    before = (native.data / "running.json").read_text()
    assert native.run("up").returncode == 0
    assert (native.data / "running.json").read_text() == before
    assert len(json.loads(before)) == 7


def test_grafana_asks_for_the_password_made_at_the_first_start(native: Native) -> None:
    assert (native.data / "grafana" / "password").stat().st_mode & 0o077 == 0
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(f"http://127.0.0.1:{native.ports['GRAFANA']}/api/datasources")
    refusal.value.close()
    assert refusal.value.code == 401


def test_grafana_reaches_every_store_and_its_provisioning_is_without_an_error(native: Native) -> None:
    found = {source["uid"]: source for source in native.grafana("/api/datasources")}
    assert set(found) == {"prometheus", "tempo", "loki", "jaeger"}
    assert native.grafana("/api/datasources/proxy/uid/prometheus/api/v1/query?query=1")["status"] == "success"
    assert native.grafana("/api/datasources/proxy/uid/loki/loki/api/v1/labels")["status"] == "success"
    assert "data" in native.grafana("/api/datasources/proxy/uid/jaeger/api/services")
    assert "tagNames" in native.grafana("/api/datasources/proxy/uid/tempo/api/search/tags")
    log = (native.data / "logs" / "grafana.log").read_text()
    assert [line for line in log.splitlines() if "logger=provisioning" in line and "level=error" in line] == []


def test_prometheus_sees_every_server_and_alertmanager(native: Native) -> None:
    url = f"http://127.0.0.1:{native.ports['PROMETHEUS']}/api/v1"
    servers = {"collector", "prometheus", "tempo", "loki", "jaeger", "alertmanager"}

    def up() -> bool:
        found = json.loads(get(f"{url}/query?query=up==1"))["data"]["result"]
        return {series["metric"]["job"] for series in found} == servers

    until(up, "every server scraped", 60)
    assert json.loads(get(f"{url}/alertmanagers"))["data"]["activeAlertmanagers"]


def test_down_ends_exactly_what_up_started(native: Native) -> None:
    started = [server["pid"] for server in json.loads((native.data / "running.json").read_text()).values()]
    with subprocess.Popen(["sleep", "60"]) as bystander:
        assert native.run("down").returncode == 0
        assert bystander.poll() is None
        bystander.kill()
    for pid in started:
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or ") Z" in state.read_text()
    assert native.run("status").returncode == 1
