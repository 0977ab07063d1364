"""arq: what travels is one more key of the dictionary that a job is serialized as; workers read the keys that they know."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import pickle
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry.trace import get_current_span

from ... import clock, semconv
from .messages import KEY, Enqueueing, Message, Processing, contained
from .wrapping import observe_method, observed

SYSTEM: Final = "arq"

_running: Final[ContextVar[_Run | None]] = ContextVar("trax-arq-run", default=None)
_RESULT: Final = 6
"""Where `serialize_result` takes the result."""
_carried: Final[ContextVar[dict[str, Any] | None]] = ContextVar("trax-arq-carrier", default=None)


def hook_connections() -> None:
    """Observe queueing."""
    connections: Any = sys.modules["arq.connections"]
    observe_method(SYSTEM, connections.ArqRedis, "enqueue_job", _enqueue)
    serialize: Callable[..., bytes] = connections.serialize_job

    @functools.wraps(serialize)
    def serialize_job(*args: Any, serializer: Any = None, **kwargs: Any) -> bytes:
        carrier = _carried.get()
        if carrier is None:
            return serialize(*args, serializer=serializer, **kwargs)
        write = serializer or pickle.dumps
        return serialize(*args, serializer=lambda data: write({**data, KEY: carrier}), **kwargs)

    connections.serialize_job = serialize_job


def hook_worker() -> None:
    """Observe the jobs of each worker: begun where arq has read one, ended where it has told how it ended."""
    worker: Any = sys.modules["arq.worker"]
    observe_method(SYSTEM, worker.Worker, "__init__", _Prepared)
    observe_method(SYSTEM, worker.Worker, "run_job", _Run)
    observe_method(SYSTEM, worker, "serialize_result", _hear_result)
    deserialize: Callable[..., Any] = worker.deserialize_job_raw

    @functools.wraps(deserialize)
    def deserialize_job_raw(data: bytes, *, deserializer: Any = None) -> Any:
        read = deserializer or pickle.loads

        def read_carrier(raw: bytes) -> Any:
            job = read(raw)
            contained(SYSTEM, lambda: _begin(job))
            return job

        return deserialize(data, deserializer=read_carrier)

    worker.deserialize_job_raw = deserialize_job_raw


class _Enqueued(Enqueueing):
    """A job being queued, whose carrier is at hand while it is serialized."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self._carrying = _carried.set(self.carrier)

    def end(self, error: BaseException | None = None) -> None:
        super().end(error)
        _carried.reset(self._carrying)


def _enqueue(
    pool: Any, function: str, *_: Any, _job_id: str | None = None, _queue_name: str | None = None, **__: Any
) -> Any:
    return _Enqueued(Message(SYSTEM, _queue_name or pool.default_queue_name, function, _job_id or ""))


class _Run:
    """One run of a job, in a task of its own."""

    def __init__(self, worker: Any, job_id: str, *_: Any, **__: Any) -> None:
        self._worker = worker
        self._job_id = job_id
        self._processing: Processing | None = None
        self.error: BaseException | None = None
        _running.set(self)

    def begin(self, job: dict[str, Any]) -> None:
        message = Message(SYSTEM, self._worker.queue_name, job["f"], self._job_id)
        self._processing = Processing(message, job.get(KEY))

    def tell_attempt(self, attempt: int) -> None:
        get_current_span().set_attribute(semconv.RETRY_ATTEMPT, attempt)

    def end(self, error: BaseException | None = None) -> None:
        if self._processing is not None:
            worker: Any = sys.modules["arq.worker"]
            error, self.error = self.error or error, None
            self._processing.end(error, failed=False if isinstance(error, (worker.Retry, worker.RetryJob)) else None)


def _begin(job: dict[str, Any]) -> None:
    run = _running.get()
    if run is not None:
        run.begin(job)


def _hear_result(*args: Any, **kwargs: Any) -> None:
    """What arq keeps of a job that it did not run: without such a function, or once too often."""
    run = _running.get()
    result = kwargs["result"] if "result" in kwargs else args[_RESULT]
    if run is not None and run.error is None and isinstance(result, BaseException):
        run.error = result


class _Prepared:
    """A worker that is being made; then its functions are observed, in copies: the application's own stay as they are."""

    def __init__(self, worker: Any, *_: Any, **__: Any) -> None:
        self._worker = worker

    def end(self, error: BaseException | None = None) -> None:
        if error is None:
            functions = self._worker.functions
            for name, function in list(functions.items()):
                begin = functools.partial(_Call, self._worker, function)
                functions[name] = dataclasses.replace(function, coroutine=observed(SYSTEM, function.coroutine, begin))


class _Call:
    """The call of a job's function, in a task inside the run's."""

    def __init__(self, worker: Any, function: Any, ctx: dict[str, Any], *_: Any, **__: Any) -> None:
        self._limit = worker.job_timeout_s if function.timeout_s is None else function.timeout_s
        self._started = clock.current().monotonic()
        self._run = _running.get()
        if self._run is not None:
            self._run.tell_attempt(ctx["job_try"])

    def end(self, error: BaseException | None = None) -> None:
        over = self._limit is not None and clock.current().monotonic() - self._started >= self._limit
        if isinstance(error, asyncio.CancelledError) and over:
            error = TimeoutError(f"the job's limit of {self._limit:g} s")  # arq cancels it then, and fails
        if self._run is not None:
            self._run.error = error
