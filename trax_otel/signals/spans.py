"""A span that is current while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
)

from .. import clock, lifecycle, semconv
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
    """A started span, current until `end`, except between `suspend` and `resume`. Ending twice does nothing; nothing here
    raises, whatever the span's processors do."""

    __slots__ = ("_inner", "_token", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self._inner: Context | None = None
        self._token: Token[Context] | None = otel_context.attach(set_span_in_context(span))

    def set(self, key: str, value: Any) -> None:
        """Set an attribute."""
        self.span.set_attribute(key, value)

    def suspend(self) -> None:
        """Make current what was so before, while the work pauses (a generator between two values)."""
        token, self._token = self._token, None
        if token is not None:
            self._inner = otel_context.get_current()
            detach(token)

    def resume(self) -> None:
        """Undo `suspend`: current again is the span, with all that the work had made current inside it."""
        inner, self._inner = self._inner, None
        if inner is not None:
            self._token = otel_context.attach(inner)

    def end(
        self,
        outcome: str,
        error: BaseException | None = None,
        facts: ErrorFacts | None = None,
        end_time: int | None = None,
    ) -> None:
        """End the span as `outcome`; with an error and its facts the span is an error's, and the error is recorded."""
        token, self._token = self._token, None
        if token is None and self._inner is None:
            return
        self._inner = None
        span = self.span
        ended = clock.current().time_ns() if end_time is None else end_time
        try:
            if error is not None and facts is not None:
                record_error(error, facts, span=span, escaped=True, timestamp=ended)
                span.set_status(StatusCode.ERROR, describe(error))
            span.set_attribute(semconv.OUTCOME, outcome)
        except Exception as failure:
            _report(failure)
        if token is not None:
            detach(token)
        try:
            span.end(ended)
        except Exception as failure:  # a processor of the application's
            _report(failure)


def start_span(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] | None = None,
    start_time: int | None = None,
) -> SpanScope:
    """Start a span and make it current. `start_time` is in nanoseconds since the epoch (None: now)."""
    began = clock.current().time_ns() if start_time is None else start_time
    try:
        span = providers.tracer().start_span(name, None, kind, attributes, links, began, False, False)
    except Exception as failure:  # a sampler or a processor of the application's
        _report(failure)
        span = NonRecordingSpan(get_current_span().get_span_context())
    return SpanScope(span)


_reported = False


def _report(failure: Exception) -> None:
    global _reported
    if not _reported:
        _reported = True
        lifecycle.report(f"a span's sampler or processor raised {describe(failure)}")
