"""The first half of the way: the name, the connection, TLS. Each failure is told apart, with what to do about it."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from . import wire
from .bounded import within
from .finding import Finding

if TYPE_CHECKING:
    from ...sdk.environment import Endpoint

ID: Final = "endpoint"
_WRONG_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_YET: Final = 9
_EXPIRED: Final = 10
_CERTIFICATE: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_CLIENT: Final = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY"
_RESET: Final = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

Told = tuple[str, str, str]
"""Summary, detail, advice."""


def check(endpoint: Endpoint, timeout: float) -> Finding:
    """Whether a connection can be made, TLS and proxy included."""
    host, port = wire.first_hop(endpoint)
    proxy = wire.proxy_of(endpoint)
    try:
        within(timeout, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        return _failed(endpoint, *_unresolved(host, error))
    try:
        within(timeout, lambda: wire.connect(endpoint, timeout))
    except Exception as error:
        told = _through_proxy(endpoint, error) if proxy is not None else None
        return _failed(endpoint, *(told or explained(endpoint, error, timeout)))
    how = "with TLS" if endpoint.secure else "without TLS"
    through = f", through the proxy {host}:{port}" if proxy is not None else ""
    return Finding(ID, "ok", f"{endpoint.address} can be reached {how}{through}", subject=endpoint.address)


def _failed(endpoint: Endpoint, summary: str, detail: str, advice: str) -> Finding:
    return Finding(ID, "error", summary, detail, advice, endpoint.address)


def _unresolved(host: str, error: Exception) -> Told:
    if isinstance(error, TimeoutError):
        return f"the name {host} is not resolved: {error}", "the name server is silent", "check DNS on this machine"
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return (
            f"the name {host} cannot be resolved now", "the name server is away, or does not know it",
            "check the spelling, the network and DNS; in containers, that both are in one network",
        )  # fmt: skip
    return (
        f"the name {host} is not known", str(error),
        "check the spelling; among containers it is the service's name, in Kubernetes SERVICE.NAMESPACE.svc",
    )  # fmt: skip


def _through_proxy(endpoint: Endpoint, error: Exception) -> Told | None:
    """What the proxy, rather than the endpoint, did."""
    host, port = wire.first_hop(endpoint)
    away = f"set NO_PROXY={wire.place(endpoint)[0]} if the endpoint is to be reached directly, else correct the proxy"
    text = str(error)
    if "Tunnel connection failed" in text:
        return f"the proxy {host}:{port} refuses the way", text, away
    if isinstance(error, ConnectionRefusedError | TimeoutError) or getattr(error, "errno", 0) in _NO_ROUTE:
        return f"the proxy {host}:{port} cannot be reached", text, away
    return None


# --- Explained ----------------------------------------------------------------------------------------------------

_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})


def explained(endpoint: Endpoint, error: BaseException, timeout: float) -> Told:
    """An error of a connection: summary, detail, advice."""
    host, port = wire.place(endpoint)
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {host}:{port}", "connection refused", _start(host)
    if isinstance(error, TimeoutError):
        return (
            f"{host}:{port} does not answer a connection: {error}", "packets are dropped, or the server is stuck",
            "check firewall, security group or network policy between here and there, and the port",
        )  # fmt: skip
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(endpoint, error)
    if isinstance(error, ssl.SSLError | ConnectionResetError | BrokenPipeError) and endpoint.secure:
        return _no_handshake(endpoint, error, min(timeout, wire.PROBE_SECONDS))
    if "cannot be used" in str(error):  # a file for TLS
        return str(error), "", f"correct the file that {_CERTIFICATE} or {_CLIENT} name"
    if getattr(error, "errno", 0) in _NO_ROUTE:
        return f"there is no way to {host}:{port}", str(error), "check the network, the address and the routes"
    if isinstance(error, ConnectionResetError):
        return f"{host}:{port} closes the connection", str(error), "look into that server's log"
    return f"{host}:{port} cannot be reached", f"{type(error).__name__}: {error}", "check address and port"


def _start(host: str) -> str:
    if is_loopback(host):
        return (
            "start a collector there, or `trax-otel local`; in a container, localhost is the container itself: "
            "name the collector's host"
        )
    return "check that the collector runs, that it listens on that port, and not on its own localhost only"


def is_loopback(host: str) -> bool:
    """Whether it is this machine, as far as the name says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _untrusted(endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> Told:
    host = wire.place(endpoint)[0]
    code, text = error.verify_code, error.verify_message
    if code in _WRONG_NAME:
        return (
            f"the certificate at {endpoint.address} is not for {host}", text,
            "use the name that is in the certificate, or have one made for this name",
        )  # fmt: skip
    if code == _EXPIRED:
        return f"the certificate at {endpoint.address} has expired", text, "renew it; check this machine's clock"
    if code == _NOT_YET:
        return f"the certificate at {endpoint.address} is not valid yet", text, "check this machine's clock"
    given = "is not signed by what that file holds" if endpoint.certificate else "is signed by nobody known here"
    return (
        f"the certificate at {endpoint.address} is not trusted: it {given}", text,
        f"set {_CERTIFICATE} to the file of the authority that signed it (PEM)",
    )  # fmt: skip


def _no_handshake(endpoint: Endpoint, error: BaseException, seconds: float) -> Told:
    reason = str(getattr(error, "reason", None) or error)
    if "CERTIFICATE_REQUIRED" in reason:
        return _wants_certificate(endpoint, reason)
    if "ALERT" in reason and ("HANDSHAKE" in reason or "CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return (
            _refused_certificate(endpoint, reason)
            if endpoint.client_certificate
            else _wants_certificate(endpoint, reason)
        )
    plain: list[tuple[Callable[[], bool], str]] = [
        (lambda: wire.speaks_plain_http(endpoint, seconds), "HTTP"),
        (lambda: wire.speaks_http2(endpoint, seconds, plain=True), "HTTP/2, as gRPC does,"),
    ]
    for asks, what in plain:
        if asks():
            return (
                f"{endpoint.address}: the server there speaks {what} without TLS", reason,
                f"write http:// instead of https://: {endpoint.address.replace('https', 'http', 1)}",
            )  # fmt: skip
    if isinstance(error, _RESET) and wire.speaks_tls(endpoint, seconds):
        return (
            _refused_certificate(endpoint, reason)
            if endpoint.client_certificate
            else _wants_certificate(endpoint, reason)
        )
    return f"no TLS connection with {endpoint.address}", reason, "check port and scheme; look into that server's log"


def _wants_certificate(endpoint: Endpoint, reason: str) -> Told:
    return f"{endpoint.address} asks for a client certificate", reason, f"set {_CLIENT} to files in PEM"


def _refused_certificate(endpoint: Endpoint, reason: str) -> Told:
    return (
        f"{endpoint.address} refuses the client certificate", reason,
        "check that its authority is the one that the server trusts, and its dates",
    )  # fmt: skip
