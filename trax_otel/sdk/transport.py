"""How encoded requests travel: OTLP/HTTP over sockets of our own, OTLP/gRPC over grpcio.

A sender belongs to the process that uses it. After a fork the child drops what it inherited and connects anew, so that
two processes never write into one connection. Neither of the two logs or is instrumented, so an export makes no
telemetry. A redirect is not followed: telemetry goes where it was told to go, or is reported as not delivered.
Whatever a request needs is imported here, not when it is needed: a fork while a thread imports leaves the child with a
module that can never be imported.
"""

from __future__ import annotations

import ipaddress
import os
import sys
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors.verdict import retry_after
from ..version import __version__
from .http1 import BadAnswerError, Connection, DisconnectedError, Response, Tunnel

if TYPE_CHECKING:
    import ssl

    from .environment import Endpoint

Verdict = Literal["accepted", "again", "unreachable", "too_large", "bad", "refused"]
"""`again`: the same request may succeed later. `unreachable`: nobody answered. `bad`: something in it is not valid."""

MAX_ANSWER: Final = 1 << 20
"""Bytes read of an answer: a partial success is a few hundred."""
_AGAIN: Final = frozenset({408, 429, 502, 503, 504})
_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}
_USER_AGENT: Final = f"trax-otel/{__version__} python"


@dataclass(frozen=True)
class Answer:
    """What became of one request. `retry_after` is seconds, `body` the answer; `limited` means: give up soon."""

    verdict: Verdict
    reason: str = ""
    body: bytes = b""
    retry_after: float | None = None
    limited: bool = False


class Sender(Protocol):
    """Sends one signal's requests."""

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Send an encoded request; never raises. `timeout` is in seconds."""
        ...

    def forget(self) -> None:
        """Drop the connection without a word to the other side: it belongs to the parent process."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def sender_for(endpoint: Endpoint) -> Sender:
    """The sender of an endpoint. Raises ImportError where gRPC is asked for and not installed."""
    if endpoint.protocol == "grpc":
        from .grpc_transport import GrpcSender

        return GrpcSender(endpoint)
    return HttpSender(endpoint)


class HttpSender:
    """OTLP/HTTP with protobuf bodies over one kept-alive connection. Used by one thread at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        parts = urlsplit(endpoint.url)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {
            "content-type": "application/x-protobuf",
            "user-agent": _USER_AGENT,
            **({"content-encoding": endpoint.compression} if endpoint.compression != "none" else {}),
            **_credentials(parts.username, parts.password, "authorization"),
            **endpoint.headers,
        }
        proxy = _proxy(parts)
        if proxy is not None and not endpoint.secure:  # it is asked for the whole URL; for TLS, for a tunnel
            self._path = f"http://{parts.netloc.rpartition('@')[2]}{self._path}"
            self._headers |= _credentials(proxy.username, proxy.password, "proxy-authorization")
        self._connection: Connection | None = None
        self._pid = os.getpid()
        if endpoint.secure:
            import ssl  # noqa: F401  # by those alone who need it: gevent wants to be the first to import it
        if not (parts.hostname or "").isascii():
            import encodings.idna  # noqa: F401  # the look-up of such a host name needs it

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Send an encoded request. A kept connection that turns out to be closed is replaced once."""
        body = _compressed(payload, self._endpoint.compression)
        for fresh in (False, True):
            kept = self._connection is not None and self._pid == os.getpid()
            try:
                return self._exchange(body, timeout)
            except (DisconnectedError, ConnectionResetError, BrokenPipeError) as error:
                self.close()
                if fresh or not kept:
                    return Answer("again", _describe(error))
            except TimeoutError:
                self.close()
                return Answer("again", f"no answer within {timeout:.3g} s")
            except (OSError, BadAnswerError) as error:
                self.close()
                return Answer("unreachable" if isinstance(error, OSError) else "again", _describe(error))
            except Exception as error:  # a header that cannot be encoded, a certificate that cannot be read
                self.close()
                return Answer("refused", _describe(error))
        return Answer("again", "connection closed")

    def _exchange(self, body: bytes, timeout: float) -> Answer:
        response = self._post(body, timeout)
        return _judge(response.status, response.headers, response.body)

    def _post(self, body: bytes, timeout: float) -> Response:
        if self._pid != os.getpid():
            self.forget()
        if self._connection is None:
            self._connection = _connection(self._endpoint)
        response, kept = self._connection.post(self._path, body, self._headers, timeout, MAX_ANSWER)
        if not kept:
            self.close()
        return response

    def forget(self) -> None:
        """Drop the connection without a word: closing this process's descriptor leaves the parent's open."""
        self.close()
        self._pid = os.getpid()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    """With the files that the environment names; one that cannot be used is named, which OpenSSL does not do."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=endpoint.certificate)
        if endpoint.client_certificate:
            context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
    except OSError as error:
        files = [file for file in (endpoint.certificate, endpoint.client_certificate, endpoint.client_key) if file]
        missing = [file for file in files if not os.access(file, os.R_OK)]
        raise OSError(f"{', '.join(missing or files)} cannot be used: {error.strerror or error}") from error
    return context


def _connection(endpoint: Endpoint) -> Connection:
    parts = urlsplit(endpoint.url)
    host, port = parts.hostname or "", parts.port or (443 if endpoint.secure else 80)
    proxy = _proxy(parts)
    target, target_port = (host, port) if proxy is None else (proxy.hostname or "", proxy.port or 8080)
    if not endpoint.secure:
        return Connection(target, target_port)
    tunnel = None
    if proxy is not None:
        tunnel = Tunnel(host, port, _credentials(proxy.username, proxy.password, "Proxy-Authorization"))
    return Connection(target, target_port, tls=_tls(endpoint), tunnel=tunnel)


def _proxy(parts: SplitResult) -> SplitResult | None:
    """The proxy that the environment (on macOS and Windows, the system too) names for this endpoint, or None; no proxy can
    reach this machine's own loopback."""
    named = any(name.lower().endswith("_proxy") and value for name, value in os.environ.items())
    if is_loopback(parts.hostname or "") or not (named or sys.platform in {"darwin", "win32"}):
        return None
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    url = getproxies().get(parts.scheme)
    return urlsplit(url if "://" in url else f"http://{url}") if url else None


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this very machine: localhost, 127.0.0.0/8, ::1, and 0.0.0.0, which connects there."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return bool(plain.is_loopback or plain.is_unspecified)


def _credentials(user: str | None, password: str | None, header: str) -> dict[str, str]:
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return {header: f"Basic {b64encode(pair.encode()).decode()}"}


def _compressed(payload: bytes, compression: str) -> bytes:
    if compression == "gzip":
        gzip = zlib.compressobj(6, wbits=31)
        return gzip.compress(payload) + gzip.flush()
    return zlib.compress(payload) if compression == "deflate" else payload


def _judge(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """What an HTTP status means for the request that it answers."""
    if 200 <= status < 300:
        return Answer("accepted", body=body)
    reason = f"HTTP {status} {_PHRASES.get(status, '')}".strip()
    if status in _AGAIN:
        return Answer("again", reason, retry_after=retry_after(headers.get("retry-after")))
    if status == 413:
        return Answer("too_large", reason)
    if status in {400, 422}:
        return Answer("bad", reason)
    if 300 <= status < 400:
        return Answer("refused", f"{reason} to {headers.get('location', 'nowhere')}")
    if status >= 500 and status not in {501, 505}:
        return Answer("again", reason, limited=True)
    return Answer("refused", reason)


def _describe(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:200]
