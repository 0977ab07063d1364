"""The threads that do the store's work for coroutines: a database's answer never keeps an event loop waiting.

A thread pool of the standard library would do the same at twice the cost of a hand-over, which is a good part of a step's.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio
    from queue import SimpleQueue

T = TypeVar("T")


class Workers:
    """A few daemon threads, started at the first use. Their number is that of the store's connections that pay."""

    def __init__(self, threads: int) -> None:
        self._number = threads
        self.forget()

    def forget(self) -> None:
        """In a forked child the threads are not there."""
        self._jobs: SimpleQueue[Job | None] | None = None
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def run(self, function: Callable[[], T]) -> Awaitable[T]:
        """Run it on one of the threads. A cancelled awaiter leaves; what was begun is done to its end."""
        import asyncio

        job = Job(function, asyncio.get_running_loop())
        (self._jobs or self._start()).put(job)
        return job.future

    def close(self) -> None:
        """End the threads when their work is done."""
        with self._lock:
            jobs, threads, self._jobs, self._threads = self._jobs, self._threads, None, []
        for _ in threads:
            assert jobs is not None
            jobs.put(None)
        for thread in threads:
            if thread.is_alive():
                thread.join()

    def _start(self) -> SimpleQueue[Job | None]:
        from queue import SimpleQueue

        begun: list[threading.Thread] = []
        with self._lock:
            if self._jobs is None:
                self._jobs = SimpleQueue()
                begun = [
                    threading.Thread(target=_work, args=(self._jobs,), name="trax-otel state store", daemon=True)
                    for _ in range(self._number)
                ]
                self._threads += begun
            jobs = self._jobs
        for thread in begun:  # outside of the lock: in a program of greenlets a start lets another one run
            thread.start()
        return jobs


class Job:
    """A function to be called, and the future that its loop awaits."""

    __slots__ = ("function", "future", "loop")

    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()

    def do(self) -> None:
        """Call the function, here, and hand its outcome to the loop."""
        value, error = None, None
        try:
            value = self.function()
        except BaseException as raised:
            error = raised
        try:
            self.loop.call_soon_threadsafe(_finish, self.future, value, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return
        finally:
            del value, error  # the error's traceback has this frame


def _finish(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job.do()
        del job  # an idle thread keeps nothing alive
