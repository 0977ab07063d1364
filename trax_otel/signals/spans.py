"""A span that is current while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import Link, SpanKind, StatusCode, set_span_in_context

from .. import semconv
from . import providers
from .correlation import detach
from .events import record_error
from .stacktrace import describe

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from .facts import ErrorFacts


class SpanScope:
    """A started span, current until `end`. Ending twice does nothing; nothing here raises."""

    __slots__ = ("_token", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self._token: Token[Context] | None = otel_context.attach(set_span_in_context(span))

    def set(self, key: str, value: Any) -> None:
        """Set an attribute."""
        self.span.set_attribute(key, value)

    def end(
        self,
        outcome: str,
        error: BaseException | None = None,
        facts: ErrorFacts | None = None,
        end_time: int | None = None,
    ) -> None:
        """End the span as `outcome`; with an error and its facts the span is an error's, and the error is recorded."""
        token, self._token = self._token, None
        if token is None:
            return
        span = self.span
        if span.is_recording():
            if error is not None and facts is not None:
                record_error(error, facts, span=span, escaped=True)
                span.set_status(StatusCode.ERROR, describe(error))
            span.set_attribute(semconv.OUTCOME, outcome)
        elif error is not None and facts is not None:
            record_error(error, facts, span=span, escaped=True)
        detach(token)
        span.end(end_time)


def start_span(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] | None = None,
    start_time: int | None = None,
) -> SpanScope:
    """Start a span and make it current. `start_time` is in nanoseconds since the epoch (None: now)."""
    span = providers.tracer().start_span(
        name,
        kind=kind,
        attributes=attributes,
        links=links,
        start_time=start_time,
        record_exception=False,
        set_status_on_exception=False,
    )
    return SpanScope(span)
