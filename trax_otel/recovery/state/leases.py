"""Leases and their heartbeat: one daemon thread renews all leases of a manager, three times in a lease's time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from ... import clock
from .stored import Hold

BEATS_PER_LEASE: Final = 3
FRESH: Final = 0.8

_logger = logging.getLogger(__name__)


class Lease:
    """The right to run an operation for `seconds` from its last renewal on. `lost` says why it is gone for good: the store
    has another owner. Lapsed is weaker: nobody may have noticed."""

    __slots__ = ("_renewed_at", "hold", "lost", "seconds")

    def __init__(self, hold: Hold, seconds: float, began: float) -> None:
        self.hold = hold
        self.seconds = seconds
        self.lost: str | None = None
        self._renewed_at = began

    def renewed(self, began: float) -> None:
        """It holds from `began` on: the monotonic time *before* the store was asked."""
        self._renewed_at = max(began, self._renewed_at)

    def remaining(self) -> float:
        """Seconds that it holds without renewal, by this machine's monotonic clock; not positive where it has lapsed."""
        return self._renewed_at + self.seconds - clock.current().monotonic()

    def due(self) -> float | None:
        """For how long to begin it anew together with other writing; None while it is fresh: an index less to write."""
        return self.seconds if self.remaining() < FRESH * self.seconds else None


class LeaseKeeper:
    """Renews leases while they are kept. `renew` asks the store and returns the owners that still hold theirs."""

    def __init__(self, renew: Callable[[Sequence[Hold]], set[str]], seconds: float, idle: Callable[[], object]) -> None:
        self._renew = renew
        self._interval = seconds / BEATS_PER_LEASE
        self._between = idle
        self.forget()

    def forget(self) -> None:
        """Keep nothing: in a forked child the leases are its parent's, and the thread is not there."""
        for lease in getattr(self, "_leases", {}).values():
            lease.lost = "the process was forked, and it belongs to the parent"
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._lock:
            self._leases[lease.hold.owner] = lease
            if self._thread is not None:
                return
            self._stop = threading.Event()
            self._thread = thread = threading.Thread(
                target=self._run, args=(self._stop,), name="trax-otel state leases", daemon=True
            )
        thread.start()  # outside of the lock: in a program of greenlets a start lets another one run

    def release(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._lock:
            self._leases.pop(lease.hold.owner, None)

    def close(self) -> None:
        """End the thread. Leases that are still kept lapse."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(self._interval + 1.0)

    def beat(self) -> None:
        """Renew every lease once; what the store refuses is lost."""
        leases = list(self._leases.values())
        if not leases:
            return
        began = clock.current().monotonic()
        held = self._renew([lease.hold for lease in leases])
        for lease in leases:
            if lease.hold.owner in held:
                lease.renewed(began)
            elif lease.hold.owner in self._leases:  # else it ended meanwhile
                lease.lost = "its lease has lapsed and it was taken over, ended or deleted"

    def _run(self, stop: threading.Event) -> None:
        idle_beats = 0
        while clock.current().tick(self._interval, stop):
            try:
                self.beat()
                self._between()
            except Exception as error:  # the store's failures are told by its health; the next beat tries again
                _logger.debug("leases were not renewed: %s", error)
            with self._lock:
                idle_beats = 0 if self._leases else idle_beats + 1
                if idle_beats > BEATS_PER_LEASE and self._thread is threading.current_thread():
                    self._thread = None
                    return
