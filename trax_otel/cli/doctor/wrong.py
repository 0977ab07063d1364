"""What answers at an endpoint that does not take OTLP in the protocol that is set: found by asking it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ...sdk.http1 import BadAnswerError, DisconnectedError
from . import wire
from .reach import Told, explained
from .stores import NAMES, Store, identify

if TYPE_CHECKING:
    from ...sdk.environment import Endpoint
    from .wire import Outcome

UNDERSTOOD: Final = frozenset({400, 401, 403, 407, 408, 413, 422, 429, 502, 503, 504})
"""HTTP statuses of a server that has a receiver at this path, or a proxy before one: the protocol fits."""
UNDERSTOOD_GRPC: Final = frozenset(
    {"UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "ABORTED", "FAILED_PRECONDITION"}
)
_INSTEAD: Final = {
    "prometheus": "its OTLP receiver is at /api/v1/otlp/v1/metrics, for metrics alone, and needs "
    "--web.enable-otlp-receiver",
    "loki": "its OTLP receiver is at /otlp/v1/logs, for logs alone",
    "jaeger": "that is its query port: its OTLP receivers are on ports 4317 and 4318 unless set otherwise",
    "tempo": "that is its query port: its OTLP receivers have ports of their own, 4317 and 4318 unless set otherwise",
    "local": "the embedded endpoint takes OTLP/HTTP there: leave the path away",
}
_COLLECTOR: Final = "send to a collector: port 4317 for grpc, 4318 for http/protobuf, unless it is set up otherwise"


def understands(outcome: Outcome) -> bool:
    """Whether the answer is one of an OTLP receiver, be it a refusal."""
    if outcome.answer.verdict == "accepted":
        return not takes_anything(outcome)
    if outcome.error is not None:  # what was read before is half an answer
        return False
    if outcome.endpoint.protocol == "grpc":
        return outcome.grpc_code in UNDERSTOOD_GRPC
    return outcome.status in UNDERSTOOD and not _mentions_tls(outcome)


def takes_anything(outcome: Outcome) -> bool:
    """Whether it was taken by something that answers everything so: a web page, or a collector's health check."""
    return "html" in outcome.headers.get("content-type", "") or b'"upSince"' in outcome.body


def explain(outcome: Outcome, timeout: float) -> Told:
    """Why it does not understand: summary, detail, advice."""
    endpoint = outcome.endpoint
    if isinstance(outcome.error, ImportError):
        return "gRPC is asked for and not installed here", str(outcome.error), (
            "pip install 'trax-otel[grpc]', or set --protocol http/protobuf"
        )  # fmt: skip
    for look in (_scheme, _other_protocol, _other_path, _other_server):
        told = look(outcome, min(timeout, wire.PROBE_SECONDS))
        if told is not None:
            return told
    return _unexplained(endpoint, outcome, timeout)


def _mentions_tls(outcome: Outcome) -> bool:
    words = outcome.body[:4096]
    return outcome.status == 400 and b"HTTPS" in words and (b"plain HTTP" in words or b"HTTPS server" in words)


def _scheme(outcome: Outcome, seconds: float) -> Told | None:
    endpoint = outcome.endpoint
    if not endpoint.secure and outcome.status in {0, 400} and wire.speaks_tls(endpoint, seconds):
        return (
            f"{endpoint.address}: the server there speaks TLS", _reason(outcome),
            f"write https:// instead of http://: {endpoint.address.replace('http', 'https', 1)}",
        )  # fmt: skip
    return None


