"""apscheduler: a job that runs is an operation, so an INTERNAL span, in a trace of its own that links to who added the job.

A job that runs once, at a date, was queued by who added it, and runs in that trace.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, get_current_span

from ... import semconv
from ...metrics.operation import Operation
from ...signals import detach
from .messages import KEY, contained, extract, inject
from .wrapping import observe_method, observed

if TYPE_CHECKING:
    from contextvars import Token

SYSTEM: Final = "apscheduler"
_BASE: Final = "apscheduler.executors.base"

_carriers: Final[dict[int, tuple[ref[Any], dict[str, Any]]]] = {}
"""By the job's identity: jobs with equal ids are equal, and no keys."""


def hook_job() -> None:
    """Remember with each job who added it, in job stores too, whose readers take the keys that they know."""
    job = sys.modules["apscheduler.job"].Job
    get_state, set_state = job.__getstate__, job.__setstate__
    if hasattr(job, KEY):
        return

    def write(self: Any) -> dict[str, Any]:
        state: dict[str, Any] = get_state(self)
        carrier = _carrier(self)
        return {**state, KEY: carrier} if carrier else state

    def read(self: Any, state: dict[str, Any]) -> None:
        set_state(self, state)
        if KEY in state:
            _remember(self, state[KEY])

    setattr(job, KEY, True)
    job.__getstate__, job.__setstate__ = write, read
    observe_method(SYSTEM, job, "__init__", _Added)


class _Added:
    """A job that is being made, by `add_job`."""

    def __init__(self, job: Any, *_: Any, **__: Any) -> None:
        self._job = job

    def end(self, error: BaseException | None = None) -> None:
        if error is None and get_current_span().get_span_context().is_valid:
            carrier: dict[str, Any] = {}
            inject(carrier)
            _remember(self._job, carrier)


def _remember(job: Any, carrier: dict[str, Any]) -> None:
    key = id(job)
    _carriers[key] = ref(job, lambda _: _carriers.pop(key, None)), carrier


def _carrier(job: Any) -> dict[str, Any] | None:
    known, carrier = _carriers.get(id(job), (None, None))
    return carrier if known is not None and known() is job else None


def _hook_executor(name: str) -> None:
    """Each executor has the functions of the base under their own names."""
    module = sys.modules[f"apscheduler.executors.{name}"]
    for function, ours in (("run_job", run_job), ("run_coroutine_job", run_coroutine_job)):
        if hasattr(module, function):
            setattr(module, function, ours)


hook_asyncio: Final = partial(_hook_executor, "asyncio")
hook_debug: Final = partial(_hook_executor, "debug")
hook_gevent: Final = partial(_hook_executor, "gevent")
hook_pool: Final = partial(_hook_executor, "pool")
hook_tornado: Final = partial(_hook_executor, "tornado")
hook_twisted: Final = partial(_hook_executor, "twisted")


def run_job(job: Any, *args: Any) -> Any:
    """apscheduler's own, with the job's function observed; pickled by name, for its process pools."""
    runs = _Runs(job)
    try:
        return sys.modules[_BASE].run_job(runs.observed(), *args)
    finally:
        contained(SYSTEM, runs.close)


async def run_coroutine_job(job: Any, *args: Any) -> Any:
    """apscheduler's own, with the job's coroutine function observed."""
    runs = _Runs(job)
    try:
        return await sys.modules[_BASE].run_coroutine_job(runs.observed(), *args)
    finally:
        contained(SYSTEM, runs.close)


def _copy(job: Any, function: Callable[..., Any]) -> Any:
    kind: Any = type(job)
    copy = kind.__new__(kind)
    for name in (slot for base in kind.__mro__ for slot in getattr(base, "__slots__", ())):
        if name != "__weakref__" and hasattr(job, name):
            setattr(copy, name, getattr(job, name))
    copy.func = function
    return copy


class _Runs:
    """The runs of a job that were due: one after the other, each until the next, so that what apscheduler logs is inside."""

    def __init__(self, job: Any) -> None:
        self._job = job
        self._operation: Operation | None = None
        # The scheduler's thread has the context of whoever happened to start it: no trace of the job's.
        self._outer: Token[Context] = otel_context.attach(Context())
        self._token: Token[Context] | None = None
        self._error: BaseException | None = None

    def observed(self) -> Any:
        """A copy of the job with its function observed."""
        job = self._job
        return contained(SYSTEM, lambda: _copy(job, observed(SYSTEM, job.func, self._begin))) or job

    def _begin(self, *_: Any, **__: Any) -> _Runs:
        self._finish()
        job = self._job
        added = extract(_carrier(job))
        joined = type(job.trigger).__name__ == "DateTrigger"
        adder = get_current_span(added).get_span_context()
        self._token = otel_context.attach(added if joined else Context())
        links = [Link(adder)] if adder.is_valid and not joined else None
        self._operation = Operation(job.name, {semconv.SCHEDULED_JOB_ID: job.id}, links).begin()
        return self

    def end(self, error: BaseException | None = None) -> None:
        """The function ended; the span ends a moment later."""
        self._error = error

    def close(self) -> None:
        """End the last run, and make current again what was so before."""
        self._finish()
        detach(self._outer)

    def _finish(self) -> None:
        operation, token, error = self._operation, self._token, self._error
        self._operation = self._token = self._error = None
        if operation is not None:
            operation.end(error)
        if token is not None:
            detach(token)
