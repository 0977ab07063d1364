"""What a circuit breaker raises in place of a call."""

from __future__ import annotations

from typing import Any

from ...errors import ServiceUnavailableError


class CircuitOpenError(ServiceUnavailableError):
    """The breaker rejected the call without making it. `retry_after` is when it will try again, in seconds from now (None:
    not by itself), `breaker` its name."""

    default_code = "TRAX-022"

    def __init__(self, message: str = "", *args: object, breaker: str | None = None, **options: Any) -> None:
        super().__init__(message, *args, **options)
        self.breaker = breaker


CircuitOpenError.__module__ = "trax_otel.retry"
