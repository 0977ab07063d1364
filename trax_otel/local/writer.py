"""The one thread that writes: requests wait in a bounded queue, and are answered once their rows are committed."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from concurrent.futures import Future
from typing import Final

from .store import Batch, Store

MAX_WAITING: Final = 256
MAX_GROUP: Final = 32


class UnavailableError(Exception):
    """The store cannot take this now (queue full, disk full, file locked): the sender should try again."""


class Writer:
    """Puts batches into the store, as many as wait in one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._queue: queue.Queue[tuple[Batch, Future[None]] | None] = queue.Queue(MAX_WAITING)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="trax-otel local writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> Future[None]:
        """A future that is done once the batch is committed. Raises UnavailableError where too many wait."""
        if self._closed.is_set():
            raise UnavailableError("the endpoint is shutting down")
        done: Future[None] = Future()
        try:
            self._queue.put_nowait((batch, done))
        except queue.Full:
            raise UnavailableError("too many requests wait to be written") from None
        return done

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, then stop."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                self.store.close()
                return
            group = [first]
            while len(group) < MAX_GROUP:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._queue.put(None)
                    break
                group.append(following)
            self._write(group)
            self._tidy()

    def _write(self, group: list[tuple[Batch, Future[None]]]) -> None:
        try:
            self.store.write([batch for batch, _ in group])
        except Exception as error:
            if len(group) > 1:  # one bad batch must not cost its neighbours
                for entry in group:
                    self._write([entry])
                return
            temporary = isinstance(error, (sqlite3.OperationalError, OSError))
            group[0][1].set_exception(UnavailableError(str(error)) if temporary else error)
            return
        for _, done in group:
            done.set_result(None)

    def _tidy(self) -> None:
        # What is committed is committed: a disk without room to delete must not make it look refused.
        with contextlib.suppress(sqlite3.Error):
            self.store.evict()
