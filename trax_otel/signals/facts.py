"""What classification says of an error, in the form that telemetry needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from .. import semconv


class ErrorFacts:
    """The bounded description of one error. `type` is its class's qualified name, `code` a registered code.

    `rank` says how much the code tells: 0 that something failed, 1 what, by its class, 2 what the one who raised it said.
    """

    def __init__(
        self,
        type: str,
        code: str,
        category: str,
        retryable: bool,
        fingerprint: str | None = None,
        severity: str = "error",
        rank: int = 1,
        context: Mapping[str, str | bool | int | float] | None = None,
    ) -> None:
        self.type = type
        self.code = code
        self.category = category
        self.retryable = retryable
        self.fingerprint = fingerprint
        self.severity = severity
        self.rank = rank
        self.context = context or {}

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
    def details(self) -> dict[str, str | bool | int | float]:
        """What stands where the error is told: the attributes, its severity, and what the raiser said in its context."""
        return {**self.attributes, semconv.ERROR_SEVERITY: self.severity, **self.context}

    def as_part_of(self, told: ErrorFacts) -> dict[str, str | bool]:
        """What goes on a span that a wrapper crosses, whose failure `told` describes: its type, and that one's code."""
        if told is self:
            return self.attributes
        attributes = {**self.attributes, semconv.ERROR_CODE: told.code, semconv.ERROR_CATEGORY: told.category}
        if told.fingerprint:
            attributes[semconv.ERROR_FINGERPRINT] = told.fingerprint
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
