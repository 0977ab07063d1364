"""What the exceptions of AWS's, Google's and gRPC's clients mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .hierarchy import (
    APIError,
    AuthenticationError,
    ConnectionError,
    InvalidInputError,
    MissingConfigError,
    RateLimitError,
    ServiceUnavailableError,
    TimeoutError,
)
from .verdict import MISSING_CREDENTIALS, Always, Rule, Verdict, grpc_status, header, http, retry_after

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


def grpc_failed(error: Any) -> Verdict | None:
    """By the status of a gRPC call; a pushback in its trailing metadata is the wait."""
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


def google_failed(error: Any) -> Verdict:
    """By the gRPC status that a Google error carries, else by its HTTP status."""
    status = getattr(error, "grpc_status_code", None)
    if status is not None:
        return grpc_status(status.name)
    response = getattr(error, "response", None)
    code = getattr(error, "code", None)
    return http(int(code) if code is not None else None, getattr(response, "headers", None))


BOTOCORE: Final[dict[str, Rule]] = {
    "ClientError": _aws,
    "ConnectTimeoutError": Always(TimeoutError, True),
    "ReadTimeoutError": Always(TimeoutError, True),
    "SSLError": Always(ConnectionError, False),
    "HTTPClientError": Always(ConnectionError, True),
    "ConnectionError": Always(ConnectionError, True),
    "NoCredentialsError": lambda _: MISSING_CREDENTIALS,
    "PartialCredentialsError": lambda _: MISSING_CREDENTIALS,
    "CredentialRetrievalError": lambda _: MISSING_CREDENTIALS,
    "TokenRetrievalError": lambda _: MISSING_CREDENTIALS,
    "NoRegionError": Always(MissingConfigError),
    "ProfileNotFound": Always(MissingConfigError),
    "ParamValidationError": Always(InvalidInputError),
    "ValidationError": Always(InvalidInputError),
    "BotoCoreError": Always(APIError, False),
}
