"""What the exceptions of HTTP clients mean: requests, httpx, urllib3, urllib, aiohttp."""

from __future__ import annotations

from typing import Any, Final

from .hierarchy import (
    APIError,
    ConnectionError,
    DNSResolutionError,
    FormatError,
    InvalidInputError,
    ServiceUnavailableError,
    TimeoutError,
)
from .verdict import Always, Rule, Verdict, http, repeatable


def _request(error: Any) -> Any:
    try:
        return error.request
    except Exception:  # httpx raises where none was set
        return None


def _sent(kind: Any) -> Rule:
    """The request may have been carried out: to repeat it is safe only where it is idempotent."""

    def rule(error: Any) -> Verdict:
        request = _request(error)
        return Verdict(kind, repeatable(getattr(request, "method", None), getattr(request, "headers", None)))

    return rule


def _response(error: Any) -> Verdict | None:
    response, request = getattr(error, "response", None), _request(error)
    if response is None:
        return None
    request = request or getattr(response, "request", None)
    return http(
        getattr(response, "status_code", None), getattr(response, "headers", None),
        getattr(request, "method", None), getattr(request, "headers", None),
    )  # fmt: skip


def connection_failed(error: Any) -> Verdict:
    """A connection that failed: the reason underneath tells whether the name, the certificate or the peer is at fault."""
    names = {type(inner).__name__ for inner in _underneath(error)}
    if names & {"NameResolutionError", "gaierror", "ClientConnectorDNSError"}:
        return Verdict(DNSResolutionError, any(_temporary(inner) for inner in _underneath(error)))
    if names & {"SSLCertVerificationError", "CertificateError"}:
        return Verdict(ConnectionError, False)
    if names & {"ConnectTimeoutError", "ConnectTimeout"}:
        return Verdict(TimeoutError, True)
    if names & {"NewConnectionError", "ConnectionRefusedError", "ConnectError", "ClientConnectorError"}:
        return Verdict(ConnectionError, True)  # before anything was sent
    return _sent(ConnectionError)(error) or Verdict(ConnectionError, True)


def _underneath(error: Any) -> list[Any]:
    """The exception and what it wraps, by `reason`, arguments, cause and context."""
    found: list[Any] = []
    waiting = [error]
    while waiting and len(found) < 16:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is seen for seen in found):
            continue
        found.append(current)
        waiting += [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
    return found


def _temporary(error: BaseException) -> bool:
    import socket

    return isinstance(error, socket.gaierror) and error.errno in {socket.EAI_AGAIN, getattr(socket, "EAI_SYSTEM", None)}


def _status_of_aiohttp(error: Any) -> Verdict:
    info = getattr(error, "request_info", None)
    return http(
        error.status, getattr(error, "headers", None), getattr(info, "method", None), getattr(info, "headers", None)
    )


def urllib_failed(error: Any) -> Verdict | None:
    """By status where the server answered, else by the reason underneath."""
    if hasattr(error, "code"):
        return http(error.code, getattr(error, "headers", None))
    return _reason(error)


def _reason(error: Any) -> Verdict | None:
    from .classification import judge

    reason = getattr(error, "reason", None)
    return judge(reason) if isinstance(reason, BaseException) else Verdict(ConnectionError, True)


REQUESTS: Final[dict[str, Rule]] = {
    "ConnectTimeout": Always(TimeoutError, True),
    "ReadTimeout": _sent(TimeoutError),
    "Timeout": _sent(TimeoutError),
    "SSLError": Always(ConnectionError, False),
    "ConnectionError": connection_failed,
    "ChunkedEncodingError": _sent(ConnectionError),
    "ContentDecodingError": Always(FormatError),
    "JSONDecodeError": Always(FormatError),
    "TooManyRedirects": Always(APIError, False),
    "RetryError": Always(ServiceUnavailableError, True),
    "InvalidURL": Always(InvalidInputError),
    "MissingSchema": Always(InvalidInputError),
    "InvalidSchema": Always(InvalidInputError),
    "InvalidHeader": Always(InvalidInputError),
    "HTTPError": _response,
    "RequestException": lambda error: _response(error) or Verdict(APIError, False),
}
HTTPX: Final[dict[str, Rule]] = {
    "ConnectTimeout": Always(TimeoutError, True),
    "PoolTimeout": Always(TimeoutError, True),
    "TimeoutException": _sent(TimeoutError),
    "ConnectError": connection_failed,
    "ProxyError": Always(ConnectionError, True),
    "UnsupportedProtocol": Always(InvalidInputError),
    "LocalProtocolError": Always(InvalidInputError),
    "TransportError": _sent(ConnectionError),
    "DecodingError": Always(FormatError),
    "TooManyRedirects": Always(APIError, False),
    "HTTPStatusError": _response,
    "InvalidURL": Always(InvalidInputError),
    "HTTPError": Always(APIError, False),
}
URLLIB3: Final[dict[str, Rule]] = {
    "MaxRetryError": _reason,
    "NameResolutionError": connection_failed,
    "NewConnectionError": Always(ConnectionError, True),
    "ConnectTimeoutError": Always(TimeoutError, True),
    "TimeoutError": Always(TimeoutError, True),
    "SSLError": Always(ConnectionError, False),
    "ProxyError": Always(ConnectionError, True),
    "ProtocolError": Always(ConnectionError, True),
    "DecodeError": Always(FormatError),
    "ResponseError": Always(ServiceUnavailableError, True),
    "LocationValueError": Always(InvalidInputError),
    "HTTPError": Always(APIError, False),
}
AIOHTTP: Final[dict[str, Rule]] = {
    "ClientResponseError": _status_of_aiohttp,
    "ServerTimeoutError": Always(TimeoutError, True),
    "ClientConnectorDNSError": connection_failed,
    "ClientSSLError": Always(ConnectionError, False),
    "ClientConnectorCertificateError": Always(ConnectionError, False),
    "ClientConnectorError": connection_failed,
    "InvalidURL": Always(InvalidInputError),
    "ClientPayloadError": Always(ConnectionError, True),
    "ClientConnectionError": Always(ConnectionError, True),
    "ClientError": Always(APIError, False),
}
