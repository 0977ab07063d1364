"""Correlation on every span: the id and the bound fields that are current when a span starts, whoever starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor

from ..signals.correlation import current_correlation

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span


class CorrelationProcessor(SpanProcessor):
    """Puts the correlation of the parent's context on each span at its start."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set the attributes, where anything is bound."""
        bound = current_correlation(parent_context)
        if bound:
            span.set_attributes(bound.attributes)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True
