"""The gateway in operation: certificates and tokens change while it runs, tier 2 is full, a vendor stands in for the stores."""

from __future__ import annotations

import re
import secrets
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from support import otlp_data
from support.gateway import Door, credentials, gateway, node
from support.otlp_endpoint import otlp_endpoint
from support.real_stack import ROOT, running, servers, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


def test_a_new_certificate_and_a_new_token_count_without_a_restart(tmp_path: Path) -> None:
    """As a renewal by cert-manager does it: the files change. The wait is an hour as shipped, a second here."""
    server = node("tier1", "gateway-tier1.yaml", tmp_path, "http://127.0.0.1:9", TRAX_TLS_RELOAD="1s")
    address = ("127.0.0.1", int(server.environment["TRAX_OTLP_HTTP_PORT"]))
    with running(server, tmp_path):
        before = ssl.get_server_certificate(address)
        credentials(tmp_path / "credentials")
        (tmp_path / "credentials" / "token").write_text("another-token\n")
        new = (tmp_path / "credentials" / "crt").read_text().strip()
        until(lambda: ssl.get_server_certificate(address).strip() == new != before.strip(), "the new certificate", 20)
        door, message = Door(server, secured=True), otlp_data.logs(otlp_data.record())
        new_token = {"authorization": "Bearer another-token"}
        until(lambda: door.send(message, new_token, "logs") == 200, "the new token taken", 20)
        assert door.send(message, signal="logs") == 401


def test_the_pages_commands_make_what_agent_and_both_tiers_take(tmp_path: Path) -> None:
    page = (ROOT / "docs/stack.md").read_text()
    commands = next(block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "openssl" in block)
    hosts = "gateway.example tier2-a.example tier2-b.example"
    assert hosts in commands
    subprocess.run(["bash", "-ec", commands.replace(hosts, "localhost")], cwd=tmp_path, check=True, capture_output=True)
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
    made = {
        "TRAX_TLS_CA": str(tmp_path / "ca.crt"), "TRAX_TLS_CERT": str(tmp_path / "localhost.crt"),
        "TRAX_TLS_KEY": str(tmp_path / "localhost.key"), "TRAX_TOKEN_FILE": str(tmp_path / "token"),
        "TRAX_SAMPLING_PERCENT": "100",
    }  # fmt: skip
    with otlp_endpoint() as sink:
        second = node("tier2", "gateway-tier2.yaml", tmp_path / "work", sink.url, TRAX_DECISION_WAIT="1s", **made)
        hosts = f"[localhost:{second.environment['TRAX_OTLP_GRPC_PORT']}]"
        first = node("tier1", "gateway-tier1.yaml", tmp_path / "work", sink.url, TRAX_TIER2=hosts, **made)
        door = f"https://localhost:{first.environment['TRAX_OTLP_HTTP_PORT']}"
        here = {"TRAX_GATEWAY_ENDPOINT": door, "TRAX_GATEWAY_CA": made["TRAX_TLS_CA"], **made}
        agent = node("agent", "agent.yaml", tmp_path / "work", sink.url, **here)
        with running(second, tmp_path), running(first, tmp_path), running(agent, tmp_path):
            assert Door(agent, secured=False).send(otlp_data.traces(otlp_data.span())) == 200
            until(lambda: sink.accepted("/v1/traces"), "the span behind both tiers", 40)


def test_a_full_tier_2_lets_senders_wait_loses_no_undecided_trace_and_gets_none_twice(tmp_path: Path) -> None:
    """Five times what it has room for, sent at once: the last waits for longer than the 5 s of a usual call."""
    full = {"TRAX_SAMPLING_TRACES": "200", "TRAX_DECISION_WAIT": "2s"}
    with otlp_endpoint() as sink, gateway(tmp_path, sink.url, tier2=1, **full) as (door, _):
        sent = set()
        for _ in range(20):
            spans = [otlp_data.span("failed", error=True) for _ in range(50)]
            assert door.send(otlp_data.traces(*spans)) == 200
            sent |= {span.trace_id for span in spans}

        def arrived() -> list[bytes]:
            return [span.trace_id for span in sink.spans()]

        until(lambda: sent <= set(arrived()), "every failed trace", 60)
        time.sleep(2)  # a second copy would be on its way
        assert len(arrived()) == len(sent)


def test_a_vendor_gets_all_three_signals_with_the_headers_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "headers.yaml").write_text("authorization: Basic bnVtYmVyOnRva2Vu\nx-scope: shop\n")
    with otlp_endpoint() as sink:
        usual = node("local", "local.yaml", tmp_path, "http://127.0.0.1:9")
        environment = {
            **usual.environment,
            "TRAX_VENDOR_ENDPOINT": sink.url,
            "TRAX_VENDOR_HEADERS_FILE": str(tmp_path / "headers.yaml"),
        }
        server = servers.collector("local", ["local.yaml", "vendor.yaml"], environment)
        with running(server, tmp_path):
            door = Door(server, secured=False)
            assert door.send(otlp_data.traces(otlp_data.span(trace=secrets.token_bytes(16)))) == 200
            assert door.send(otlp_data.logs(otlp_data.record(at=time.time_ns())), signal="logs") == 200
            assert door.send(otlp_data.metrics(otlp_data.counter()), signal="metrics") == 200
            for path in ("/v1/traces", "/v1/logs", "/v1/metrics"):
                until(lambda path=path: sink.accepted(path), f"something at {path}", 40)
        assert {request.headers["Authorization"] for request in sink.requests} == {"Basic bnVtYmVyOnRva2Vu"}
        assert {request.headers["X-Scope"] for request in sink.requests} == {"shop"}


def test_the_example_of_a_vendors_headers_is_one_line_of_yaml_and_comments() -> None:
    import yaml

    found = yaml.safe_load((ROOT / "collector-config/vendor-headers.example").read_text())
    assert list(found) == ["authorization"]
