"""The shipped agent and gateway tiers on free ports, with certificates and a token made for the occasion."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support.real_stack import RunningServer, post, quiet_port, running, servers

TOKEN = "a-token-of-this-test"


def credentials(folder: Path) -> dict[str, str]:
    """A certificate that is its own CA, for 127.0.0.1, and a token, as the files that the shipped configs read."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key", "-out", folder / "crt", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "token").write_text(f"{TOKEN} # the test's\n")
    return {
        "TRAX_TLS_CERT": str(folder / "crt"), "TRAX_TLS_KEY": str(folder / "key"), "TRAX_TLS_CA": str(folder / "crt"),
        "TRAX_TOKEN_FILE": str(folder / "token"),
    }  # fmt: skip


def node(name: str, file: str, folder: Path, sink: str, **environ: str) -> servers.Server:
    """One collector with ports and a queue folder of its own, all of whose stores are `sink`."""
    environment = {
        "TRAX_COLLECTOR_CONFIG": str(servers.ROOT / "collector-config"), "TRAX_COLLECTOR_DATA": str(folder / name),
        "TRAX_COLLECTOR_NAME": name, "TRAX_OTLP_HOST": "127.0.0.1", "TRAX_TEMPO_ENDPOINT": sink, "TRAX_LOKI_ENDPOINT": sink,
        "TRAX_PROMETHEUS_ENDPOINT": sink, "TRAX_GATEWAY_ENDPOINT": sink,
        **{f"TRAX_{port}_PORT": str(quiet_port()) for port in ("OTLP_GRPC", "OTLP_HTTP", "HEALTH", "METRICS")},
        **credentials(folder / "credentials"), **environ,
    }  # fmt: skip
    return servers.collector(name, [file], environment)


class Door:
    """What sends to a collector: plainly to an agent, over TLS with the token to tier 1."""

    def __init__(self, server: servers.Server, *, secured: bool) -> None:
        port = server.environment["TRAX_OTLP_HTTP_PORT"]
        self.url = f"{'https' if secured else 'http'}://127.0.0.1:{port}/v1/"
        self.context = ssl.create_default_context(cafile=server.environment["TRAX_TLS_CA"]) if secured else None
        self.headers = {"authorization": f"Bearer {TOKEN}"} if secured else {}

    def send(self, message: Any, headers: dict[str, str] | None = None, signal: str = "traces") -> int:
        """The status; OSError where nobody listens."""
        told = self.headers if headers is None else headers
        return post(self.url + signal, message.SerializeToString(), told, self.context)


@contextmanager
def gateway(folder: Path, sink: str, *, tier2: int = 2, **environ: str) -> Iterator[tuple[Door, list[RunningServer]]]:
    """Tier 1's door before several collectors of tier 2."""
    with ExitStack() as started:
        second = [node(f"tier2-{n}", "gateway-tier2.yaml", folder, sink, **environ) for n in range(tier2)]
        hosts = ", ".join(f"127.0.0.1:{one.environment['TRAX_OTLP_GRPC_PORT']}" for one in second)
        first = node("tier1", "gateway-tier1.yaml", folder, sink, TRAX_TIER2=f"[{hosts}]")
        nodes = [started.enter_context(running(one, folder)) for one in [*second, first]]
        yield Door(first, secured=True), nodes
