"""What the span of a request is: one SERVER span from the server's call of the application to the response's end.

The span belongs to two. The server's hook begins and ends it; a framework's own OpenTelemetry instrumentation, when it
would start a span for the same request, is given this one (`claim`): name, route, attributes and hooks are then the
framework's, and so are the metrics. It ends when the server is done, not when the framework is: a body is still sent then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import propagate
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, get_current_span, set_span_in_context

from ... import clock, lifecycle, semconv
from ...errors import error_facts
from ...errors.facts import type_name
from ...signals import detach, histogram, record_error, tracer, up_down_counter
from ...signals.stacktrace import describe
from .facts import Facts, HeaderGetter, changed_client
from .leaving import client_left
from .naming import named, names_of_today
from .routes import route_of
from .settings import OTHER_METHOD, RESPONSE_HEADERS_VARIABLE, captured_headers, is_excluded

if TYPE_CHECKING:
    from opentelemetry.context import Context

Source = Mapping[str, Any]

_KEY: Final = otel_context.create_key("trax-served-request")
_serving: Final[ContextVar[ServedRequest | None]] = ContextVar("trax-served-request", default=None)
"""The request beside OpenTelemetry's context: whoever extracts a parent from headers begins an empty one of those."""
_FAILED: Final = "__trax_failed_request__"
_GETTER: Final = HeaderGetter()
_duration = histogram(semconv.HTTP_SERVER_REQUEST_DURATION)
_active = up_down_counter(semconv.HTTP_SERVER_ACTIVE_REQUESTS)


