"""OTLP/gRPC: the same encoded bytes as over HTTP, as a unary call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .transport import Answer, is_loopback

try:
    import grpc
except ImportError as missing:
    raise ImportError(
        "OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs grpcio: pip install 'trax-otel[grpc]', or use http/protobuf"
    ) from missing

if TYPE_CHECKING:
    from .environment import Endpoint

METHODS: Final = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_AGAIN: Final = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})


class GrpcSender:
    """One channel per process, made at the first request. Used by one thread at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._metadata = [(name.lower(), value) for name, value in endpoint.headers.items()]
        self._channel: Any = None
        self._call: Any = None
        self._pid = os.getpid()

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Send an encoded request."""
        try:
            return Answer("accepted", body=self._connected()(payload, timeout=timeout, metadata=self._metadata))
        except grpc.RpcError as error:
            answer = _judge(error)
            if answer.verdict == "unreachable":  # a new channel tries at once, an old one waits out its own back-off
                self.close()
            return answer
        except Exception as error:
            return Answer("refused", f"{type(error).__name__}: {error}")

    def _connected(self) -> Any:
        if self._pid != os.getpid():
            self.forget()
        if self._channel is None:
            compression = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
            options: dict[str, Any] = {"compression": compression.get(self._endpoint.compression)}
            parts = urlsplit(self._endpoint.url)
            target = parts.netloc.rpartition("@")[2]
            if is_loopback(parts.hostname or ""):
                options["options"] = [("grpc.enable_http_proxy", 0)]
            if self._endpoint.secure:
                self._channel = grpc.secure_channel(target, self._credentials(), **options)
            else:
                self._channel = grpc.insecure_channel(target, **options)
            self._call = self._channel.unary_unary(METHODS[self._endpoint.signal])
        return self._call

    def _credentials(self) -> Any:
        def content(path: str | None) -> bytes | None:
            return Path(path).read_bytes() if path else None

        endpoint = self._endpoint
        return grpc.ssl_channel_credentials(
            content(endpoint.certificate), content(endpoint.client_key), content(endpoint.client_certificate)
        )

    def forget(self) -> None:
        """Drop the parent's channel without closing it: gRPC's threads were not forked."""
        self._channel = self._call = None
        self._pid = os.getpid()

    def close(self) -> None:
        """Close the channel; the next request opens another."""
        channel, self._channel, self._call = self._channel, None, None
        if channel is not None:
            channel.close()


def _judge(error: Any) -> Answer:
    """What a gRPC status means for the request that it answers."""
    code, details = error.code().name, (error.details() or "").splitlines()
    reason = f"gRPC {code}" + (f": {details[0][:200]}" if details else "")
    if code == "RESOURCE_EXHAUSTED":
        delay = _retry_delay(error)
        if delay is not None:
            return Answer("again", reason, retry_after=delay)
        return Answer("too_large" if "larger than max" in reason else "refused", reason)
    if code == "UNAVAILABLE":
        return Answer("unreachable", reason, retry_after=_retry_delay(error))
    if code in _AGAIN:
        return Answer("again", reason, retry_after=_retry_delay(error))
    return Answer("bad" if code == "INVALID_ARGUMENT" else "refused", reason)


def _retry_delay(error: Any) -> float | None:
    """The delay that a RetryInfo in the trailing metadata asks for, in seconds."""
    for key, value in error.trailing_metadata() or ():
        if key == "google.rpc.retryinfo-bin":
            from google.rpc.error_details_pb2 import RetryInfo

            delay = RetryInfo.FromString(value).retry_delay
            return float(delay.seconds + delay.nanos / 1e9)
    return None
