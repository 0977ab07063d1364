"""Every exception that any library records on a span is classified, and no span ends without its outcome.

The SDK's `Span` is wrapped once, for whichever provider made the span: there the exception object is still at hand (at
the span's end only strings are left). Four methods are touched:

* `record_exception`: the one `exception` event goes to where the exception was recorded first; every span on its way
  gets code, category and retryability.
* `set_status`: what only steers (a template that is looked for elsewhere, gRPC's `abort`) fails no span.
* `__exit__`: cancellation and exits are outcomes, not exceptions to record.
* `end`: `start_as_current_span` and `use_span` let CancelledError, KeyboardInterrupt and SystemExit pass without a
  word. An exception that is on its way through the frame that ends the span tells the outcome. What else is put right
  then, `finishing` does.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanKind, Status, StatusCode

from .. import semconv
from ..errors import error_facts
from ..errors.control_flow import refuses, steers_in
from ..signals import record_error
from ..signals.stacktrace import describe
from .finishing import finish, remember_exception
from .limit import begin_leaving_out, end_leaving_out

logger = logging.getLogger("trax_otel.sdk")

if TYPE_CHECKING:
    from types import TracebackType

CANCELLED: Final = "cancelled"
FAILURE: Final = "failure"
SUCCESS: Final = "success"

_STEERED: Final = "_trax_steered"

_original_record = Span.record_exception
_original_exit = Span.__exit__
_original_end = Span.end


def classify_recorded_exceptions() -> None:
    """Wrap the SDK's Span. Doing it twice changes nothing."""
    if Span.record_exception is _original_record:
        Span.record_exception = _record_exception  # type: ignore[method-assign]
        Span.__exit__ = _exit  # type: ignore[method-assign]
        Span.end = _end  # type: ignore[method-assign]
    if not hasattr(Span.set_status, _STEERED):  # whatever else has been wrapped around it by now
        Span.set_status = _steering(Span.set_status)  # type: ignore[method-assign]


def leave_exceptions_alone() -> None:
    """Take the wrapping off again."""
    if Span.record_exception is _record_exception:
        Span.record_exception = _original_record  # type: ignore[method-assign]
        Span.__exit__ = _original_exit  # type: ignore[method-assign]
        Span.end = _original_end  # type: ignore[method-assign]
    if hasattr(Span.set_status, _STEERED):
        Span.set_status = getattr(Span.set_status, _STEERED)  # type: ignore[method-assign]


def _record_exception(
    self: Span,
    exception: BaseException,
    attributes: Mapping[str, Any] | None = None,
    timestamp: int | None = None,
    escaped: bool = False,
) -> None:
    try:
        if not self.is_recording() or not isinstance(exception, BaseException):
            return
        scope = self.instrumentation_scope
        refusal = self.kind is SpanKind.SERVER and refuses(exception)
        if refusal or steers_in(exception, "" if scope is None else scope.name):
            setattr(self, _STEERED, True)
            return
        _fails(self)
        facts = error_facts(exception)
        remember_exception(self, facts.type)
        first = record_error(exception, facts, span=self, escaped=escaped, attributes=attributes, timestamp=timestamp)
        if attributes and not first:  # somebody has more to say of it than was said where it was raised
            self.add_event(semconv.EXCEPTION_EVENT, {semconv.EXCEPTION_TYPE: facts.type, **attributes}, timestamp)
    except Exception:  # never lose what the SDK would have kept
        with suppress(Exception):  # no exception at all, or its attributes are none
            _original_record(self, exception, attributes if isinstance(attributes, Mapping) else None, None, escaped)


def _fails(span: Span) -> None:
    """From here on the span can fail, whatever steered before."""
    if hasattr(span, _STEERED):
        delattr(span, _STEERED)


def _steering(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def set_status(self: Span, status: Status | StatusCode, *more: Any, **named: Any) -> None:
        code = status.status_code if isinstance(status, Status) else status
        if code is StatusCode.ERROR and hasattr(self, _STEERED):
            _fails(self)  # it is said of what steered, once; what is said later is said of something else
            return
        original(self, status, *more, **named)

    setattr(set_status, _STEERED, original)
    return set_status


def _exit(
    self: Span,
    exc_type: type[BaseException] | None,
    exc_val: BaseException | None,
    exc_tb: TracebackType | None,
) -> None:
    if exc_val is None:
        self.end()
    elif isinstance(exc_val, Exception):
        try:
            _original_exit(self, exc_type, exc_val, exc_tb)
        except Exception:  # its __str__ raises: the SDK writes it into the status
            self.set_status(StatusCode.ERROR, describe(exc_val))
            self.end()
    else:
        _tell_outcome(self, exc_val)
        self.end()


def _end(self: Span, end_time: int | None = None) -> None:
    if end_time is None:
        end_time = time.time_ns()  # what is done here is none of the span's time
    passing = sys.exc_info()[1]
    if passing is not None and not isinstance(passing, Exception):
        traceback = passing.__traceback__
        # Handled further out (a clean-up span inside `except CancelledError`) is none of this span's business.
        if traceback is not None and traceback.tb_frame is sys._getframe(1):
            _tell_outcome(self, passing)
    leaving_out = False
    try:
        if self.is_recording():
            _fails(self)
            finish(self, passing, end_time)
            leaving_out = begin_leaving_out(self, end_time)
    except Exception as failure:  # the span itself matters more
        logger.debug("a span was not put right: %s: %s", type(failure).__name__, failure)
    _original_end(self, end_time)
    if leaving_out:
        end_leaving_out(self)


def _shown(code: object) -> str:
    try:
        return repr(code)
    except Exception:  # anything may be given to `sys.exit`
        return f"<{type(code).__name__}>"


def _tell_outcome(span: Span, passing: BaseException) -> None:
    """Write how a span ended that something other than an `Exception` passes through."""
    if not span.is_recording() or isinstance(passing, GeneratorExit):
        return
    attributes = span.attributes
    if attributes is not None and semconv.OUTCOME in attributes:
        return
    kind = type(passing)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if not isinstance(passing, SystemExit):
        span.set_attributes({semconv.OUTCOME: CANCELLED, semconv.ERROR_TYPE: name})
    elif passing.code in (None, 0):
        span.set_attribute(semconv.OUTCOME, SUCCESS)
    else:
        span.set_attributes({semconv.OUTCOME: FAILURE, semconv.ERROR_TYPE: name})
        span.set_status(Status(StatusCode.ERROR, f"{name}: {_shown(passing.code)}"))
