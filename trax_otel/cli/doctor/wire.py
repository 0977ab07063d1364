"""Sockets and requests with the exporter's own settings. Everything is bounded in time, whatever the other side does."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ...sdk import transport
from ...sdk.delivery import unobserved
from ...sdk.transport import Answer, HttpSender
from .bounded import within

if TYPE_CHECKING:
    from ...sdk.environment import Endpoint, Protocol
    from ...sdk.http1 import Response
    from ...sdk.transport import Sender

PROBE_SECONDS: Final = 3.0
"""The longest for a question that only explains a failure."""
ALERT_SECONDS: Final = 0.3
"""How long a server may take to refuse a client without a certificate: with TLS 1.3 it does so after the handshake."""
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
_SETTINGS: Final = 4
_REQUEST: Final = b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


# --- Requests -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of one OTLP request. `at` is the wall clock when the answer began, `seconds` how long it took."""

    endpoint: Endpoint
    answer: Answer
    seconds: float
    at: float = 0.0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: BaseException | None = None

    @property
    def grpc_code(self) -> str:
        """Such as `UNAVAILABLE`; empty where it is none of gRPC."""
        words = self.answer.reason.replace(":", " ").split()
        return words[1] if words[:1] == ["gRPC"] and len(words) > 1 else ""


class WatchedSender(HttpSender):
    """The exporter's own sender, which also keeps what that has no use for: status, headers, body, error."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.seen: dict[str, Any] = {}

    def _post(self, body: bytes, timeout: float) -> Response:
        self.seen = {}
        try:
            response = super()._post(body, timeout)
        except Exception as error:
            self.seen["error"] = error
            raise
        self.seen = {"at": time.time(), **response._asdict()}
        return response


def send(endpoint: Endpoint, payload: bytes, timeout: float) -> Outcome:
    """Send one encoded request, as the exporter would; never raises."""
    began = time.monotonic()
    sender: Any = None
    try:
        sender = WatchedSender(endpoint) if endpoint.protocol != "grpc" else transport.sender_for(endpoint)
        answer = within(timeout, lambda: _sent(sender, payload, timeout))
    except TimeoutError as error:
        return Outcome(endpoint, Answer("again", str(error)), time.monotonic() - began, error=error)
    except ImportError as error:  # gRPC is asked for and not installed
        return Outcome(endpoint, Answer("refused", str(error)), time.monotonic() - began, error=error)
    seconds = time.monotonic() - began
    seen = getattr(sender, "seen", {})
    sender.close()
    return Outcome(endpoint, answer, seconds, **seen)


def _sent(sender: Sender, payload: bytes, timeout: float) -> Answer:
    with unobserved():
        return sender.send(payload, timeout)


def with_protocol(endpoint: Endpoint, protocol: Protocol) -> Endpoint:
    """The same server asked in the other protocol, at the path that is usual there."""
    path = "" if protocol == "grpc" else f"/v1/{endpoint.signal}"
    parts = urlsplit(endpoint.url)
    return replace(endpoint, protocol=protocol, url=f"{parts.scheme}://{parts.netloc}{path}")


# --- Connections --------------------------------------------------------------------------------------------------


def place(endpoint: Endpoint) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(endpoint.url)
    return parts.hostname or "", parts.port or (443 if endpoint.secure else 80)


def proxy_of(endpoint: Endpoint) -> Any:
    """The proxy that requests go through, as a split URL, or None."""
    return transport._proxy(urlsplit(endpoint.url))


def first_hop(endpoint: Endpoint) -> tuple[str, int]:
    """Whom a connection is made to: the proxy where there is one."""
    proxy = proxy_of(endpoint)
    return place(endpoint) if proxy is None else (proxy.hostname or "", proxy.port or 8080)


def connect(endpoint: Endpoint, timeout: float) -> None:
    """Connect as the exporter does, through its proxy and with its TLS, and close. Raises what went wrong."""
    sock = _open(endpoint, timeout)
    try:
        if endpoint.secure:
            sock = _exporters_context(endpoint).wrap_socket(sock, server_hostname=place(endpoint)[0])
            sock.settimeout(ALERT_SECONDS)
            try:
                first = sock.recv(1)
            except TimeoutError:
                return
            if not first:
                raise ConnectionResetError("closed after the handshake")
    finally:
        sock.close()


def _exporters_context(endpoint: Endpoint) -> ssl.SSLContext:
    context = transport._tls(endpoint)
    context.set_alpn_protocols(["h2" if endpoint.protocol == "grpc" else "http/1.1"])
    return context


def _open(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A TCP connection to the server, through a proxy's tunnel where the exporter would use one."""
    proxy = proxy_of(endpoint)
    if proxy is None or not (endpoint.secure or endpoint.protocol == "grpc"):
        return socket.create_connection(first_hop(endpoint), timeout)
    tunnel = http.client.HTTPConnection(*first_hop(endpoint), timeout=timeout)
    host, port = place(endpoint)
    tunnel.set_tunnel(host, port, transport._credentials(proxy.username, proxy.password, "Proxy-Authorization"))
    try:
        tunnel.connect()
    except OSError as error:
        traceback.clear_frames(error.__traceback__)  # Python 3.10 leaves a proxy's refusal open in one of them
        raise
    sock: socket.socket = tunnel.sock
    return sock


def speaks_tls(endpoint: Endpoint, seconds: float) -> bool:
    """Whether the server shakes hands, whoever signed its certificate."""

    def ask() -> bool:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            _open(endpoint, seconds) as sock,
            context.wrap_socket(sock, server_hostname=place(endpoint)[0]) as wrapped,
        ):
            return wrapped.version() is not None

    return _asked(ask, seconds)


def speaks_http2(endpoint: Endpoint, seconds: float, *, plain: bool = False) -> bool:
    """Whether the server answers HTTP/2's greeting with settings of its own, as every gRPC server does."""
    reply = _first_words(endpoint, _PREFACE, seconds, plain=plain)
    return len(reply) >= 9 and reply[3] == _SETTINGS


def speaks_plain_http(endpoint: Endpoint, seconds: float) -> bool:
    """Whether the server answers HTTP/1 without TLS."""
    return _first_words(endpoint, _REQUEST, seconds, plain=True).startswith(b"HTTP/")


def _first_words(endpoint: Endpoint, greeting: bytes, seconds: float, *, plain: bool) -> bytes:
    replies: list[bytes] = []

    def ask() -> bool:
        sock = _open(endpoint, seconds)
        try:
            if endpoint.secure and not plain:
                sock = _exporters_context(replace(endpoint, protocol="grpc")).wrap_socket(
                    sock, server_hostname=place(endpoint)[0]
                )
            sock.sendall(greeting)
            while sum(map(len, replies)) < 9 and (some := sock.recv(64)):
                replies.append(some)
        finally:
            sock.close()
        return True

    _asked(ask, seconds)
    return b"".join(replies)


def _asked(ask: Callable[[], bool], seconds: float) -> bool:
    """What it finds; False where it fails in any way."""
    try:
        return within(seconds, ask)
    except Exception:
        return False
