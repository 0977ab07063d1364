"""What classification says of an error, in the form that telemetry needs."""

from __future__ import annotations

from functools import cached_property

from .. import semconv


class ErrorFacts:
    """The bounded description of one error. `type` is its class's qualified name, `code` a registered code."""

    def __init__(
        self,
        type: str,
        code: str,
        category: str,
        retryable: bool,
        fingerprint: str | None = None,
        severity: str = "error",
    ) -> None:
        self.type = type
        self.code = code
        self.category = category
        self.retryable = retryable
        self.fingerprint = fingerprint
        self.severity = severity

    def __repr__(self) -> str:
        return f"ErrorFacts({self.type!r}, {self.code!r}, {self.category!r}, retryable={self.retryable})"

    @cached_property
    def attributes(self) -> dict[str, str | bool]:
        """What goes on a span, an event or a log record. Shared: copy before changing."""
        attributes: dict[str, str | bool] = {
            semconv.ERROR_TYPE: self.type,
            semconv.ERROR_CODE: self.code,
            semconv.ERROR_CATEGORY: self.category,
            semconv.ERROR_RETRYABLE: self.retryable,
        }
        if self.fingerprint:
            attributes[semconv.ERROR_FINGERPRINT] = self.fingerprint
        return attributes

    @cached_property
    def metric_attributes(self) -> dict[str, str | bool]:
        """What goes on the counter of errors: bounded values only."""
        return {
            semconv.ERROR_CODE: self.code,
            semconv.ERROR_CATEGORY: self.category,
            semconv.ERROR_TYPE: self.type,
            semconv.ERROR_RETRYABLE: self.retryable,
        }
