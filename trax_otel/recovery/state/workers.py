"""The threads that do the store's work for coroutines: a database's answer never keeps an event loop waiting."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")


class Workers:
    """A few threads, started at the first use. Their number is that of the store's connections that pay."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.forget()

    def forget(self) -> None:
        """In a forked child the threads are not there."""
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def run(self, function: Callable[[], T]) -> Awaitable[T]:
        """Run it on one of the threads. A cancelled awaiter leaves; what was begun is done to its end."""
        import asyncio

        return asyncio.get_running_loop().run_in_executor(self._executor or self._start(), function)

    def close(self) -> None:
        """End the threads when their work is done."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()

    def _start(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="trax-otel state")
            return self._executor
