"""How many spans a second the embedded endpoint takes, on one core, and how fast its views open on what is stored.

    python benchmarks/local_ingest.py [--spans 200000] [--batch 512] [--senders 4]

The server runs in a process of its own, pinned to one core; the senders on the others. Every request is answered after its
rows are committed, so what is counted here is on disk. On a busy machine the second figure is the one to compare.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVER = """
import json, os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from trax_otel.local.server import start
endpoint = start(http_port=0, grpc_port=0, path=sys.argv[1])
print(json.dumps([endpoint.http_port, endpoint.grpc_port]), flush=True)
sys.stdin.read()
endpoint.close()
"""
SPANS_PER_TRACE = 8


def batch(size: int, generator: random.Random) -> bytes:
    """One request of `size` spans as a web service sends them: eight a trace, six attributes a span, a failure here and there."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (("service.name", "shop"), ("service.instance.id", "1"), ("service.version", "1.0")):
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    scope.scope.name = "benchmark"
    now = time.time_ns()
    trace_id = parent = b""
    for number in range(size):
        if number % SPANS_PER_TRACE == 0:
            trace_id, parent = generator.randbytes(16), b""
        span = scope.spans.add(
            trace_id=trace_id, span_id=generator.randbytes(8), parent_span_id=parent, name=f"operation {number % 40}",
            kind=Span.SPAN_KIND_INTERNAL, start_time_unix_nano=now + number, end_time_unix_nano=now + number * 1_000,
        )  # fmt: skip
        parent = span.span_id
        for key, value in (("http.request.method", "GET"), ("http.route", "/orders/{id}"), ("server.address", "shop.example"),
                           ("url.path", f"/orders/{number}"), ("user_agent.original", "benchmark/1.0 (x86_64)")):  # fmt: skip
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key="http.response.status_code").value.int_value = 200
        if number % 50 == 0:
            span.status.code = 2
            event = span.events.add(name="exception", time_unix_nano=now)
            event.attributes.add(key="exception.type").value.string_value = "ValueError"
            event.attributes.add(key="exception.message").value.string_value = "no such order"
    return request.SerializeToString()


def http_sender(port: int) -> Callable[[bytes], None]:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def send(body: bytes) -> None:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        response = connection.getresponse()
        assert response.status == 200, response.read()
        response.read()

    return send


def grpc_sender(port: int) -> Callable[[bytes], None]:
    import grpc

    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
    call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")

    def send(body: bytes) -> None:
        call(body, timeout=60)

    return send


def measure(make: Callable[[int], Callable[[bytes], None]], port: int, bodies: list[bytes], senders: int) -> float:
    """Seconds from the first request to the last answer."""
    waiting = list(bodies)

    def work() -> None:
        send = make(port)
        while True:
            try:
                body = waiting.pop()
            except IndexError:
                return
            send(body)

    threads = [threading.Thread(target=work) for _ in range(senders)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def one_large_trace(size: int = 5_000) -> tuple[str, bytes]:
    """A request whose spans are all of one trace."""
    request = ExportTraceServiceRequest.FromString(batch(size, random.Random(1)))
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.trace_id = b"\x11" * 16
    return "11" * 16, request.SerializeToString()


def views(path: Path, trace_id: str) -> dict[str, float]:
    """Seconds that each view takes, the best of three."""
    from trax_otel.local.model import Filter
    from trax_otel.local.queries import Queries

    queries = Queries(path)
    asked: dict[str, Callable[[], object]] = {
        "traces": queries.traces,
        "traces of one operation": lambda: queries.traces(Filter(operation="operation 7")),
        "traces by text": lambda: queries.traces(Filter(text="/orders/77")),
        "failing traces": lambda: queries.traces(Filter(errors_only=True)),
        "trace of 5,000 spans": lambda: queries.trace(trace_id),
        "operations": queries.operations,
        "errors": queries.errors,
        "services": queries.services,
        "totals": queries.totals,
    }
    taken = {}
    for name, ask in asked.items():
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - started)
        taken[name] = min(seconds)
    queries.close()
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--senders", type=int, default=4)
    options = parser.parse_args()
    generator = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "local.db"
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert server.stdin is not None
        assert server.stdout is not None
        process = psutil.Process(server.pid)
        http_port, grpc_port = json.loads(server.stdout.readline())
        if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(0, os.sched_getaffinity(0) - {min(os.sched_getaffinity(0))})
        for name, make, port in (("HTTP", http_sender, http_port), ("gRPC", grpc_sender, grpc_port)):
            bodies = [batch(options.batch, generator) for _ in range(options.spans // options.batch)]
            before = sum(process.cpu_times()[:2])
            seconds = measure(make, port, bodies, options.senders)
            spans, used = len(bodies) * options.batch, sum(process.cpu_times()[:2]) - before
            print(f"{name}: {spans / seconds:,.0f} spans/s, {spans / used:,.0f} a CPU second of the server", flush=True)
        trace_id, body = one_large_trace()
        http_sender(http_port)(body)
        for name, seconds in views(path, trace_id).items():
            print(f"{name}: {seconds * 1000:,.0f} ms")
        server.stdin.close()
        return server.wait(20)


if __name__ == "__main__":
    sys.exit(main())
