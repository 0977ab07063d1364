"""What a sender gets to hear, over HTTP and gRPC, for good and for hostile requests."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from support.otlp_data import counter, field, logs, metrics, nested, record, span, traces
from trax_otel.local import http_receiver
from trax_otel.local.queries import Queries
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.servers

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
SERVICES = {
    "traces": ("opentelemetry.proto.collector.trace.v1.TraceService", ExportTraceServiceResponse),
    "metrics": ("opentelemetry.proto.collector.metrics.v1.MetricsService", ExportMetricsServiceResponse),
    "logs": ("opentelemetry.proto.collector.logs.v1.LogsService", ExportLogsServiceResponse),
}


@dataclass
class Answer:
    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]


def post(endpoint: Endpoint, path: str, body: Any, content_type: str = PROTOBUF, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.http_port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, {"Content-Type": content_type, **named})
    response = connection.getresponse()
    answer = Answer(response.status, response.headers["content-type"], response.read(), dict(response.headers))
    connection.close()
    return answer


def export(endpoint: Endpoint, signal: str, body: bytes, **options: Any) -> Any:
    service, response = SERVICES[signal]
    with grpc.insecure_channel(f"127.0.0.1:{endpoint.grpc_port}") as channel:
        return response.FromString(channel.unary_unary(f"/{service}/Export")(body, timeout=20, **options))


def names(queries: Queries) -> list[str]:
    return sorted(found.name for summary in queries.traces() for found in queries.trace(summary.trace_id))


# --- What is taken -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress),
     ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]))],
    ids=["plain", "gzip", "deflate", "upper-case", "several gzip members"],
)  # fmt: skip
def test_every_encoding_is_taken(endpoint: Endpoint, queries: Queries, encoding: str, pack: Any) -> None:
    answer = post(endpoint, "/v1/traces", pack(traces(span("paid")).SerializeToString()), content_encoding=encoding)
    assert (answer.status, answer.content_type, answer.body) == (200, PROTOBUF, b"")
    assert names(queries) == ["paid"]


def test_a_json_request_gets_a_json_answer(endpoint: Endpoint, queries: Queries) -> None:
    one = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "from json"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]})
    answer = post(endpoint, "/v1/traces", body, f"{JSON}; charset=utf-8")
    assert (answer.status, answer.content_type, json.loads(answer.body)) == (200, JSON, {})
    assert names(queries) == ["from json"]


@pytest.mark.parametrize("signal", list(SERVICES))
def test_an_empty_request_is_a_good_one(endpoint: Endpoint, signal: str) -> None:
    assert post(endpoint, f"/v1/{signal}", b"").status == 200
    assert post(endpoint, f"/v1/{signal}", b"{}", JSON).status == 200
    assert not export(endpoint, signal, b"").HasField("partial_success")


def test_grpc_takes_all_signals_with_gzip(endpoint: Endpoint, queries: Queries) -> None:
    requests = {"traces": traces(span("paid")), "logs": logs(record("said")), "metrics": metrics(counter("counted"))}
    for signal, request in requests.items():
        export(endpoint, signal, request.SerializeToString(), compression=grpc.Compression.Gzip)
    totals = queries.totals()
    assert (totals.spans, totals.logs, totals.points) == (1, 1, 1)


# --- What is refused in part ---------------------------------------------------------------------------------------------


def bad_utf8() -> bytes:
    """A request whose second span has a name that is no UTF-8."""
    whole = traces(span("kept 1"), span("XXXX"), span("kept 2")).SerializeToString()
    return whole.replace(b"XXXX", b"\xff\xfe\xfd\xfc")


def deep() -> bytes:
    """A request whose second span carries a value inside 64 arrays."""
    spans = [span("kept 1").SerializeToString(), span("deep").SerializeToString() + field(9, nested(64)),
             span("kept 2").SerializeToString()]  # fmt: skip
    return field(1, field(2, b"".join(field(2, one) for one in spans)))


HOSTILE_SPANS = {
    "short trace id": traces(span("kept 1"), span("bad", trace=b"\x01" * 15), span("kept 2")).SerializeToString(),
    "long trace id": traces(span("kept 1"), span("bad", trace=b"\x01" * 17), span("kept 2")).SerializeToString(),
    "no span id": traces(span("kept 1"), span("bad", id=b""), span("kept 2")).SerializeToString(),
    "short parent": traces(span("kept 1"), span("bad", parent=b"\x01"), span("kept 2")).SerializeToString(),
    "zero trace id": traces(span("kept 1"), span("bad", trace=bytes(16)), span("kept 2")).SerializeToString(),
    "zero span id": traces(span("kept 1"), span("bad", id=bytes(8)), span("kept 2")).SerializeToString(),
}


@pytest.mark.parametrize("hostile", list(HOSTILE_SPANS))
def test_a_span_with_a_bad_id_is_refused_and_its_neighbours_are_kept(
    endpoint: Endpoint, queries: Queries, hostile: str
) -> None:
    body = HOSTILE_SPANS[hostile]
    answer = post(endpoint, "/v1/traces", body)
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 1)
    assert "bad" in partial.error_message
    assert names(queries) == ["kept 1", "kept 2"]
    again = export(endpoint, "traces", body).partial_success
    assert (again.rejected_spans, again.error_message) == (1, partial.error_message)
    assert queries.totals().rejected == 2


@pytest.mark.parametrize("hostile", [bad_utf8, deep])
def test_what_the_parser_refuses_whole_costs_no_neighbour(endpoint: Endpoint, queries: Queries, hostile: Any) -> None:
    assert post(endpoint, "/v1/traces", hostile()).status == 200
    export(endpoint, "traces", hostile())
    assert [name for name in names(queries) if name.startswith("kept")] == ["kept 1", "kept 1", "kept 2", "kept 2"]


def test_a_json_partial_success_counts_in_strings(endpoint: Endpoint) -> None:
    body = json.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz", "spanId": "1", "name": "bad"}]}]}]}
    )
    answer = post(endpoint, "/v1/traces", body, JSON)
    assert answer.status == 200
    partial = json.loads(answer.body)["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert partial["errorMessage"]


def test_huge_values_are_cut_and_kept(endpoint: Endpoint, queries: Queries) -> None:
    huge = span("huge", attributes={"blob": "x" * 5_000_000, "plain": 1})
    assert post(endpoint, "/v1/traces", traces(huge, span("small")).SerializeToString()).status == 200
    assert names(queries) == ["huge", "small"]
    found = next(one for one in (queries.trace(s.trace_id)[0] for s in queries.traces()) if one.name == "huge")
    assert found.attributes["plain"] == 1
    assert found.attributes["blob"].startswith("xxx")
    assert len(found.attributes["blob"]) < 1_000_000


# --- What is refused whole -------------------------------------------------------------------------------------------------

BOMB = gzip.compress(bytes(100_000_000), 9)
GOOD = traces(span()).SerializeToString()
REFUSED: dict[str, tuple[bytes, dict[str, str], int, int]] = {
    "no protobuf": (b"\xff\xff\xff\xff", {}, 400, 3),
    "cut off": (GOOD[: len(GOOD) // 2], {}, 400, 3),
    "text": (b"hello, world", {}, 400, 3),
    "no gzip": (GOOD, {"content_encoding": "gzip"}, 400, 3),
    "gzip cut off": (gzip.compress(GOOD)[:-9], {"content_encoding": "gzip"}, 400, 3),
    "bomb": (BOMB, {"content_encoding": "gzip"}, 413, 8),
    "unknown encoding": (GOOD, {"content_encoding": "br"}, 415, 3),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_refused_request_gets_a_status_in_its_own_encoding(endpoint: Endpoint, queries: Queries, case: str) -> None:
    body, headers, status, code = REFUSED[case]
    answer = post(endpoint, "/v1/traces", body, **headers)
    assert (answer.status, answer.content_type) == (status, PROTOBUF)
    told = Status.FromString(answer.body)
    assert told.code == code
    assert told.message
    assert "Traceback" not in told.message
    assert queries.totals().spans == 0
    assert post(endpoint, "/v1/traces", GOOD).status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"nonsense", b'{"resourceSpans": 1}', b'{"resourceSpans": [', b"\xff\xfe", b"[" * 100_000, b'"text"', b"null"],
    ids=["empty", "list", "nonsense", "wrong type", "cut off", "no utf-8", "deep", "text", "null"],
)  # fmt: skip
def test_a_refused_json_request_gets_a_json_status(endpoint: Endpoint, body: bytes) -> None:
    answer = post(endpoint, "/v1/traces", body, JSON)
    assert (answer.status, answer.content_type) == (400, JSON)
    told = json.loads(answer.body)
    assert told["code"] == 3
    assert told["message"]


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_refused(endpoint: Endpoint, queries: Queries, content_type: str) -> None:
    """Text and forms are what a foreign page may send without asking."""
    assert post(endpoint, "/v1/traces", GOOD, content_type).status == 415
    assert queries.totals().spans == 0


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_receiver, "MAX_BODY", 1_000)
    announced = post(endpoint, "/v1/traces", bytes(5_000))
    chunked = post(endpoint, "/v1/traces", iter([bytes(900)] * 9))
    assert (announced.status, chunked.status) == (413, 413)
    assert Status.FromString(announced.body).code == 8


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_only_post_is_taken(endpoint: Endpoint, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.http_port, timeout=30)
    connection.request(method, "/v1/traces")
    assert connection.getresponse().status == 405
    connection.close()


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", GOOD[: len(GOOD) // 2]], ids=["no protobuf", "cut off"])
def test_grpc_refuses_what_is_no_request(endpoint: Endpoint, body: bytes) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        export(endpoint, "traces", body)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in raised.value.details()


def test_grpc_refuses_what_is_too_large_compressed_or_not(endpoint: Endpoint, queries: Queries) -> None:
    huge = traces(span(attributes={"blob": "x" * 40_000_000})).SerializeToString()
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with pytest.raises(grpc.RpcError) as raised:
            export(endpoint, "traces", huge, compression=compression)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert queries.totals().spans == 0


# --- Hosts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "localhost:4318", "[::1]:80", "[::1]", "LOCALHOST", "localhost."]
)
def test_this_machine_by_its_names_is_answered(endpoint: Endpoint, host: str) -> None:
    assert post(endpoint, "/v1/traces", GOOD, Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:4318", "", "10.0.0.1", "[::2]"]
)
def test_a_foreign_host_is_refused(endpoint: Endpoint, queries: Queries, host: str) -> None:
    assert post(endpoint, "/v1/traces", GOOD, Host=host).status in {403, 421, 400}
    assert queries.totals().spans == 0
