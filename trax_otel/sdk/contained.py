"""What is handed to spans, instruments and loggers of the SDK never raises into the application, whatever it is.

Without an SDK the API's calls do nothing; with one, a list that holds itself, an object whose `__str__` raises or a name that is
no text would end the request, or take the place of the application's own exception. The SDK's classes are wrapped once, as in
`exceptions`; a call that fails is made again with what can be kept of its arguments. `set_attribute`, the most frequent, is not
wrapped: the function that cleans values for all of them is replaced instead, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from types import MappingProxyType
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api
from opentelemetry.sdk import _logs as sdk_logs
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanKind, Status, StatusCode

from ..signals.private import agnostic_context_manager
from ..signals.stacktrace import message_of
from . import private
from .encode import clean_attributes, clean_text

Function = Callable[..., Any]
_undo: Final[list[tuple[Any, str, Any]]] = []


def contain() -> None:
    """Wrap the SDK's classes. Doing it twice changes nothing."""
    if _undo:
        return
    _wrap_start()
    _wrap_frequent()
    written = ("add_link", "set_status")
    for name in written if private.cleaners() else ("set_attribute", *written):
        _wrap(sdk_trace.Span, name, _write_again)
    for kind, act in (("Counter", "add"), ("UpDownCounter", "add"), ("Histogram", "record")):
        _wrap(getattr(sdk_metrics, kind), act, _measure_again)
    gauge = private.gauge_class()
    if gauge is not None:
        _wrap(gauge, "set", _measure_again)
    _wrap(sdk_trace.TracerProvider, "get_tracer", _get_again)
    _wrap(sdk_metrics.MeterProvider, "get_meter", _get_again)
    _wrap(sdk_logs.LoggerProvider, "get_logger", _get_again)
    for name in [name for name in vars(sdk_metrics.Meter) if name.startswith("create_")]:
        _wrap(sdk_metrics.Meter, name, _make_none)
    _wrap(sdk_logs.Logger, "emit", _emit_again)
    _replace(trace_api, "use_span", use_span)
    for owner, name in private.cleaners():
        _replace(owner, name, cleaner(getattr(owner, name)))


def release() -> None:
    """Take the wrapping off again."""
    while _undo:
        owner, name, original = _undo.pop()
        setattr(owner, name, original)


