"""rq: what travels stands in the job's `meta`, which every worker keeps and none minds."""

from __future__ import annotations

import sys
from typing import Any, Final

from .messages import KEY, Enqueueing, Message, Processing, next_attempt
from .wrapping import observe_method

SYSTEM: Final = "rq"
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
    observe_method(SYSTEM, sys.modules["rq.job"].Job, "perform", _perform)


def _enqueue(queue: Any, job: Any, *_: Any, **__: Any) -> Enqueueing | None:
    if KEY in job.meta or _UNREADABLE in job.meta:  # queued before: it is run again, or its time has come
        return None
    enqueueing = Enqueueing(Message(SYSTEM, queue.name, job.func_name, job.id))
    job.meta[KEY] = enqueueing.carrier
    return enqueueing


def _perform(job: Any) -> Processing:
    carrier = job.meta.get(KEY) if _UNREADABLE in job.meta else job.meta.setdefault(KEY, {})
    attempt = next_attempt(carrier) if isinstance(carrier, dict) else None
    return Processing(Message(SYSTEM, job.origin, job.func_name, job.id), carrier, attempt)
