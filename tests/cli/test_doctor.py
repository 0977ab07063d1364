"""`trax-otel doctor` as a command: the report for people and for programs, exit statuses, mistakes, Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support.doctor import examine, grpc_receiver, raw, receiver, web
from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from trax_otel.cli.doctor import versions
from trax_otel.cli.doctor.report import SCHEMA_VERSION

DOC = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


@pytest.fixture
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


@pytest.fixture
def no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "check", lambda _: [])


def schema() -> Any:
    (text,) = re.findall(r"```json\n(\{\n  \"\$schema\".*?)```", DOC, flags=re.DOTALL)
    return json.loads(text)


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trax_otel", "doctor", *arguments],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


WHOLE_STEPS = ("versions", "environment", "endpoint", "protocol", "authentication", "send", "store", "clock")
GOOD = """\
environment
  ✓ 1 variable is set · OTEL_SERVICE_NAME=shop
  ✓ all values can be used
  ✓ nothing is switched off or contradicts itself
endpoint
  ✓ {url} can be reached without TLS
protocol
  ✓ {url} speaks OTLP, http/protobuf
authentication
  ✓ no credentials are asked for
send
  ✓ traces: test span accepted in N ms
  ✓ metrics: test data point accepted in N ms
  ✓ logs: test log record accepted in N ms
clock
  ✓ this clock agrees with the server's · within 5 s of {url}
process
  ✓ the last export may take 5 s at the end of the process · the slowest test took N ms

all is well: 11 fine
"""
BAD = """\
endpoint
  ✓ {url} can be reached without TLS
protocol
  ✗ port {port} speaks gRPC, and http/protobuf is set · its answer is no HTTP
      what to do: set --protocol grpc (OTEL_EXPORTER_OTLP_PROTOCOL), or the HTTP port, usually 4318
authentication
  – credentials: not checked · no receiver was reached
send
  – traces: not accepted · see protocol
  – metrics: not accepted · see protocol
  – logs: not accepted · see protocol
clock
  – clock: not compared · no server said what time it has; gRPC never does
process
  ✓ the last export may take 5 s at the end of the process

