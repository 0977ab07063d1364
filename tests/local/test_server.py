"""The endpoint as a whole: starting, starting again, ending, and many senders at once."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.otlp_data import counter, logs, metrics, record, span, traces
from support.otlp_endpoint import wait_until
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint, EndpointError, start

pytestmark = pytest.mark.servers


def post(port: int, path: str, body: bytes) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST", path, body, {"Content-Type": "application/x-protobuf"})
        return connection.getresponse().status


@contextmanager
def asking(path: Path) -> Iterator[Queries]:
    queries = Queries(path)
    try:
        yield queries
    finally:
        queries.close()


def test_a_second_start_keeps_the_data_unless_fresh(tmp_path: Path) -> None:
    path = tmp_path / "local.db"
    for fresh, expected in ((False, 1), (False, 2), (True, 1)):
        with start(http_port=0, grpc_port=0, path=path, fresh=fresh) as endpoint, asking(path) as queries:
            assert post(endpoint.http_port, "/v1/traces", traces(span()).SerializeToString()) == 200
            assert queries.totals().spans == expected


def test_a_port_in_use_is_named_with_its_option_and_nothing_is_lost(endpoint: Endpoint) -> None:
    post(endpoint.http_port, "/v1/traces", traces(span()).SerializeToString())
    cases: list[tuple[dict[str, int], str]] = [
        ({"http_port": endpoint.http_port, "grpc_port": 0}, f"port {endpoint.http_port} .*--http-port"),
        ({"http_port": 0, "grpc_port": endpoint.grpc_port}, f"port {endpoint.grpc_port} .*--grpc-port"),
    ]
    for ports, told in cases:
        with pytest.raises(EndpointError, match=told):
            start(path=endpoint.path, fresh=True, **ports)
    with asking(endpoint.path) as queries:
        assert queries.totals().spans == 1
    assert post(endpoint.http_port, "/v1/traces", traces(span()).SerializeToString()) == 200


def test_two_endpoints_on_one_file_lose_nothing(endpoint: Endpoint) -> None:
    with start(http_port=0, grpc_port=0, path=endpoint.path) as second, asking(endpoint.path) as queries:

        def send(port: int) -> None:
            for number in range(30):
                assert post(port, "/v1/traces", traces(span(), span()).SerializeToString()) == 200
                assert post(port, "/v1/metrics", metrics(counter(value=number)).SerializeToString()) == 200

        threads = [threading.Thread(target=send, args=(one.http_port,)) for one in (endpoint, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        totals = queries.totals()
        assert (totals.spans, totals.points) == (120, 60)
        assert len(queries.metric("requests")) == 1


def test_a_file_that_cannot_be_used_is_named_with_the_option(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    for unusable in (path, tmp_path, path / "below-a-file.db"):
        with pytest.raises(EndpointError, match=r"cannot be used.*--db"):
            start(http_port=0, grpc_port=0, path=unusable)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(EndpointError, match=r"uvicorn.*pip install 'trax-otel\[local\]'"):
        start(http_port=0, grpc_port=0, path=tmp_path / "local.db")


def test_closing_ends_its_threads_and_frees_its_ports(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    endpoint = start(http_port=0, grpc_port=0, path=tmp_path / "local.db")
    post(endpoint.http_port, "/v1/logs", logs(record()).SerializeToString())
    endpoint.close()
    assert not endpoint.running
    assert wait_until(
        lambda: not {thread for thread in set(threading.enumerate()) - before if "trax-otel" in thread.name}
    )
    for port in (endpoint.http_port, endpoint.grpc_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_eight_senders_at_once_lose_nothing(endpoint: Endpoint, queries: Queries) -> None:
    statuses: list[int] = []

    def over_http() -> None:
        bodies = (traces(*(span() for _ in range(25))).SerializeToString() for _ in range(20))
        statuses.extend(post(endpoint.http_port, "/v1/traces", body) for body in bodies)

    def over_grpc() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{endpoint.grpc_port}") as channel:
            call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            for _ in range(20):
                call(traces(*(span() for _ in range(25))).SerializeToString(), timeout=20)

    senders = [threading.Thread(target=over) for over in (over_http, over_grpc) * 4]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert statuses == [200] * 80
    assert queries.totals().spans == 8 * 20 * 25
    assert sum(summary.spans for summary in queries.traces()) == 100  # the newest hundred, of one span each


def test_a_disk_without_room_is_told_to_the_sender_as_a_passing_trouble(endpoint: Endpoint, queries: Queries) -> None:
    endpoint._writer.store._connection.execute("PRAGMA max_page_count = 60").fetchall()
    huge = traces(span(attributes={str(key): "x" * 100_000 for key in range(9)})).SerializeToString()
    with closing(http.client.HTTPConnection("127.0.0.1", endpoint.http_port, timeout=20)) as connection:
        connection.request("POST", "/v1/traces", huge, {"Content-Type": "application/x-protobuf"})
        response = connection.getresponse()
        assert (response.status, response.headers["retry-after"]) == (503, "1")
    with grpc.insecure_channel(f"127.0.0.1:{endpoint.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(huge, timeout=20)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert post(endpoint.http_port, "/v1/traces", traces(span("small")).SerializeToString()) == 200
    assert [summary.root for summary in queries.traces()] == ["small"]


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_the_loopback_of_ipv6_works_too(tmp_path: Path) -> None:
    try:
        endpoint = start(host="::1", http_port=0, grpc_port=0, path=tmp_path / "local.db")
    except EndpointError as error:
        pytest.skip(str(error))
    with endpoint, closing(http.client.HTTPConnection("::1", endpoint.http_port, timeout=20)) as connection:
        assert endpoint.url.startswith("http://[::1]:")
        connection.request("POST", "/v1/traces", b"", {"Content-Type": "application/x-protobuf"})
        assert connection.getresponse().status == 200


# --- As a process of its own -------------------------------------------------------------------------------------------------


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`trax-otel local` with what it said at its start."""
    command = [
        str(Path(sys.executable).with_name("trax-otel")),
        "local",
        "--http-port",
        "0",
        "--grpc-port",
        "0",
        *arguments,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as running:
        assert running.stdout is not None
        said = {}
        for line in running.stdout:
            name, _, value = line.strip().partition("  ")
            said[name] = value.strip()
            if name.startswith("Ctrl-C"):
                break
        try:
            yield running, said
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "local.db"
    with process("--db", str(path)) as (running, said):
        port = int(said["page"].rpartition(":")[2])
        assert post(port, "/v1/traces", traces(span()).SerializeToString()) == 200
        running.send_signal(number)
        assert running.wait(15) == 0
    assert not Path(f"{path}-wal").exists()
    with asking(path) as queries:
        assert queries.totals().spans == 1


@pytest.mark.parametrize("number", [signal.SIGKILL])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "local.db"
    with process("--db", str(path)) as (running, said):
        port = int(said["page"].rpartition(":")[2])
        for _ in range(5):
            assert post(port, "/v1/traces", traces(span()).SerializeToString()) == 200
        running.send_signal(number)
        running.wait(15)
    with start(http_port=0, grpc_port=0, path=path), asking(path) as queries:
        assert queries.totals().spans == 5


def test_it_does_not_observe_itself(tmp_path: Path) -> None:
    """Under `trax-otel run` every Python is observed, except the one that listens."""
    from trax_otel.instrumentation.start import AUTOSTART

    path = tmp_path / "local.db"
    environment = {"PYTHONPATH": str(AUTOSTART), "OTEL_PYTHON_DISTRO": "trax", "OTEL_PYTHON_CONFIGURATOR": "trax"}
    with process("--db", str(path), **environment) as (running, said):
        port = int(said["page"].rpartition(":")[2])
        for _ in range(3):
            assert post(port, "/v1/traces", b"") == 200
        running.terminate()
        assert running.wait(15) == 0
    with asking(path) as queries:
        totals = queries.totals()
    assert (totals.spans, totals.logs, totals.points) == (0, 0, 0)


def test_its_variable_names_the_file(tmp_path: Path) -> None:
    path: Any = tmp_path / "named.db"
    with process(TRAX_LOCAL_DB=str(path)) as (_, said):
        assert said["data"] == str(path)
        assert path.exists()
