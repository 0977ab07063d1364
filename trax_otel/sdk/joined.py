"""One span for two who would start it: whoever serves a request asks to be asked before a tracer makes a SERVER span.

Tracers are the SDK's or the application's; what is touched is their `start_span`, on the object, as it is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from .. import semconv

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

_MARK: Final = "__trax_asks__"
_original_get_tracer = TracerProvider.get_tracer


class Claim(Protocol):
    """Answers with the span to use, or None: then the tracer makes its own."""

    def __call__(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        *,
        framework: bool,
    ) -> Span | None: ...


def join_spans(claim: Claim, is_framework: Callable[[str], bool]) -> Callable[[], None]:
    """Have `claim` asked by all tracers from now on; those of frameworks' scopes are announced as such.

    Returns the function that ends it for tracers still to be made.
    """

    @wraps(_original_get_tracer)
    def get_tracer(self: TracerProvider, instrumenting_module_name: str, *args: Any, **kwargs: Any) -> Tracer:
        tracer: Tracer = _original_get_tracer(self, instrumenting_module_name, *args, **kwargs)
        if instrumenting_module_name != semconv.SCOPE and not hasattr(tracer, _MARK):  # the SDK hands it out again
            _ask(tracer, claim, framework=is_framework(instrumenting_module_name))
        return tracer

    TracerProvider.get_tracer = get_tracer  # type: ignore[method-assign]

    def undo() -> None:
        TracerProvider.get_tracer = _original_get_tracer  # type: ignore[method-assign]

    return undo


def _ask(tracer: Any, claim: Claim, *, framework: bool) -> None:
    original = tracer.start_span

    @wraps(original)
    def start_span(
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Span:
        if framework or kind is SpanKind.SERVER:
            span = claim(name, context, kind, attributes, framework=framework)
            if span is not None:
                return span
        made: Span = original(name, context, kind, attributes, *args, **kwargs)
        return made

    tracer.start_span = start_span
    setattr(tracer, _MARK, True)
