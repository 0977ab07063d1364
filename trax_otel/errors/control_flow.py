"""Exceptions by which libraries steer: they end a task, a request or a test on purpose and say nothing of what was called.

None of them is retried, answered by a fallback, counted by a circuit breaker or told as an error, unless a condition names
its own type (`retry_on=SoftTimeLimitExceeded`). They are known by package and class name, along the MRO: no library is
imported here. docs/resilience.md lists them for users.
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
    "billiard": frozenset({"SoftTimeLimitExceeded", "TimeLimitExceeded", "Terminated"}),
    "rq": frozenset({"BaseTimeoutException", "ShutDownImminentException", "StopRequested"}),
    "arq": frozenset({"Retry", "RetryJob"}),
    "dramatiq": frozenset({"Retry", "SkipMessage"}),
    "huey": frozenset({"CancelExecution", "RetryTask", "TaskTimeout", "ConsumerStopped"}),
    "procrastinate": frozenset({"JobAborted", "JobRetry"}),
    "airflow": frozenset(
        {"AirflowSkipException", "AirflowFailException", "AirflowRescheduleException", "AirflowTaskTimeout"}
    ),
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
"""Class names by top-level package. Celery's own soft time limit is billiard's class."""

SEARCHES: Final = {"opentelemetry.instrumentation.jinja2": frozenset({"TemplateNotFound"})}
"""Instrumentation → exceptions by which a library says to itself that it must look elsewhere. Where nothing is found
anywhere they go on to the application, and whatever they cross there tells them."""

FATAL: Final = (MemoryError, RecursionError, NotAwaitedError)
"""What no repetition mends, whatever was asked for."""

_registered: Final[set[type[BaseException]]] = set()
_known: Final[dict[type, bool]] = {}
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
        found = _known[kind] = any(base in _registered or _listed(base) for base in kind.__mro__)
    return found


def steers_in(error: BaseException, scope: str) -> bool:
    """Whether an exception that crosses a span of this instrumentation is a way to steer and no error there."""
    kind = type(error)
    if kind is Exception:
        return _aborts(error)
    return kind.__name__ in SEARCHES.get(scope, ()) or steers(kind)


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
    return issubclass(kind, FATAL) or steers(kind)


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


def _listed(base: type) -> bool:
    return base.__name__ in STEERING.get(str(base.__module__).partition(".")[0], ())
