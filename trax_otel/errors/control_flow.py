"""Exceptions by which libraries steer: they end a task, a request or a test on purpose and say nothing of what was called.

None of them is retried, answered by a fallback or counted by a circuit breaker, unless a condition names its own type
(`retry_on=SoftTimeLimitExceeded`). A job's time limit is an error, and told; the others are none. They are known by package
and class name, along the MRO: no library is imported here. docs/resilience.md lists them for users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from .awaiting import NotAwaitedError

STEERING: Final[dict[str, frozenset[str]]] = {
    # the language, and its debugger and test frameworks
    "builtins": frozenset({"StopIteration", "StopAsyncIteration"}),
    "bdb": frozenset({"BdbQuit"}),
    "pdb": frozenset({"Restart"}),
    "unittest": frozenset({"SkipTest", "_ShouldStop"}),
    "_pytest": frozenset({"Exit", "OutcomeException"}),
    "hypothesis": frozenset({"StopTest", "UnsatisfiedAssumption"}),
    "nox": frozenset({"_SessionQuit", "_SessionSkip"}),
    # cancellation
    "asyncio": frozenset({"CancelledError"}),
    "concurrent": frozenset({"CancelledError"}),
    "curio": frozenset({"CancelledError", "TaskExit"}),
    "twisted": frozenset({"CancelledError", "_DefGen_Return"}),
    "zmq": frozenset({"CancelledError"}),
    "eventlet": frozenset({"StopServe"}),
    "grpc": frozenset({"AbortError", "FutureCancelledError"}),
    "django": frozenset({"RequestAborted", "SkipFile", "StopFutureHandlers", "StopUpload"}),
    # jobs and their time limits
    "celery": frozenset({"Retry", "Ignore", "Reject", "TaskPredicate"}),
    "billiard": frozenset({"Terminated"}),
    "rq": frozenset({"ShutDownImminentException", "StopRequested"}),
    "arq": frozenset({"Retry", "RetryJob"}),
    "dramatiq": frozenset({"Retry", "SkipMessage"}),
    "huey": frozenset({"CancelExecution", "RetryTask", "ConsumerStopped"}),
    "procrastinate": frozenset({"JobAborted", "JobRetry"}),
    "airflow": frozenset({"AirflowSkipException", "AirflowRescheduleException"}),
    "dagster": frozenset({"RetryRequested"}),
    "prefect": frozenset({"Abort", "Pause", "PrefectSignal"}),
    "temporalio": frozenset({"CancelledError"}),
    "scrapy": frozenset({"CloseSpider", "DontCloseSpider", "DropItem", "IgnoreRequest", "StopDownload"}),
    "locust": frozenset({"InterruptTaskSet", "RescheduleTask", "RescheduleTaskImmediately", "StopTest", "StopUser"}),
    # command lines
    "click": frozenset({"Abort", "Exit"}),
    "typer": frozenset({"Abort", "Exit"}),
    "invoke": frozenset({"Exit"}),
    # web frameworks: answers and redirects that are raised
    "tornado": frozenset({"Finish", "Return"}),
    "werkzeug": frozenset({"RequestRedirect", "RequestAliasRedirect"}),
    "aiohttp": frozenset({"HTTPRedirection", "HTTPSuccessful"}),
    "falcon": frozenset({"HTTPStatus"}),
    "pyramid": frozenset({"HTTPRedirection", "HTTPSuccessful", "PredicateMismatch"}),
    "webob": frozenset({"HTTPRedirection", "HTTPOk"}),
    "cherrypy": frozenset({"HTTPRedirect", "InternalRedirect"}),
    "sanic": frozenset({"RequestCancelled", "ServerKilled"}),
    "gunicorn": frozenset({"StopWaiting"}),
    "waitress": frozenset({"ExitNow"}),
    # blocks that are left on purpose
    "psycopg": frozenset({"Rollback"}),
}
"""Class names by top-level package."""

LIMITS: Final[dict[str, frozenset[str]]] = {
    "billiard": frozenset({"SoftTimeLimitExceeded", "TimeLimitExceeded"}),
    "rq": frozenset({"BaseTimeoutException"}),
    "huey": frozenset({"TaskTimeout"}),
    "airflow": frozenset({"AirflowTaskTimeout"}),
}
"""The same for a job's time limit, which ends it as failed. Celery's soft limit is billiard's class."""

SEARCHES: Final = {"opentelemetry.instrumentation.jinja2": frozenset({"TemplateNotFound"})}
"""Instrumentation → exceptions by which a library says to itself that it must look elsewhere. Where nothing is found
anywhere they go on to the application, and whatever they cross there tells them."""

