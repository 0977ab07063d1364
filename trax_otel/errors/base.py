"""The base of all errors here: what each carries, and how it is copied, pickled and described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from opentelemetry.trace import get_current_span

from .. import clock
from ..signals import current_correlation
from ..signals.stacktrace import describe, message_of
from .codes import ErrorCode, Severity, error_code

_ROOM: Final = __package__ or ""
MARKS: Final = "__trax_"
"""What our own bookkeeping on an exception's `__dict__` begins with; it is not part of the error."""


class TraxError(Exception):
    """The base of all errors here.

    `original_error` is what it wraps; it is also set as `__cause__`. A wrapped error's retryability is inherited unless
    `retryable` says otherwise, else a retry around `raise create_api_error(…, original_error=e)` would never repeat.
    `context` is the raiser's own key-value information. `retry_after` is the wait in seconds that the peer asked for.
    The trace, span and correlation id are those in force where the error was made.
    """

    default_code: ClassVar[str] = "TRAX-021"

    def __init_subclass__(cls) -> None:
        # The public path, which `error.type` bears and pickles name, outlives the files' layout.
        if cls.__module__.startswith(f"{_ROOM}."):
            cls.__module__ = _ROOM

    def __init__(
        self,
        message: str = "",
        *args: object,
        error_code: str | None = None,
        original_error: BaseException | None = None,
        context: Mapping[str, Any] | None = None,
        retryable: bool | None = None,
        severity: Severity | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, *args)
        self.message = message
        self.error_code = error_code or self.default_code
        self.original_error = original_error
        self.context: dict[str, Any] = dict(context or {})
        self.retry_after = retry_after if retry_after is not None else _wait_of(original_error)
        self._retryable = retryable
        self._severity: Severity | None = severity
        self.timestamp_ns = clock.current().time_ns()
        span = get_current_span().get_span_context()
        self.trace_id = format(span.trace_id, "032x") if span.is_valid else None
        self.span_id = format(span.span_id, "016x") if span.is_valid else None
        self.correlation_id = current_correlation().id
        if original_error is not None and original_error is not self:
            self.__cause__ = original_error

    def __str__(self) -> str:
        return str(self.message) if self.message else type(self).__name__

    @property
    def registration(self) -> ErrorCode:
        """What is registered under its code (that of its class where the code is unknown)."""
        found = error_code(self.error_code) or error_code(self.default_code)
        assert found is not None, self.default_code
        return found

    @property
    def category(self) -> str:
        """The category of its code."""
        return self.registration.category

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return self._severity or self.registration.severity

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed when made again: as told, else as what it wraps, else as its code."""
        if self._retryable is not None:
            return self._retryable
        if self.original_error is not None:
            from .classification import is_retryable_error

            return is_retryable_error(self.original_error)
        return self.registration.retryable

    @property
    def fingerprint(self) -> str:
        """Stable hash of code, type and the application's innermost frames."""
        from .facts import error_facts

        return error_facts(self).fingerprint or ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe description: times are RFC 3339 in UTC, the chain of originals is nested in `original_error`."""
        from datetime import datetime, timezone

        return {
            "type": f"{type(self).__module__}.{type(self).__qualname__}",
            "message": message_of(self),
            "error_code": self.error_code,
            "title": self.registration.title,
            "category": self.category,
            "severity": self.severity,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "fingerprint": self.fingerprint,
            "timestamp": datetime.fromtimestamp(self.timestamp_ns / 1e9, timezone.utc)
            .isoformat()
            .replace("+00:00", "Z"),
            "correlation_id": self.correlation_id,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "context": {str(key): json_safe(value) for key, value in self.context.items()},
            "original_error": None if self.original_error is None else _original(self.original_error, 0),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        state = {key: value for key, value in self.__dict__.items() if not key.startswith(MARKS)}
        state["original_error"] = _picklable(self.original_error)
        return _rebuild, (type(self), self.args, state)

    def __copy__(self) -> TraxError:
        state = {key: value for key, value in self.__dict__.items() if not key.startswith(MARKS)}
        copied = _rebuild(type(self), self.args, state)
        return copied.with_traceback(self.__traceback__)


def _wait_of(error: BaseException | None) -> float | None:
    """The wait that an original error carries."""
    try:
        wait = getattr(error, "retry_after", None)
    except Exception:  # a foreign exception whose attributes raise
        return None
    return float(wait) if isinstance(wait, (int, float)) else None


def _rebuild(kind: type[TraxError], args: tuple[object, ...], state: dict[str, Any]) -> TraxError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    if state.get("original_error") is not None:
        error.__cause__ = state["original_error"]
    return error


class UnpicklableError(Exception):
    """Stands for an original error that could not be pickled: its description."""


def _picklable(error: BaseException | None) -> BaseException | None:
    if error is None:
        return None
    import pickle

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 — our own bytes; unpickling is where most exceptions fail
    except Exception:
        return UnpicklableError(describe(error))
    return error


def _original(error: BaseException, depth: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": message_of(error),
    }
    if isinstance(error, TraxError):
        described["error_code"] = error.error_code
    try:
        original = getattr(error, "original_error", None)
    except Exception:  # a foreign exception whose attributes raise
        original = None
    further = original if isinstance(original, BaseException) else error.__cause__
    if further is not None and further is not error and depth < 10:
        described["original_error"] = _original(further, depth + 1)
    return described


def json_safe(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it: what it cannot becomes text, what is nested too deep an ellipsis."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else repr(value)
    if depth >= 8:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): json_safe(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_safe(inner, depth + 1) for inner in value]
    try:
        return str(value)
    except Exception as failure:
        return f"<{type(value).__name__}: its __str__ raised {type(failure).__name__}>"


TraxError.__module__ = _ROOM
