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
IDLE_SECONDS: Final = 60.0
"""How often what has become too old is looked for while nothing arrives."""

_Entry = tuple[Batch, "Future[None]"]


class UnavailableError(Exception):
    """The store cannot take this now (queue full, disk full, file locked): the sender should try again."""


class Writer:
    """Puts batches into the store, as many as wait in one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._queue: queue.Queue[_Entry | None] = queue.Queue(MAX_WAITING)
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="trax-otel local writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> Future[None]:
        """A future that is done once the batch is committed. Raises UnavailableError where too many wait."""
        done: Future[None] = Future()
        with self._closing:  # so that nothing gets in line behind the end
            if self._closed:
                raise UnavailableError("the endpoint is shutting down")
            try:
                self._queue.put_nowait((batch, done))
            except queue.Full:
                raise UnavailableError("too many requests wait to be written") from None
        return done

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, then stop."""
        with self._closing:
            first, self._closed = not self._closed, True
        if first:
            self._queue.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            group, ending = self._next_group()
            # A sender that went away without an answer sends again: writing its request now would keep it twice.
            wanted = [entry for entry in group if entry[1].set_running_or_notify_cancel()]
            if wanted:
                self._write(wanted)
            if ending:
                self.store.close()
                return
            # What is committed is committed: trouble here (a disk without room to delete) must not look like a refusal.
            with contextlib.suppress(Exception):
                self.store.evict()

    def _next_group(self) -> tuple[list[_Entry], bool]:
        """What waits, and whether that was the last; empty after a while without arrivals."""
        group: list[_Entry] = []
        while len(group) < MAX_GROUP:
            try:
                entry = self._queue.get_nowait() if group else self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                break
            if entry is None:
                return group, True
            group.append(entry)
        return group, False

    def _write(self, group: list[_Entry]) -> None:
        try:
            self.store.write([batch for batch, _ in group])
        except (sqlite3.OperationalError, OSError) as error:  # locked, disk full: the same for all of them
            for _, done in group:
                done.set_exception(UnavailableError(f"the store cannot be written: {error}"))
        except Exception as error:
            if len(group) == 1:
                group[0][1].set_exception(error)
                return
            for entry in group:  # one bad batch must not cost its neighbours
                self._write([entry])
        else:
            for _, done in group:
                done.set_result(None)
