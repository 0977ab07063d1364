"""rq: what travels stands in the job's `meta`, which every worker keeps and none minds."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any, Final

from .messages import KEY, Enqueueing, Message, Processing, next_attempt
from .wrapping import observe_method

SYSTEM: Final = "rq"
_at_work: Final[ContextVar[_Working | None]] = ContextVar("trax-rq-work", default=None)
_UNREADABLE: Final = "unserialized"
"""Marks a `meta` that this process cannot read, and that rq writes back as it is."""


def hook_queue() -> None:
    """Observe each way into a queue; the inner one is for what is queued in bulk."""
    queue = sys.modules["rq.queue"].Queue
    for name in ("enqueue_job", "schedule_job", "_enqueue_job"):
        if hasattr(queue, name):
            observe_method(SYSTEM, queue, name, _enqueue)


def hook_job() -> None:
    """Observe the run of a job, in the worker, its work horse, or (`is_async=False`) at once."""
    observe_method(SYSTEM, sys.modules["rq.job"].Job, "perform", _Performing)


def hook_worker() -> None:
    """In a worker the job's span lasts until rq has told its end: what it logs of a failure is in the job's trace."""
    for kind in sys.modules["rq.worker"].Worker.__mro__:
        if "perform_job" in vars(kind):
            observe_method(SYSTEM, kind, "perform_job", _Working)


def _enqueue(queue: Any, job: Any, *_: Any, **__: Any) -> Enqueueing | None:
    if KEY in job.meta or _UNREADABLE in job.meta:  # queued before: it is run again, or its time has come
        return None
    enqueueing = Enqueueing(Message(SYSTEM, queue.name, job.func_name, job.id))
    job.meta[KEY] = enqueueing.carrier
    return enqueueing


class _Working:
    """A worker at work on a job."""

    def __init__(self, worker: Any, job: Any, *_: Any, **__: Any) -> None:
        self._token = _at_work.set(self)
        self._processing = _process(job)
        self.error: BaseException | None = None

    def end(self, error: BaseException | None = None) -> None:
        _at_work.reset(self._token)
        self._processing.end(self.error or error)
        self.error = None


class _Performing:
    """A job's function at work; the span is the worker's where there is one."""

    def __init__(self, job: Any) -> None:
        self._working = _at_work.get()
        self._processing = _process(job) if self._working is None else None

    def end(self, error: BaseException | None = None) -> None:
        if self._processing is not None:
            self._processing.end(error)
        elif self._working is not None:
            self._working.error = error


def _process(job: Any) -> Processing:
    carrier = job.meta.get(KEY) if _UNREADABLE in job.meta else job.meta.setdefault(KEY, {})
    attempt = next_attempt(carrier) if isinstance(carrier, dict) else None
    return Processing(Message(SYSTEM, job.origin, job.func_name, job.id), carrier, attempt)