def _replace(owner: Any, name: str, value: Any) -> None:
    _undo.append((owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def _wrap(owner: Any, name: str, again: Function) -> None:
    """Have a method that raises call `again(original, …)` instead; what that raises is dropped."""
    original = getattr(owner, name)

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except Exception:
            try:
                return again(original, self, *args, **kwargs)
            except Exception:  # nothing of it can be kept
                return None

    _replace(owner, name, method)


def _wrap_start() -> None:
    """As `_wrap`, by name: each span goes through here, and most with eight arguments."""
    original = sdk_trace.Tracer.start_span

    @wraps(original)
    def start_span(
        self: Any,
        name: str,
        context: Any = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Any = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        try:
            return original(
                self, name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        except Exception:
            return _start_again(
                original,
                self,
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
            )

    _replace(sdk_trace.Tracer, "start_span", start_span)


def _wrap_frequent() -> None:
    """The same for what instrumentations call for each span."""
    set_attributes_before, add_event_before = sdk_trace.Span.set_attributes, sdk_trace.Span.add_event

    @wraps(set_attributes_before)
    def set_attributes(self: Any, attributes: Any) -> None:
        try:
            if type(attributes) is dict or isinstance(attributes, Mapping):
                set_attributes_before(self, attributes)
        except Exception:
            return

    @wraps(add_event_before)
    def add_event(self: Any, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        try:
            add_event_before(self, name, attributes, timestamp)
        except Exception:
            with suppress(Exception):
                add_event_before(self, clean_text(name), _attributes(attributes))

    _replace(sdk_trace.Span, "set_attributes", set_attributes)
    _replace(sdk_trace.Span, "add_event", add_event)


# --- Values -----------------------------------------------------------------------------------------------------------------

_MAX_DEPTH: Final = 32
_MAX_VALUES: Final = 10_000
"""Values within one value, or within one set of attributes: what refers to itself many times would never end."""
_EXACT: Final[dict[type, Function]] = {
    str: str.__str__, int: int.__int__, float: float.__float__, bytes: lambda value: bytes.join(b"", [value]),
}  # fmt: skip
_USUAL: Final = frozenset({dict, MappingProxyType})
_PLAIN: Final = frozenset({bool, int, float, bytes, type(None)})


def cleaner(original: Function) -> Function:
    """As the SDK cleans what it is given, but for any value; a text that is cut is not worth a log record each time."""

    def clean_given(value: Any, max_string_value_length: int | None) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is str:
            return value if max_string_value_length is None else value[:max_string_value_length]
        if kind in _USUAL:  # what most calls give: mostly plain values under plain names
            found = {}
            for key, item in value.items():
                if type(key) is not str or not key:
                    break
                of = type(item)
                if of in _PLAIN or (of is str and max_string_value_length is None):
                    found[key] = item
                else:
                    found[key] = _Cleaning(original, max_string_value_length).clean(item, 1)
            else:
                return found
        return _Cleaning(original, max_string_value_length).clean(value, 0)

    return clean_given


class _Cleaning:
    """One value of several, which may hold itself."""

    def __init__(self, original: Function, limit: int | None) -> None:
        self._original = original
        self._limit = limit
        self._left = _MAX_VALUES

    def clean(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is str:
            return value if self._limit is None else value[: self._limit]
        try:
            return self._other(value, depth)
        except Exception:  # it raises when it is looked at
            return {} if depth == 0 and isinstance(value, Mapping) else f"<{kind.__name__}>"

    def _other(self, value: Any, depth: int) -> Any:
        for kind, exact in _EXACT.items():  # derived ones may do anything in their own methods
            if isinstance(value, kind):
                return self.clean(exact(value), depth)
        if not isinstance(value, (Sequence, Mapping)):
            return self.clean(self._original(value, self._limit), depth)
        if depth >= _MAX_DEPTH or self._left <= 0:
            return f"<{type(value).__name__}>"
        self._left -= len(value)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        return tuple([self.clean(item, depth + 1) for item in value])

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found = {}
        for key, item in value.items():
            name = key if type(key) is str else self.clean(key, depth + 1)
            if name not in {"", None}:
                found[name if isinstance(name, str) else str(name)] = self.clean(item, depth + 1)
        return found


def _get_again(original: Function, provider: Any, name: Any = "", *_: Any, **__: Any) -> Any:
    """A tracer, meter or logger under the text of its name alone."""
    return original(provider, clean_text(name))


# --- Spans ------------------------------------------------------------------------------------------------------------------


def _start_again(
    original: Function,
    tracer: Any,
    name: Any = "",
    context: Any = None,
    kind: Any = SpanKind.INTERNAL,
    attributes: Any = None,
    links: Any = (),
    start_time: Any = None,
    *rest: Any,
    **others: Any,
) -> Span:
    context = context if isinstance(context, otel_context.Context) else None
    try:
        started: Span = original(
            tracer,
            clean_text(name),
            context,
            kind if isinstance(kind, SpanKind) else SpanKind.INTERNAL,
            _attributes(attributes),
            _links(links),
            start_time if type(start_time) is int else None,
            *rest,
            **others,
        )
    except Exception:  # a sampler or a processor of the application's
        return NonRecordingSpan(trace_api.get_current_span(context).get_span_context())
    return started


def _links(given: Any) -> list[Link]:
    if not isinstance(given, Sequence):
        return []
    return [link for link in given if isinstance(link, Link) and isinstance(link.context, trace_api.SpanContext)]


def _write_again(original: Function, span: Any, first: Any, second: Any = None, *_: Any, **__: Any) -> None:
    """`set_status` with a description that is no text, `add_link` with attributes that are none."""
    if isinstance(first, StatusCode):
        original(span, first, clean_text(second))
    elif isinstance(first, trace_api.SpanContext):
        original(span, first, _attributes(second))


def _attributes(given: Any) -> Mapping[str, Any] | None:
    return clean_attributes(dict(given)) if isinstance(given, Mapping) else None


@agnostic_context_manager
def use_span(
    span: Span, end_on_exit: bool = False, record_exception: bool = True, set_status_on_exception: bool = True
) -> Iterator[Span]:
    """OpenTelemetry's `use_span`, but that an exception whose `__str__` raises leaves it as itself."""
    try:
        token = otel_context.attach(trace_api.set_span_in_context(span))
        try:
            yield span
        finally:
            otel_context.detach(token)
    except Exception as error:
        if isinstance(span, Span) and span.is_recording():
            if record_exception:
                span.record_exception(error)
            if set_status_on_exception:
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {message_of(error)}"))
        raise
    finally:
        if end_on_exit:
            span.end()


# --- Metrics and log records ------------------------------------------------------------------------------------------------


def _measure_again(
    original: Function, instrument: Any, amount: Any, attributes: Any = None, context: Any = None
) -> None:
    """Only a number counts; of attributes that cannot be kept apart, what can be sent."""
    if type(amount) in (int, float):
        original(
            instrument, amount, _attributes(attributes), context if isinstance(context, otel_context.Context) else None
        )


def _make_none(original: Function, meter: Any, name: Any = "", *_: Any, **__: Any) -> Any:
    """An instrument that does nothing, as without an SDK, for one that cannot be made: its name or unit is not allowed."""
    return getattr(metrics_api.NoOpMeter("none"), original.__name__)(clean_text(name))


def _emit_again(original: Function, logger: Any, record: Any = None, **fields: Any) -> None:
    if "attributes" in fields:
        fields["attributes"] = _attributes(fields["attributes"])
    original(logger, record, **fields)