class ServedRequest:
    """A request that is being served. Nothing here raises; ending twice does nothing."""

    def __init__(self, facts: Facts, source: Source, parent: Context) -> None:
        self._method = facts.known_method
        self._facts = facts
        self._source = source
        self._remote = get_current_span(parent).get_span_context()
        self._began = clock.current().time_ns()
        self._series: dict[str, Any] = {
            semconv.HTTP_REQUEST_METHOD: self._method,
            semconv.URL_SCHEME: facts.scheme,
        }
        name = "HTTP" if self._method == OTHER_METHOD else self._method
        self.span: Span = tracer().start_span(
            name, parent, SpanKind.SERVER, named(facts.attributes()), None, self._began, False, False
        )
        self.context = otel_context.set_value(_KEY, self, set_span_in_context(self.span, parent))
        self._name = name
        self._status: int | None = None
        self._error: BaseException | None = None
        self._handled: BaseException | None = None
        self._failed = False
        self._refused = False
        self._route: str | None = None
        self._open = True
        self._ended = False
        self._claimed = False
        self.response: Any = None
        """What the server itself keeps of the answer; for the server's hooks alone."""
        self._counted = facts.kind == "http"
        if self._counted:
            _active.add(1, self._series)

    def __reduce__(self) -> tuple[Any, ...]:
        """An exception that ended a request may be pickled or copied: it leaves the request behind."""
        return type(None), ()

    # --- What the server and the application tell -----------------------------------------------------

    def answered(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        """The response's status and headers, once they are known; interim responses (1xx) are none."""
        with _contained():
            if self._open and not self._refused and (status >= 200 or status == 101):
                self._status = status
                if self.span.is_recording():
                    captured = captured_headers(RESPONSE_HEADERS_VARIABLE, semconv.HTTP_RESPONSE_HEADER_PREFIX, headers)
                    self.span.set_attributes(captured)

    def routed(self, route: str) -> None:
        """The route that a framework matched."""
        self._route = route

    def failed(self, error: BaseException, *, answered: bool = True, now: int | None = None) -> None:
        """An exception that left the application, or that its framework turned into an answer: told once.

        `answered`: whether the head of an answer had been sent; if not, the server answers 500 now, whatever was meant.
        `now`: when it is told, in nanoseconds since the epoch (None: by the clock).
        """
        with _contained():
            if self._ended or self._error is error:
                return
            self._refused = not answered
            self._error = error
            if client_left(error):
                self.cancelled(error)
            elif isinstance(error, Exception):
                self._failed = True
                vars(error)[_FAILED] = self
                record_error(error, error_facts(error), span=self.span, escaped=True, timestamp=now)
                self.span.set_status(StatusCode.ERROR, describe(error))
            elif isinstance(error, SystemExit) and error.code not in (None, 0):
                self.span.set_attribute(semconv.OUTCOME, "failure")
                self.span.set_status(StatusCode.ERROR, describe(error))
            else:
                self.cancelled(error)

    def handled(self, error: BaseException) -> None:
        """An exception that a framework turns into an answer: if that is a 5xx, it is the request's failure."""
        if self._open:
            self._handled = error

    def cancelled(self, error: BaseException) -> None:
        """The request ended before its answer did: a client went away, a task was cancelled. No error of the service's."""
        with _contained():
            self._error = error
            self.span.set_attribute(semconv.OUTCOME, "cancelled")

    # --- What a framework's instrumentation does -----------------------------------------------------------

    def claimed(self, name: str, attributes: Mapping[str, Any] | None) -> Span:
        """The span for a framework's instrumentation, which from here on names it and measures the request."""
        self._claimed = True
        self._uncount()
        span = self.span
        if span.is_recording():
            # Without a route some name it after the path, of which there are as many as anybody cares to ask for.
            is_path = name == f"{self._method} {self._facts.path}" and semconv.HTTP_ROUTE not in (attributes or {})
            span.update_name(self._name if is_path and names_of_today() else name)
            span.set_attributes(attributes or {})
            vars(span)["end"] = _not_yet
        return span

    def measured_elsewhere(self) -> None:
        """A framework's instrumentation measures the request on a span of its own, below one of the application's."""
        self._claimed = True
        self._uncount()

    def dropped(self) -> None:
        """The framework's list of excluded URLs has this one: no span of it is sent, and what follows has no parent."""
        self._open = False
        self._uncount()
        otel_context.attach(set_span_in_context(INVALID_SPAN, self.context))

    def takes(self, parent: Span) -> bool:
        """Whether a span with that parent is the request's own; and nobody has claimed it yet."""
        above = parent.get_span_context()
        return parent is self.span or not above.is_valid or above.span_id == self._remote.span_id

    @property
    def is_open(self) -> bool:
        """Whether a framework may still have a say."""
        return self._open and not self._claimed

    # --- The end ------------------------------------------------------------------------------------

    def end(self) -> None:
        """The response is complete, or will never be."""
        if not self._open:
            return
        self._open = False
        with _contained():
            self._uncount()
            now = clock.current().time_ns()
            self._conclude(now)
            self._ended = True
            vars(self.span).pop("end", None)
            self.span.end(now)
        # What is kept for records that the server makes later must not keep a circle of references alive.
        self._source, self._handled, self._error = {}, None, None
        self.context = otel_context.set_value(_KEY, None, self.context)

    def _conclude(self, now: int) -> None:
        seconds = (now - self._began) / 1e9
        if self._failed and self._facts.kind == "http" and (self._refused or self._status is None):
            self._status = 500  # what a server answers for an application that raised before it answered
        handled = self._handled
        if handled is not None and (self._status or 0) >= 500 and self._error is None:
            self.failed(handled, now=now)
        route = self._route or route_of(self._source)
        found: dict[str, Any] = {}
        if not self._claimed:
            self.span.set_attributes(named(changed_client(self._source, self._facts)))
        if self._status is not None:
            found[semconv.HTTP_RESPONSE_STATUS_CODE] = self._status
        if route:
            found[semconv.HTTP_ROUTE] = route
        failure = type_name(type(self._error)) if self._error is not None else ""
        if (self._status or 0) >= 500 and not self._failed:
            failure = str(self._status)
        self._tell(found, failure)
        if self._claimed or self._facts.kind != "http":
            return
        found |= {**self._series, semconv.NETWORK_PROTOCOL_VERSION: self._facts.version}
        if failure:
            found[semconv.ERROR_TYPE] = failure
        _duration.record(seconds, {key: value for key, value in found.items() if value != ""})

    def _tell(self, found: Mapping[str, Any], failure: str) -> None:
        """Write what is known at the end onto the span, where a framework has not written it."""
        span = self.span
        if not span.is_recording():
            return
        written: Mapping[str, Any] = getattr(span, "attributes", None) or {}
        span.set_attributes({key: value for key, value in named(found).items() if key not in written})
        route, of_mount = found.get(semconv.HTTP_ROUTE), written.get(semconv.HTTP_ROUTE)
        if route and not self._claimed:
            span.update_name(f"{self._name} {route}")
        elif route and of_mount and str(route).startswith(f"{str(of_mount).rstrip('/')}/"):
            # An application in another: the outer one told where the inner one is mounted, and both the whole route.
            span.set_attribute(semconv.HTTP_ROUTE, route)
            if getattr(span, "name", None) == f"{self._name} {of_mount}":
                span.update_name(f"{self._name} {route}")
        if failure and semconv.ERROR_TYPE not in written:
            span.set_attribute(semconv.ERROR_TYPE, failure)
        if (self._status or 0) >= 500:
            status = getattr(span, "status", None)
            if getattr(status, "status_code", None) is StatusCode.UNSET:
                span.set_status(StatusCode.ERROR)

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            _active.add(-1, self._series)


def begin(facts: Callable[[Source], Facts], source: Source) -> ServedRequest | None:
    """Begin the span of a request and make it current; None where it is not to be observed.

    `source` is ASGI's scope or WSGI's environ; what a framework writes into it tells the route at the end.
    """
    request: ServedRequest | None = None
    with _contained():
        asked = facts(source)
        if not is_excluded(asked.url):
            # Whatever span is current where the server runs is no parent of its requests: their clients' are.
            parent = propagate.extract(asked, set_span_in_context(INVALID_SPAN), _GETTER)
            request = ServedRequest(asked, source, parent)
            otel_context.attach(request.context)
            _serving.set(request)
    return request


def current_request(context: Context | None = None) -> ServedRequest | None:
    """The request that the given or the current context serves, ended or not."""
    found = otel_context.get_value(_KEY, context) or otel_context.get_value(_KEY) or _serving.get()
    return found if isinstance(found, ServedRequest) else None


def request_that_failed_by(error: BaseException) -> ServedRequest | None:
    """The request that an exception ended, wherever it is logged later."""
    found = getattr(error, "__dict__", {}).get(_FAILED)
    return found if isinstance(found, ServedRequest) else None


def claim(
    name: str, context: Context | None, kind: SpanKind, attributes: Mapping[str, Any] | None, *, framework: bool
) -> Span | None:
    """The request's own span for whoever starts a SERVER span (a `framework`: any) inside it; None where it must be another.

    Called for each span that starts, so it looks at what is cheapest first.
    """
    if kind is not SpanKind.SERVER and not (framework and kind is SpanKind.INTERNAL):
        return None
    request = current_request(context)
    if request is None or not request.is_open:
        return None
    if request.takes(get_current_span(context)):
        return request.claimed(name, attributes)
    if framework:
        request.measured_elsewhere()
    return None


def stand_back() -> None:
    """A framework's instrumentation leaves the current request out, so we do."""
    request = current_request()
    if request is not None and request.is_open:
        request.dropped()


def keep_context() -> Callable[[], None]:
    """Returns what makes current again what is so now, whatever became current meanwhile."""
    context, serving = otel_context.attach(otel_context.get_current()), _serving.set(_serving.get())

    def restore() -> None:
        detach(context)
        with suppress(ValueError):  # another context than the one it began in
            _serving.reset(serving)

    return restore


@contextmanager
def kept_context() -> Iterator[None]:
    """Whatever becomes current inside the block is current no more after it."""
    restore = keep_context()
    try:
        yield
    finally:
        restore()


def _not_yet(end_time: int | None = None) -> None:
    """Stands for `end` on a claimed span: the framework is done with it, the server is not."""


_reported = False


@contextmanager
def _contained() -> Iterator[None]:
    """What fails in here is said once, and never reaches the application."""
    global _reported
    try:
        yield
    except Exception as failure:
        if not _reported:
            _reported = True
            lifecycle.report(f"a request could not be observed: {describe(failure)}")
