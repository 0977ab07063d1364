"""The shipped collector files: valid, of the manifest's components alone, guarded, and without a secret."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.real_stack import COLLECTOR, ROOT, servers
from trax_otel.config import Settings

pytestmark = pytest.mark.stack
FOLDER = ROOT / "collector-config"
ENTRIES = ["agent.yaml", "gateway-tier1.yaml", "gateway-tier2.yaml", "local.yaml"]
INCLUDE = re.compile(r"\$\{file:\$\{env:TRAX_COLLECTOR_CONFIG:-collector-config\}/(?P<path>[^}]+)\}")


def loaded(path: Path) -> Any:
    """A file with what it includes, as the collector puts it together."""

    def included(value: Any) -> Any:
        if isinstance(value, str) and (found := INCLUDE.fullmatch(value)):
            return loaded(FOLDER / found["path"])
        if isinstance(value, dict):
            return {key: included(inner) for key, inner in value.items()}
        return [included(inner) for inner in value] if isinstance(value, list) else value

    return included(yaml.safe_load(path.read_text(encoding="utf-8")))


def components(*files: str) -> set[str]:
    """The kind and type of every component that the files use, such as `processor/redaction`."""
    used = set()
    for file in files:
        config = loaded(FOLDER / file)
        for section in ("receivers", "processors", "connectors", "exporters", "extensions"):
            used |= {f"{section}/{name.split('/')[0]}" for name in config.get(section, {})}
    return used


def certificates(folder: Path) -> dict[str, str]:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key", "-out", folder / "crt", "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "token").write_text("a-token\n")
    return {
        "TRAX_COLLECTOR_DATA": str(folder / "data"), "TRAX_TOKEN_FILE": str(folder / "token"),
        "TRAX_TLS_CERT": str(folder / "crt"), "TRAX_TLS_KEY": str(folder / "key"), "TRAX_TLS_CA": str(folder / "crt"),
    }  # fmt: skip


@pytest.mark.parametrize("files", [*([entry] for entry in ENTRIES), ["local.yaml", "jaeger.yaml"],
                                   ["gateway-tier2.yaml", "jaeger.yaml"]], ids="+".join)  # fmt: skip
def test_the_collector_accepts_each_file_without_a_word_of_deprecation(files: list[str], tmp_path: Path) -> None:
    command = [str(COLLECTOR), "validate"]
    for file in files:
        command += ["--config", str(FOLDER / file)]
    done = subprocess.run(
        command, env={**os.environ, **certificates(tmp_path)}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_component_used_is_built_in_under_its_present_name_and_no_other_is() -> None:
    """A deprecated alias is no name of `otelcol components`."""
    shown = yaml.safe_load(
        subprocess.run([str(COLLECTOR), "components"], capture_output=True, text=True, check=True).stdout
    )
    built = {
        f"{section}/{one['name']}"
        for section in ("receivers", "processors", "connectors", "exporters", "extensions") for one in shown[section]
    }  # fmt: skip
    used = components(*ENTRIES, "jaeger.yaml")
    assert used <= built
    # the load-balancing exporter sends by this one
    assert built - used <= {"exporters/otlp_grpc"}


def test_the_programs_version_is_the_one_file_of_versions() -> None:
    versions = dict(
        line.split("=", 1) for line in (ROOT / "tools/stack/versions.env").read_text().splitlines() if "=" in line
        and not line.startswith("#")
    )  # fmt: skip
    shown = subprocess.run([str(COLLECTOR), "--version"], capture_output=True, text=True, check=True).stdout
    assert versions["COLLECTOR"] in shown


@pytest.mark.parametrize("entry", ENTRIES)
def test_memory_is_limited_first_wherever_data_come_in_and_every_sender_keeps_on_disk_without_end(entry: str) -> None:
    config = loaded(FOLDER / entry)
    for name, pipeline in config["service"]["pipelines"].items():
        if pipeline["receivers"] == ["otlp"]:
            assert pipeline["processors"][0] == "memory_limiter", name
    for name, exporter in config["exporters"].items():
        queue, again = exporter["sending_queue"], exporter["retry_on_failure"]
        assert (queue["storage"], queue["block_on_overflow"], again["max_elapsed_time"]) == (
            "file_storage",
            True,
            "0s",
        ), name


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_listener_is_on_this_machine_or_asks_for_tls_and_a_proof(entry: str) -> None:
    config = loaded(FOLDER / entry)
    for protocol in config["receivers"]["otlp"]["protocols"].values():
        local = protocol["endpoint"].startswith("${env:TRAX_OTLP_LOCAL_HOST:-127.0.0.1}:")
        proof = protocol.get("auth") or protocol.get("tls", {}).get("client_ca_file")
        assert local or (protocol["tls"]["key_file"] and proof)
    assert config["extensions"]["health_check"]["endpoint"].startswith("${env:TRAX_HEALTH_HOST:-127.0.0.1}:")
    assert "${env:TRAX_METRICS_HOST:-127.0.0.1}" in str(config["service"]["telemetry"])


@pytest.mark.parametrize("entry", ["agent.yaml", "gateway-tier1.yaml", "local.yaml"])
def test_every_pipeline_that_takes_data_from_services_removes_secrets(entry: str) -> None:
    pipelines = loaded(FOLDER / entry)["service"]["pipelines"]
    taking = {name: pipeline for name, pipeline in pipelines.items() if pipeline["receivers"] == ["otlp"]}
    assert set(taking) == {"traces", "metrics", "logs"}
    for name, pipeline in taking.items():
        wanted = ["redaction"] if name == "metrics" else ["transform/lend", "redaction", "transform/return"]
        assert [step for step in pipeline["processors"] if step in wanted] == wanted


def test_the_decision_waits_for_an_operation_that_uses_all_its_repeats() -> None:
    """The sum that tail-sampling.yaml tells, over the package's own defaults."""
    retry = Settings().retry
    waits = sum(min(retry.initial_delay * 2**repeat, retry.max_delay) for repeat in range(retry.max_retries))
    slow = 5.0  # slower attempts are kept by the policy `slow`
    leaves_the_service, queues = 5.0, 2.0
    wait = loaded(FOLDER / "shared/tail-sampling.yaml")["decision_wait"]
    assert wait == "${env:TRAX_DECISION_WAIT:-30s}"
    assert waits + retry.max_retries * slow + leaves_the_service + queues <= 30


def test_durations_reach_as_far_as_the_packages_own_buckets() -> None:
    for name, place in (
        ("span-metrics", ("histogram", "explicit", "buckets")),
        ("service-graph", ("latency_histogram_buckets",)),
    ):
        found: Any = loaded(FOLDER / "shared" / f"{name}.yaml")
        for key in place:
            found = found[key]
        assert found[-3:] == ["30s", "60s", "120s"]


def test_the_names_of_attributes_and_events_exist_in_semconv() -> None:
    from trax_otel import semconv

    known = {value for value in vars(semconv).values() if isinstance(value, str)}
    text = "".join(
        (FOLDER / "shared" / f"{name}.yaml").read_text() for name in ("tail-sampling", "count-codes", "span-metrics")
    )
    named = set(re.findall(r"\btrax(?:\.[a-z_]+)+", text))
    counted_here = {name for name in named if name.startswith("trax.span.")}
    assert named - counted_here - known <= {"trax.operation.duration"}  # a metric, in a comment


def test_every_port_of_the_native_stack_is_another() -> None:
    assert len(set(servers.PORTS.values())) == len(servers.PORTS)
