"""OTLP over gRPC: the three export services, gzip included."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final

from .decode import RefusedError, Signal, from_protobuf
from .http_receiver import MAX_BODY, partial_success
from .writer import UnavailableError, Writer

if TYPE_CHECKING:
    import grpc

METHODS: Final[dict[Signal, str]] = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}
COMMIT_SECONDS: Final = 30.0


def start_grpc(writer: Writer, host: str, port: int) -> tuple[grpc.Server, int]:
    """Start the server; returns it and its port (`port` 0: a free one). Raises OSError where the port is taken."""
    import grpc

    server = grpc.server(
        ThreadPoolExecutor(4, thread_name_prefix="trax-otel grpc"),
        options=[("grpc.max_receive_message_length", MAX_BODY), ("grpc.so_reuseport", 0)],
        compression=grpc.Compression.NoCompression,
    )
    for signal, service in METHODS.items():
        handler = grpc.unary_unary_rpc_method_handler(_export(signal, writer))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    bracketed = f"[{host}]" if ":" in host else host
    try:
        bound = server.add_insecure_port(f"{bracketed}:{port}")
    except RuntimeError as error:
        raise OSError(str(error)) from None
    if bound == 0:
        raise OSError(f"{host}:{port} is in use")
    server.start()
    return server, bound


def _export(signal: Signal, writer: Writer) -> Any:
    # Without a deserializer the raw bytes arrive here, so that what cannot be parsed whole is salvaged as over HTTP.
    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        import grpc

        try:
            batch = from_protobuf(signal, body)
            writer.submit(batch).result(COMMIT_SECONDS)
            return partial_success(signal, batch).SerializeToString()  # type: ignore[no-any-return]
        except RefusedError as refusal:
            code, text = grpc.StatusCode.INVALID_ARGUMENT, str(refusal)
        except UnavailableError as unavailable:
            code, text = grpc.StatusCode.UNAVAILABLE, str(unavailable)
        except FutureTimeoutError:
            code, text = grpc.StatusCode.UNAVAILABLE, "the store did not answer in time"
        except Exception as error:  # a defect of ours must not look like success, nor like a traceback
            code, text = grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
        context.abort(code, text[:1000])
        return b""  # not reached: `abort` raises

    return export