def _other_protocol(outcome: Outcome, seconds: float) -> Told | None:
    endpoint = outcome.endpoint
    port = wire.place(endpoint)[1]
    if endpoint.protocol == "grpc":
        if _takes(wire.with_protocol(endpoint, "http/protobuf"), seconds):
            return (
                f"port {port} speaks OTLP over HTTP, and gRPC is set", _reason(outcome),
                f"set --protocol http/protobuf (OTEL_EXPORTER_OTLP_PROTOCOL), or the gRPC port{_usual(4317, port)}",
            )  # fmt: skip
        return None
    if not wire.speaks_http2(endpoint, seconds):
        return None
    if _takes(wire.with_protocol(endpoint, "grpc"), seconds) or (outcome.status == 0 and not _has_grpc()):
        return (
            f"port {port} speaks gRPC, and http/protobuf is set", _reason(outcome),
            f"set --protocol grpc (OTEL_EXPORTER_OTLP_PROTOCOL), or the HTTP port{_usual(4318, port)}",
        )  # fmt: skip
    return None


def _usual(usual: int, port: int) -> str:
    return f", usually {usual}" if port != usual else ""


def _has_grpc() -> bool:
    import importlib.util

    return importlib.util.find_spec("grpc") is not None


def _takes(endpoint: Endpoint, seconds: float) -> bool:
    """Whether an empty request, which is valid, is understood there."""
    return understands(wire.send(endpoint, b"", seconds))


def _other_path(outcome: Outcome, seconds: float) -> Told | None:
    endpoint = outcome.endpoint
    if endpoint.protocol == "grpc" or outcome.status == 0:
        return None
    usual = wire.with_protocol(endpoint, "http/protobuf")
    if usual.url == endpoint.url or not _takes(usual, seconds):
        return None
    return (
        f"the path {urlsplit(endpoint.url).path or '/'} is none of the receiver's", _reason(outcome),
        f"write OTEL_EXPORTER_OTLP_ENDPOINT={endpoint.address}: /v1/{endpoint.signal} is added to it",
    )  # fmt: skip


def _other_server(outcome: Outcome, seconds: float) -> Told | None:
    endpoint = outcome.endpoint
    try:
        kind, _ = identify(Store(endpoint.address), seconds, endpoint.certificate)
    except OSError:
        return None
    if not kind:
        return None
    return (
        f"{endpoint.address} is {NAMES[kind]}, and takes no OTLP at this place", _reason(outcome),
        _INSTEAD.get(kind, _COLLECTOR),
    )  # fmt: skip


def _unexplained(endpoint: Endpoint, outcome: Outcome, timeout: float) -> Told:
    if outcome.status:
        return (
            f"{endpoint.address} is no OTLP receiver at {urlsplit(endpoint.url).path or '/'}",
            _reason(outcome),
            _COLLECTOR,
        )
    error = outcome.error
    if isinstance(error, TimeoutError) or "DEADLINE_EXCEEDED" in outcome.answer.reason:
        return (
            f"{endpoint.address} takes connections and does not answer", outcome.answer.reason,
            "the server hangs or is no OTLP receiver: look into its log; check the port",
        )  # fmt: skip
    if outcome.grpc_code == "UNIMPLEMENTED":
        return (
            f"{endpoint.address} speaks gRPC and has no OTLP receiver for {endpoint.signal}",
            _reason(outcome),
            _COLLECTOR,
        )
    if endpoint.protocol == "grpc" and endpoint.secure and "CERTIFICATE_VERIFY_FAILED" in outcome.answer.reason:
        return (
            f"gRPC does not trust the certificate at {endpoint.address}", _reason(outcome),
            "gRPC does not look into this machine's own authorities: set OTEL_EXPORTER_OTLP_CERTIFICATE",
        )  # fmt: skip
    if error is not None and not isinstance(error, (BadAnswerError, DisconnectedError)):
        return explained(endpoint, error, timeout)
    return f"{endpoint.address} does not answer as an OTLP receiver does", _reason(outcome), _COLLECTOR


def _reason(outcome: Outcome) -> str:
    if outcome.answer.verdict == "accepted" and takes_anything(outcome):
        return f"HTTP {outcome.status}, as to everything else"
    if isinstance(outcome.error, BadAnswerError):
        return "its answer is no HTTP"  # the sender's words for it are the bytes that came
    return outcome.answer.reason