ANSWERS: Final[dict[str, dict[str, int]]] = {
    "django": {"Http404": 404, "PermissionDenied": 403, "SuspiciousOperation": 400, "BadRequest": 400},
    "rest_framework": {"APIException": 0},
    "ninja": {"HttpError": 0},
    "werkzeug": {"HTTPException": 0},
    "starlette": {"HTTPException": 0},
    "fastapi": {"RequestValidationError": 422},
    "aiohttp": {"HTTPException": 0},
    "pyramid": {"HTTPException": 0},
    "webob": {"HTTPException": 0},
    "tornado": {"HTTPError": 0},
    "falcon": {"HTTPError": 0},
    "sanic": {"SanicException": 0},
    "litestar": {"HTTPException": 0},
    "bottle": {"HTTPResponse": 0},
    "cherrypy": {"HTTPError": 0},
}
"""By package and class name: what an application raises to answer a request with a status; 0: the exception has it."""
_STATUSES: Final = ("status_code", "status", "code")

FATAL: Final = (MemoryError, RecursionError, NotAwaitedError)
"""What no repetition mends, whatever was asked for."""

_registered: Final[set[type[BaseException]]] = set()
_known: Final[dict[type, bool]] = {}
_limits: Final[dict[type, bool]] = {}
_groups: Final[dict[type, bool]] = {}
_dependents: Final[list[dict[type, Any]]] = [_known]


def depends_on_registrations(*caches: dict[type, Any]) -> None:
    """Empty these caches whenever a registration changes what is control flow."""
    _dependents.extend(caches)


def register_control_flow(exception_type: type[BaseException]) -> Callable[[], None]:
    """Let exceptions of this type and its subclasses pass as control flow; returns the way to end it.

    Raises:
        TypeError: it is no exception class, or one so wide that every error would pass.
    """
    if not (isinstance(exception_type, type) and issubclass(exception_type, BaseException)):
        raise TypeError(f"{exception_type!r} is not an exception class")
    if exception_type in {BaseException, Exception}:
        raise TypeError(f"{exception_type.__name__} as control flow would let every error pass")
    _registered.add(exception_type)
    _forget()

    def unregister() -> None:
        _registered.discard(exception_type)
        _forget()

    return unregister


def steers(kind: type) -> bool:
    """Whether exceptions of this class are a library's way to steer."""
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = any(base in _registered or _listed(STEERING, base) for base in kind.__mro__)
    return found


def is_time_limit(kind: type) -> bool:
    """Whether exceptions of this class end a job whose time is over: an error, but not of what was called."""
    found = _limits.get(kind)
    if found is None:
        found = _limits[kind] = any(_listed(LIMITS, base) for base in kind.__mro__)
    return found


def passes(kind: type) -> bool:
    """Whether exceptions of this class pass retries, fallbacks and breakers where they are not named."""
    return steers(kind) or is_time_limit(kind)


def steers_in(error: BaseException, scope: str) -> bool:
    """Whether an exception that crosses a span of this instrumentation is a way to steer and no error there."""
    kind = type(error)
    if kind is Exception:
        return _aborts(error)
    return kind.__name__ in SEARCHES.get(scope, ()) or steers(kind)


def answered_status(error: BaseException) -> int | None:
    """The HTTP status that an exception answers a request with; None where it is no answer."""
    for base in type(error).__mro__:
        status: Any = ANSWERS.get(str(base.__module__).partition(".")[0], {}).get(base.__name__)
        if status is not None:
            status = status or next((getattr(error, name) for name in _STATUSES if hasattr(error, name)), None)
            text = str(getattr(status, "value", status))[:3]
            return int(text) if text.isdigit() else None
    return None


def refuses(error: BaseException) -> bool:
    """Whether an exception answers a request with a status below 500: the client's error, and none of the server's."""
    status = answered_status(error)
    return status is not None and status < 500


def _aborts(error: BaseException) -> bool:
    """gRPC ends a handler that called `context.abort` by a bare Exception."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    if entry is None or entry.tb_frame.f_code.co_name != "abort":
        return False
    return str(entry.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "grpc"


def is_control_flow(kind: type) -> bool:
    """Whether exceptions of this class must reach whoever raised or awaits them: control flow, or fatal to the process."""
    return issubclass(kind, FATAL) or passes(kind)


def never_retried(error: BaseException) -> bool:
    """Whether this is never retried or answered, whatever was asked for: what is no `Exception`, control flow, what is
    fatal, and a group that holds any of them."""
    kind = type(error)
    if not issubclass(kind, Exception) or is_control_flow(kind):
        return True
    return bool(members(error)) and any(
        not isinstance(leaf, Exception) or is_control_flow(type(leaf)) for leaf in leaves(error)
    )


def members(error: BaseException) -> tuple[BaseException, ...]:
    """The exceptions of a group; none where it is no group."""
    kind = type(error)
    grouped = _groups.get(kind)
    if grouped is None:
        grouped = _groups[kind] = any(base.__name__ == "BaseExceptionGroup" for base in kind.__mro__)
    if not grouped:
        return ()
    found = getattr(error, "exceptions", None)
    return found if isinstance(found, tuple) else ()


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions inside a group and its groups that are none themselves; each once, however they are nested. An
    exception that is no group is its own only leaf."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        inner = members(current)
        if inner:
            waiting.extend(reversed(inner))
        else:
            yield current


def _forget() -> None:
    for cache in _dependents:
        cache.clear()


def _listed(names: dict[str, frozenset[str]], base: type) -> bool:
    return base.__name__ in names.get(str(base.__module__).partition(".")[0], ())