something is broken: 1 error, 1 warning, 4 fine, 5 skipped
"""


def steady(text: str) -> str:
    return re.sub(r"\b\d+ ms", "N ms", text)


@pytest.mark.usefixtures("no_versions")
def test_the_report_where_all_is_well(
    endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    done = examine(capsys, "--endpoint", endpoint.url, text=True)
    assert done.status == 0
    found = steady(done.out).replace(f", OTEL_EXPORTER_OTLP_ENDPOINT={endpoint.url}", "")
    found = found.replace(f"2 variables are set · OTEL_EXPORTER_OTLP_ENDPOINT={endpoint.url}, ", "1 variable is set · ")
    assert found == GOOD.format(url=endpoint.url)


@pytest.mark.usefixtures("no_versions")
def test_the_report_where_something_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    with grpc_receiver() as url:
        done = examine(capsys, "--endpoint", url, text=True)
    assert done.status == 1
    assert done.out[done.out.index("endpoint\n") :] == BAD.format(url=url, port=url.rpartition(":")[2])


@pytest.mark.usefixtures("no_versions")
def test_a_narrow_terminal_is_wrapped_to(
    endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    done = examine(capsys, "--endpoint", endpoint.url, text=True)
    assert max(map(len, done.out.splitlines())) <= 50
    assert "  ! the service has no name" in done.out


def test_a_terminal_without_the_signs_gets_ascii(endpoint: OtlpEndpoint) -> None:
    done = run("--endpoint", endpoint.url, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "  + traces: test span accepted" in done.stdout


# --- JSON ---------------------------------------------------------------------------------------------------------


def test_json_is_as_the_documentation_says(endpoint: OtlpEndpoint) -> None:
    outputs = [
        run("--json", "--endpoint", endpoint.url), run("--json", "--endpoint", "http://127.0.0.1:9"),
        run("--json", OTEL_SDK_DISABLED="true", TRAX_LOG_LEVEL="LOUD"),
    ]  # fmt: skip
    for done in outputs:
        report = json.loads(done.stdout)
        jsonschema.validate(report, schema())
        assert report["schema_version"] == SCHEMA_VERSION
        assert sum(report["counts"].values()) == len(report["checks"])
        assert done.stderr == ""
        for one in report["checks"]:
            assert one["advice"] or one["status"] not in {"warning", "error"}, one
    assert [json.loads(done.stdout)["status"] for done in outputs[1:]] == ["error", "error"]
    assert [done.returncode for done in outputs] == [0, 1, 1]


def test_the_schema_can_refuse() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema_version": 1, "checks": [{"id": "x", "status": "fine"}]}, schema())


def test_every_check_is_documented() -> None:
    """Ids in the code are in the table, and the other way round."""
    folder = Path(versions.__file__).parent
    source = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    families = "versions|conflicts|environment|send|store|process"
    used = set(re.findall(rf'"((?:{families})\.[a-z_]+)"', source)) | {*WHOLE_STEPS}
    used |= {f"{place}.{signal}" for place in ("send", "store") for signal in ("traces", "metrics", "logs")}
    rows = re.findall(r"^\| ((?:`[a-z._]+` ?)+)\|", DOC[DOC.index("## What each check means") :], flags=re.MULTILINE)
    assert used == {name for row in rows for name in re.findall(r"`([a-z._]+)`", row)}


# --- Mistakes, and the end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [
    ("--protocol", "http/json"), ("--timeout", "0"), ("--timeout", "soon"), ("--wait", "nan"), ("--frobnicate",),
    ("--local", "--endpoint", "http://x:1"), ("--", "python", "app.py"), ("--store", "zipkin=http://x"),
], ids=" ".join)  # fmt: skip
def test_a_command_line_that_cannot_be_understood_gives_2(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    done = examine(capsys, *words, text=True)
    assert (done.status, done.out) == (2, "")
    assert done.err


@pytest.mark.usefixtures("no_versions")
def test_local_is_the_embedded_endpoints_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trax_otel.cli.run.LOCAL_ENDPOINT", "http://127.0.0.1:9")
    assert "nothing listens at 127.0.0.1:9" in examine(capsys, "--local").error("endpoint")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_ctrl_c_ends_it_at_once_and_without_a_trace(protocol: str) -> None:
    asked = threading.Event()

    def talk(_: Any, over: threading.Event) -> None:
        asked.set()
        over.wait(30)

    with raw(talk) as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "trax_otel", "doctor", "--endpoint", url, "--protocol", protocol, "--timeout", "60"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert asked.wait(30)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - began < 5
    assert (process.returncode, errors) == (130, "")


def test_a_reader_that_leaves_is_no_error(endpoint: OtlpEndpoint) -> None:
    command = f"{sys.executable} -m trax_otel doctor --endpoint {endpoint.url} | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "versions\n"
    assert done.stderr == ""


@pytest.mark.usefixtures("no_versions")
def test_this_processs_own_telemetry_is_left_alone(
    endpoint: OtlpEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import logging

    from trax_otel.sdk.install import LOGS, METRICS, TRACES

    before = [place.taken() for place in (TRACES, METRICS, LOGS)], dict(os.environ), logging.root.manager.disable
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        examine(capsys, "--endpoint", endpoint.url)
    finally:
        logging.getLogger().removeHandler(handler)
    assert (
        [place.taken() for place in (TRACES, METRICS, LOGS)],
        dict(os.environ),
        logging.root.manager.disable,
    ) == before
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("no_versions")
def test_what_a_server_says_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    words = b"\x1b[2J\r\nerased\x07"
    with web(receiver(500, {"content-type": "text/plain"}, words)) as server:
        done = examine(capsys, "--endpoint", server.url, text=True)
    assert "erased" not in done.out or "\x1b" not in done.out
    assert not {"\x1b", "\x07", "\r"} & set(done.out)
