"""OTLP over gRPC against a real server: the same promises as over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from support.otlp_endpoint import wait_until
from trax_otel.sdk.telemetry import Telemetry

pytestmark = pytest.mark.servers


class GrpcEndpoint:
    """Takes every OTLP method; `behave(request, context)` may refuse."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.calls: list[str] = []
        self.metadata: list[dict[str, Any]] = []
        self.behave: Callable[[Any, grpc.ServicerContext], ExportTraceServiceResponse | None] = lambda *_: None
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 4 << 20)]
        )
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def service(self, details: Any) -> Any:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append(details.method)
            self.metadata.append(dict(context.invocation_metadata()))
            if "trace" not in details.method:
                return b""
            request = ExportTraceServiceRequest.FromString(body)
            answer = self.behave(request, context)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)
            return b"" if answer is None else answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(export)

    def close(self) -> None:
        self._server.stop(0).wait()


@pytest.fixture
def server() -> Iterator[GrpcEndpoint]:
    running = GrpcEndpoint()
    yield running
    running.close()


@pytest.fixture
def telemetry(server: GrpcEndpoint, telemetry_for: Callable[..., Telemetry]) -> Telemetry:
    return telemetry_for(
        f"http://127.0.0.1:{server.port}",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_HEADERS="X-Team=a",
        OTEL_BSP_SCHEDULE_DELAY="50",
    )


def work(telemetry: Telemetry, count: int, **attributes: str) -> None:
    tracer = telemetry.pipelines[0].provider.get_tracer("faults")
    for number in range(count):
        tracer.start_span(f"work {number}", attributes=attributes).end()


def lost(telemetry: Telemetry) -> dict[str, int]:
    tally = telemetry.pipelines[0].outlets[0].tally
    return {reason: count for reason, count in tally.lost.items() if count}


def test_all_signals_arrive(server: GrpcEndpoint, telemetry: Telemetry) -> None:
    work(telemetry, 3)
    telemetry.pipelines[1].provider.get_logger("l").emit(body="line")
    telemetry.pipelines[2].provider.get_meter("m").create_counter("c").add(1)
    assert telemetry.flush(5)
    assert len(server.spans) == 3
    assert {call.split("/")[1].rpartition(".")[2] for call in server.calls} == {
        "TraceService",
        "LogsService",
        "MetricsService",
    }
    assert {metadata["x-team"] for metadata in server.metadata} == {"a"}


def test_unavailable_is_waited_out(server: GrpcEndpoint, telemetry: Telemetry) -> None:
    refusals = [1, 2]

    def busy(request: Any, context: grpc.ServicerContext) -> None:
        if refusals:
            refusals.pop()
            context.abort(grpc.StatusCode.UNAVAILABLE, "later")

    server.behave = busy
    work(telemetry, 2)
    assert wait_until(lambda: len(server.spans) == 2)
    assert lost(telemetry) == {}


def test_exhausted_with_a_delay_is_tried_again_and_without_is_not(server: GrpcEndpoint, telemetry: Telemetry) -> None:
    delays: list[Duration | None] = [None, Duration(nanos=50_000_000)]

    def exhausted(request: Any, context: grpc.ServicerContext) -> None:
        if delays:
            delay = delays.pop()
            if delay is not None:
                info = RetryInfo(retry_delay=delay).SerializeToString()
                context.set_trailing_metadata((("google.rpc.retryinfo-bin", info),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")

    server.behave = exhausted
    work(telemetry, 1)
    assert wait_until(lambda: lost(telemetry) == {"rejected": 1})
    assert len(server.calls) == 2


def test_a_message_above_the_servers_limit_is_halved(server: GrpcEndpoint, telemetry: Telemetry) -> None:
    work(telemetry, 6, text="x" * 1_000_000)
    assert telemetry.flush(10)
    assert len(server.spans) == 6


def test_one_invalid_span_loses_only_itself(server: GrpcEndpoint, telemetry: Telemetry) -> None:
    def refuse(request: Any, context: grpc.ServicerContext) -> None:
        if any(s.name == "work 5" for r in request.resource_spans for sc in r.scope_spans for s in sc.spans):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "poison")

    server.behave = refuse
    work(telemetry, 64)
    assert wait_until(lambda: len(server.spans) == 63)
    assert lost(telemetry) == {"rejected": 1}


def test_partial_success_is_counted(server: GrpcEndpoint, telemetry: Telemetry) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    server.behave = lambda request, context: answer
    work(telemetry, 5)
    assert not telemetry.flush(5)
    assert lost(telemetry) == {"rejected": 2}


FORK = """
import os, sys
import trax_otel
from opentelemetry import trace
telemetry = trax_otel.configure(endpoint=os.environ["ENDPOINT"], protocol="grpc", metrics=False)
tracer = trace.get_tracer("t")
tracer.start_span("parent").end()
assert telemetry.flush(5)  # a channel is open now
for number in range(4):
    if os.fork() == 0:
        tracer.start_span(f"child {number}").end()
        sys.exit(0)
print({os.wait()[1] for _ in range(4)})
tracer.start_span("parent again").end()
"""


def test_forked_children_open_channels_of_their_own(server: GrpcEndpoint, script: Any) -> None:
    done = script.run(FORK, ENDPOINT=f"http://127.0.0.1:{server.port}", PYTHONWARNINGS="ignore", timeout=60)
    assert done.stdout == "{0}\n", done.stderr
    assert sorted(span.name for span in server.spans) == [*(f"child {n}" for n in range(4)), "parent", "parent again"]


def test_a_missing_extra_is_one_line() -> None:
    code = "import sys\nsys.modules['grpc'] = None\nimport trax_otel\ntrax_otel.configure(protocol='grpc')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 1
    assert "pip install 'trax-otel[grpc]'" in done.stderr.splitlines()[-1]
