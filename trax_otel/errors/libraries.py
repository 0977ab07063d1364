"""What third-party exceptions mean, known by their names: no library is imported here.

`RULES[package][class name]` is asked along the exception's MRO. These rules come before the builtins', because all of
`requests` and `urllib.error` are OSErrors while httpx, urllib3, redis, sqlalchemy and botocore are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .base import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectionError,
    CorruptedFileError,
    DNSResolutionError,
    FormatError,
    InvalidConfigError,
    InvalidInputError,
    MissingConfigError,
    ProcessingError,
    RateLimitError,
    ServiceUnavailableError,
    TimeoutError,
    ValidationError,
)
from .verdict import (
    MISSING_CREDENTIALS,
    Rule,
    Verdict,
    always,
    grpc_status,
    header,
    http,
    repeatable,
    retry_after,
    sql_state,
    sqlite_message,
)

PASS_THROUGH: Final = {
    "celery": frozenset({"Retry", "Ignore", "Reject", "TaskPredicate"}),
    "asyncio": frozenset({"CancelledError"}),
    "concurrent": frozenset({"CancelledError"}),
}
"""Control flow of other libraries, which is no error."""

# --- Requests over HTTP ------------------------------------------------------------------------------------------------


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


def _connection(error: Any) -> Verdict:
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


def _urllib_error(error: Any) -> Verdict | None:
    if hasattr(error, "code"):
        return http(error.code, getattr(error, "headers", None))
    return _reason(error)


def _reason(error: Any) -> Verdict | None:
    from .classification import judge

    reason = getattr(error, "reason", None)
    return judge(reason) if isinstance(reason, BaseException) else Verdict(ConnectionError, True)


_REQUESTS: Final[dict[str, Rule]] = {
    "ConnectTimeout": always(TimeoutError, True),
    "ReadTimeout": _sent(TimeoutError),
    "Timeout": _sent(TimeoutError),
    "SSLError": always(ConnectionError, False),
    "ConnectionError": _connection,
    "ChunkedEncodingError": _sent(ConnectionError),
    "ContentDecodingError": always(FormatError),
    "JSONDecodeError": always(FormatError),
    "TooManyRedirects": always(APIError, False),
    "RetryError": always(ServiceUnavailableError, True),
    "InvalidURL": always(InvalidInputError),
    "MissingSchema": always(InvalidInputError),
    "InvalidSchema": always(InvalidInputError),
    "InvalidHeader": always(InvalidInputError),
    "HTTPError": _response,
    "RequestException": lambda error: _response(error) or Verdict(APIError, False),
}
_HTTPX: Final[dict[str, Rule]] = {
    "ConnectTimeout": always(TimeoutError, True),
    "PoolTimeout": always(TimeoutError, True),
    "TimeoutException": _sent(TimeoutError),
    "ConnectError": _connection,
    "ProxyError": always(ConnectionError, True),
    "UnsupportedProtocol": always(InvalidInputError),
    "LocalProtocolError": always(InvalidInputError),
    "TransportError": _sent(ConnectionError),
    "DecodingError": always(FormatError),
    "TooManyRedirects": always(APIError, False),
    "HTTPStatusError": _response,
    "InvalidURL": always(InvalidInputError),
    "HTTPError": always(APIError, False),
}
_URLLIB3: Final[dict[str, Rule]] = {
    "MaxRetryError": _reason,
    "NameResolutionError": _connection,
    "NewConnectionError": always(ConnectionError, True),
    "ConnectTimeoutError": always(TimeoutError, True),
    "TimeoutError": always(TimeoutError, True),
    "SSLError": always(ConnectionError, False),
    "ProxyError": always(ConnectionError, True),
    "ProtocolError": always(ConnectionError, True),
    "DecodeError": always(FormatError),
    "ResponseError": always(ServiceUnavailableError, True),
    "LocationValueError": always(InvalidInputError),
    "HTTPError": always(APIError, False),
}
_AIOHTTP: Final[dict[str, Rule]] = {
    "ClientResponseError": _status_of_aiohttp,
    "ServerTimeoutError": always(TimeoutError, True),
    "ClientConnectorDNSError": _connection,
    "ClientSSLError": always(ConnectionError, False),
    "ClientConnectorCertificateError": always(ConnectionError, False),
    "ClientConnectorError": _connection,
    "InvalidURL": always(InvalidInputError),
    "ClientPayloadError": always(ConnectionError, True),
    "ClientConnectionError": always(ConnectionError, True),
    "ClientError": always(APIError, False),
}

# --- AWS, Google, gRPC -------------------------------------------------------------------------------------------------

_AWS_THROTTLING: Final = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "TooManyRequestsException", "ProvisionedThroughputExceededException", "TransactionInProgressException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "SlowDown", "PriorRequestNotComplete",
    "EC2ThrottledException",
})  # fmt: skip
_AWS_REFUSED: Final = frozenset({
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InvalidClientTokenId", "SignatureDoesNotMatch",
    "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId",
})  # fmt: skip
_AWS_UNAVAILABLE: Final = frozenset(
    {"RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable"}
)


def _aws(error: Any) -> Verdict:
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    code = (response.get("Error") or {}).get("Code", "")
    metadata = response.get("ResponseMetadata") or {}
    status = metadata.get("HTTPStatusCode")
    wait = retry_after(header(metadata.get("HTTPHeaders"), "retry-after"))
    if code in _AWS_THROTTLING:
        return Verdict(RateLimitError, True, wait, status)
    if code in _AWS_REFUSED:
        return Verdict(AuthenticationError, False, None, status)
    if code in _AWS_UNAVAILABLE:
        return Verdict(ServiceUnavailableError, True, wait, status)
    if code.startswith("Validation"):
        return Verdict(InvalidInputError, False, None, status)
    return http(status, metadata.get("HTTPHeaders"))


def _grpc(error: Any) -> Verdict | None:
    code = getattr(error, "code", None)
    status = code() if callable(code) else None
    name = getattr(status, "name", None)
    return grpc_status(name, _pushback(error)) if name else Verdict(APIError, False)


def _pushback(error: Any) -> float | None:
    """The wait that a gRPC server asked for in its trailing metadata."""
    try:
        trailing = dict(error.trailing_metadata() or ())
        return float(trailing["grpc-retry-pushback-ms"]) / 1000
    except Exception:  # none, or not readable
        return None


def _google(error: Any) -> Verdict:
    status = getattr(error, "grpc_status_code", None)
    if status is not None:
        return grpc_status(status.name)
    response = getattr(error, "response", None)
    code = getattr(error, "code", None)
    return http(int(code) if code is not None else None, getattr(response, "headers", None))


_BOTOCORE: Final[dict[str, Rule]] = {
    "ClientError": _aws,
    "ConnectTimeoutError": always(TimeoutError, True),
    "ReadTimeoutError": always(TimeoutError, True),
    "SSLError": always(ConnectionError, False),
    "HTTPClientError": always(ConnectionError, True),
    "ConnectionError": always(ConnectionError, True),
    "NoCredentialsError": lambda _: MISSING_CREDENTIALS,
    "PartialCredentialsError": lambda _: MISSING_CREDENTIALS,
    "CredentialRetrievalError": lambda _: MISSING_CREDENTIALS,
    "TokenRetrievalError": lambda _: MISSING_CREDENTIALS,
    "NoRegionError": always(MissingConfigError),
    "ProfileNotFound": always(MissingConfigError),
    "ParamValidationError": always(InvalidInputError),
    "ValidationError": always(InvalidInputError),
    "BotoCoreError": always(APIError, False),
}

# --- Databases ----------------------------------------------------------------------------------------------------------


def _psycopg(error: Any) -> Verdict | None:
    known = sql_state(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None))
    if known is not None:
        return known
    text = str(error).lower()
    if "authentication failed" in text or "no password supplied" in text:
        return Verdict(AuthenticationError, False)
    if "does not exist" in text:
        return Verdict(ConfigurationError, False)
    if "could not translate host name" in text or "name or service not known" in text:
        return Verdict(DNSResolutionError, False)
    if "timeout" in text:
        return Verdict(TimeoutError, True)
    return None


def _psycopg_operational(error: Any) -> Verdict:
    return _psycopg(error) or Verdict(ConnectionError, True)


def _sqlalchemy(fallback: Verdict) -> Rule:
    def rule(error: Any) -> Verdict:
        if getattr(error, "connection_invalidated", False):
            return Verdict(ConnectionError, True)
        original = getattr(error, "orig", None)
        if isinstance(original, BaseException):
            module = type(original).__module__.partition(".")[0]
            found = _psycopg(original) if module.startswith("psycopg") else sqlite_message(str(original))
            if found is not None:
                return found
        return fallback

    return rule


_PSYCOPG: Final[dict[str, Rule]] = {
    "PoolTimeout": always(TimeoutError, True),
    "IntegrityError": lambda error: _psycopg(error) or Verdict(ValidationError, False),
    "DataError": lambda error: _psycopg(error) or Verdict(InvalidInputError, False),
    "ProgrammingError": lambda error: _psycopg(error) or Verdict(ConfigurationError, False),
    "OperationalError": _psycopg_operational,
    "InterfaceError": always(ConnectionError, True),
    "Error": lambda error: _psycopg(error) or Verdict(ProcessingError, False),
}

RULES: Final[dict[str, dict[str, Rule]]] = {
    "requests": _REQUESTS,
    "httpx": _HTTPX,
    "urllib3": _URLLIB3,
    "urllib": {"HTTPError": _urllib_error, "URLError": _urllib_error, "ContentTooShortError": always(ConnectionError, True)},
    "http": {"InvalidURL": always(InvalidInputError), "HTTPException": always(ConnectionError, True)},
    "aiohttp": _AIOHTTP,
    "botocore": _BOTOCORE,
    "redis": {
        "AuthenticationError": always(AuthenticationError),
        "NoPermissionError": always(AuthenticationError),
        "BusyLoadingError": always(ServiceUnavailableError, True),
        "TimeoutError": always(TimeoutError, True),
        "ReadOnlyError": always(ServiceUnavailableError, True),
        "TryAgainError": always(ServiceUnavailableError, True),
        "ClusterDownError": always(ServiceUnavailableError, True),
        "ConnectionError": _connection,
        "DataError": always(InvalidInputError),
        "LockError": always(ServiceUnavailableError, True),
        "RedisError": always(APIError, False),
    },
    "sqlalchemy": {
        "IntegrityError": _sqlalchemy(Verdict(ValidationError, False)),
        "DataError": _sqlalchemy(Verdict(InvalidInputError, False)),
        "ProgrammingError": _sqlalchemy(Verdict(ConfigurationError, False)),
        "OperationalError": _sqlalchemy(Verdict(ConnectionError, True)),
        "InterfaceError": _sqlalchemy(Verdict(ConnectionError, True)),
        "DBAPIError": _sqlalchemy(Verdict(ProcessingError, False)),
        "TimeoutError": always(TimeoutError, True),
        "ArgumentError": always(InvalidConfigError),
        "NoSuchModuleError": always(InvalidConfigError),
        "NoResultFound": always(InvalidInputError),
        "MultipleResultsFound": always(InvalidInputError),
        "SQLAlchemyError": always(ProcessingError, False),
    },
    "psycopg": _PSYCOPG,
    "psycopg2": _PSYCOPG,
    "psycopg_pool": _PSYCOPG,
    "sqlite3": {
        "IntegrityError": always(ValidationError),
        "OperationalError": lambda error: sqlite_message(str(error)) or Verdict(ProcessingError, False),
        "ProgrammingError": always(InvalidInputError),
        "DatabaseError": lambda error: sqlite_message(str(error)) or Verdict(CorruptedFileError, False),
    },
    "grpc": {"RpcError": _grpc, "FutureTimeoutError": always(TimeoutError, True)},
    "google": {
        "RetryError": always(TimeoutError, False),
        "GoogleAPICallError": _google,
        "DefaultCredentialsError": lambda _: MISSING_CREDENTIALS,
        "TransportError": always(ConnectionError, True),
        "RefreshError": always(AuthenticationError),
        "GoogleAPIError": always(APIError, False),
    },
    "jsonschema": {"ValidationError": always(ValidationError), "SchemaError": always(ConfigurationError)},
    "pydantic_core": {"ValidationError": always(ValidationError)},
}  # fmt: skip
