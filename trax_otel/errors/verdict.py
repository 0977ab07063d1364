"""What classification says before any error of ours is made, and the rules that several libraries share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .. import clock
from .base import TraxError
from .hierarchy import (
    APIError,
    AuthenticationError,
    EnvironmentError,
    InvalidInputError,
    ProcessingError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    TimeoutError,
)


class Verdict(NamedTuple):
    """The class that fits, and whether the same call may succeed (None: as the class's code says)."""

    kind: type[TraxError]
    retryable: bool | None = None
    retry_after: float | None = None
    status_code: int | None = None


Rule = Callable[[Any], "Verdict | None"]
"""From an exception to its verdict; None where this rule cannot tell."""

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_IDEMPOTENCY_HEADERS: Final = ("idempotency-key", "x-idempotency-key")
MAX_RETRY_AFTER: Final = 10 * 365 * 86_400.0


class Always:
    """A rule that says the same of every exception of its type."""

    __slots__ = ("verdict",)

    def __init__(self, kind: type[TraxError], retryable: bool | None = None) -> None:
        self.verdict = Verdict(kind, retryable)

    def __call__(self, _: BaseException) -> Verdict:
        return self.verdict


def repeatable(method: str | None, headers: Mapping[str, Any] | None = None) -> bool:
    """Whether a request may be sent again though it may have been carried out: by its method or its idempotency key."""
    if method is None or method.upper() in IDEMPOTENT:
        return True
    return any(header(headers, name) is not None for name in _IDEMPOTENCY_HEADERS)


def http(
    status: int | None,
    headers: Mapping[str, Any] | None = None,
    method: str | None = None,
    request_headers: Mapping[str, Any] | None = None,
) -> Verdict:
    """By HTTP status. What may have been carried out already is retryable only where repeating it does no harm."""
    again = repeatable(method, request_headers)
    wait = retry_after(header(headers, "retry-after"))
    if status in {401, 403, 407}:
        return Verdict(AuthenticationError, False, None, status)
    if status == 402:
        return Verdict(QuotaExceededError, False, wait, status)
    if status == 408:
        return Verdict(TimeoutError, again, wait, status)
    if status == 429:
        return Verdict(RateLimitError, True, wait, status)
    if status == 425:
        return Verdict(ServiceUnavailableError, True, wait, status)
    if status == 503:  # with Retry-After the server itself asks for the repeat
        return Verdict(ServiceUnavailableError, again or wait is not None, wait, status)
    if status in {502, 504}:
        return Verdict(ServiceUnavailableError, again, wait, status)
    if status is not None and 500 <= status <= 599:
        return Verdict(ServerError, status == 500 and again, wait, status)
    return Verdict(APIError, False, wait, status)


def header(headers: Mapping[str, Any] | None, name: str) -> Any:
    """A header's value, whatever its case; None where there is none."""
    if not headers:
        return None
    try:
        found = headers.get(name)
        if found is not None:
            return found
        return next((value for key, value in headers.items() if str(key).lower() == name), None)
    except Exception:  # headers of a foreign kind
        return None


def retry_after(value: Any) -> float | None:
    """Seconds to wait, from a Retry-After header: seconds or an HTTP date (a date that has passed is 0)."""
    if value is None:
        return None
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    try:
        seconds = float(text)
    except ValueError:
        import email.utils  # 18 modules, for the rare header that is a date
        from datetime import timezone

        try:
            date = email.utils.parsedate_to_datetime(text)
            if date.tzinfo is None:  # the form of asctime, and -0000: HTTP's dates are GMT whatever they say
                date = date.replace(tzinfo=timezone.utc)
            seconds = date.timestamp() - clock.current().time_ns() / 1e9
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER) if seconds == seconds else None


_GRPC: Final[dict[str, Verdict]] = {
    "CANCELLED": Verdict(ProcessingError, False),
    "UNKNOWN": Verdict(ServerError, False),
    "INVALID_ARGUMENT": Verdict(InvalidInputError, False),
    "DEADLINE_EXCEEDED": Verdict(TimeoutError, False),
    "NOT_FOUND": Verdict(APIError, False),
    "ALREADY_EXISTS": Verdict(APIError, False),
    "PERMISSION_DENIED": Verdict(AuthenticationError, False),
    "UNAUTHENTICATED": Verdict(AuthenticationError, False),
    "RESOURCE_EXHAUSTED": Verdict(RateLimitError, True),
    "FAILED_PRECONDITION": Verdict(APIError, False),
    "ABORTED": Verdict(ServiceUnavailableError, True),
    "OUT_OF_RANGE": Verdict(InvalidInputError, False),
    "UNIMPLEMENTED": Verdict(APIError, False),
    "INTERNAL": Verdict(ServerError, False),
    "UNAVAILABLE": Verdict(ServiceUnavailableError, True),
    "DATA_LOSS": Verdict(ServerError, False),
}


def grpc_status(name: str, wait: float | None = None) -> Verdict:
    """By the name of a gRPC status: UNAVAILABLE, RESOURCE_EXHAUSTED and ABORTED are retryable."""
    return _GRPC.get(name, Verdict(APIError, False))._replace(retry_after=wait)


MISSING_CREDENTIALS: Final = Verdict(EnvironmentError, False)
