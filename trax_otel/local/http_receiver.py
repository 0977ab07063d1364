"""OTLP over HTTP: three routes that take protobuf or JSON, plain or gzipped, and answer as the specification says."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.responses import Response
from starlette.routing import Route

from .decode import RefusedError, Signal, from_protobuf
from .otlp_json import from_json
from .writer import UnavailableError, Writer

if TYPE_CHECKING:
    from starlette.requests import Request

    from .store import Batch

MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes of a request after decompression."""
MAX_MEMBERS: Final = 64
"""Of a gzip body, which may be several put together; each costs a copy of the rest."""
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
RESPONSES: Final[dict[Signal, Any]] = {
    "traces": ExportTraceServiceResponse,
    "metrics": ExportMetricsServiceResponse,
    "logs": ExportLogsServiceResponse,
}
REJECTED: Final[dict[Signal, str]] = {
    "traces": "rejected_spans",
    "metrics": "rejected_data_points",
    "logs": "rejected_log_records",
}
_INVALID, _EXHAUSTED, _UNAVAILABLE, _INTERNAL = 3, 8, 14, 13


class _FailureError(Exception):
    """An answer that is no success: HTTP status, gRPC code, text."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def receiver_routes(writer: Writer) -> list[Route]:
    """The routes `/v1/traces`, `/v1/metrics`, `/v1/logs`."""

    def route(signal: Signal) -> Route:
        async def receive(request: Request) -> Response:
            content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            try:
                if content_type not in (PROTOBUF, JSON):
                    raise _FailureError(
                        415, _INVALID, f"Content-Type must be {PROTOBUF} or {JSON}, not {content_type!r}"
                    )
                body = await _body(request)
                batch = await asyncio.to_thread(_decode, signal, content_type, body)
                await asyncio.wrap_future(writer.submit(batch))
            except _FailureError as failure:
                return _failed(failure, content_type)
            except RefusedError as refusal:
                return _failed(_FailureError(400, _INVALID, str(refusal)), content_type)
            except UnavailableError as unavailable:
                return _failed(_FailureError(503, _UNAVAILABLE, str(unavailable)), content_type)
            except Exception as error:  # a defect of ours must not look like success, nor like a traceback
                return _failed(_FailureError(500, _INTERNAL, f"{type(error).__name__}: {error}"), content_type)
            return _succeeded(signal, batch, content_type)

        return Route(f"/v1/{signal}", receive, methods=["POST"])

    return [route("traces"), route("metrics"), route("logs")]


def _decode(signal: Signal, content_type: str, body: bytes) -> Batch:
    return from_protobuf(signal, body) if content_type == PROTOBUF else from_json(signal, body)


def partial_success(signal: Signal, batch: Batch) -> Any:
    """The response message: what was refused of the request, if anything."""
    response = RESPONSES[signal]()
    if batch.reason:
        setattr(response.partial_success, REJECTED[signal], batch.rejected)
        response.partial_success.error_message = batch.reason[:1000]
    return response


# --- Bodies --------------------------------------------------------------------------------------------------------------


async def _body(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "deflate"):
        raise _FailureError(415, _INVALID, f"Content-Encoding must be gzip, deflate or identity, not {encoding!r}")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY:
        raise _too_large()
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY:
            raise _too_large()
    body = bytes(received)
    if encoding in ("gzip", "deflate"):
        body = await asyncio.to_thread(_inflate, body)
    return body


def _inflate(body: bytes) -> bytes:
    """Decompress with a bound, so that a small body cannot become a huge one."""
    plain = bytearray()
    for _ in range(MAX_MEMBERS):
        decompressor = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
        try:
            plain += decompressor.decompress(body, MAX_BODY + 1 - len(plain))
        except zlib.error as error:
            raise _FailureError(400, _INVALID, f"the body cannot be decompressed: {error}") from None
        if len(plain) > MAX_BODY:
            raise _too_large()
        if not decompressor.eof:
            raise _FailureError(400, _INVALID, "the compressed body is cut off")
        body = decompressor.unused_data
        if not body:
            return bytes(plain)
    raise _FailureError(400, _INVALID, f"a gzip body may have {MAX_MEMBERS} members, not more")


def _too_large() -> _FailureError:
    return _FailureError(413, _EXHAUSTED, f"the body is larger than {MAX_BODY} bytes; send smaller batches")


# --- Answers -------------------------------------------------------------------------------------------------------------


def _succeeded(signal: Signal, batch: Batch, content_type: str) -> Response:
    response = partial_success(signal, batch)
    if content_type == JSON:
        return Response(json.dumps(json_format.MessageToDict(response)), media_type=JSON)
    return Response(response.SerializeToString(), media_type=PROTOBUF)


def _failed(failure: _FailureError, content_type: str) -> Response:
    headers = {"Retry-After": "1"} if failure.status == 503 else {}
    if content_type == PROTOBUF:
        status = Status(code=failure.code, message=failure.message[:1000])
        return Response(status.SerializeToString(), failure.status, headers, PROTOBUF)
    content = json.dumps({"code": failure.code, "message": failure.message[:1000]})
    return Response(content, failure.status, headers, JSON)
