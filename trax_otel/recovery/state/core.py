"""What a manager's operations share: the store, the leases, the recovery functions. All calls here block."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ... import clock, lifecycle
from . import telemetry
from .errors import StateStoreError
from .leases import Lease, LeaseKeeper
from .rules import Entered, Save, give_back, save
from .storage import OnStoreLoss, StateStorage, StateTransaction
from .stored import Hold
from .workers import Workers

_logger = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 1.0
PURGE_SECONDS: Final = 300.0
PURGE_ROWS: Final = 500


class Settings(NamedTuple):
    """How a manager treats its operations; durations are in seconds."""

    lease: float
    max_recoveries: int
    retention: float | None
    max_bytes: int
    on_store_loss: OnStoreLoss
    check_arguments: bool


class Claim(NamedTuple):
    """An operation that was taken over and is not resumed yet."""

    hold: Hold
    entered: Entered
    began: float


class Entrance(Generic[T]):
    """What is taken from the store on a worker thread, for a caller who may be cancelled meanwhile: then it is given back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = False
        self._taken: T | None = None

    def take(self, work: Callable[[], T]) -> T | None:
        """Do it, unless the caller has left before it was our turn."""
        with self._lock:
            if not self._left:
                self._taken = work()
            return self._taken

    def leave(self) -> None:
        """The caller was cancelled, or interrupted."""
        self._left = True

    def undo(self, work: Callable[[T | None], object]) -> None:
        """Call `work` with what was taken, None where that is not known, once nothing is being taken any more."""
        with self._lock:
            work(self._taken)


class Core:
    """One manager's machinery."""

    def __init__(self, storage: StateStorage, settings: Settings) -> None:
        self.storage = storage
        self.settings = settings
        self.functions: dict[str, Callable[..., Any]] = {}
        self.claims: dict[str, Claim] = {}
        self.health = telemetry.StoreHealth()
        self.keeper = LeaseKeeper(self._renew, settings.lease, self._purge_at_times)
        self.workers = Workers(storage.workers)
        self._purged_at = clock.current().monotonic()
        self._declared: set[str] = set()
        _cores.add(self)

    def transact(
        self, work: Callable[[StateTransaction], T], kind: telemetry.Access = "save", *, write: bool = True
    ) -> T:
        """One transaction, timed; its failure is told once."""
        began = clock.current().monotonic()
        try:
            result = self.storage.transact(work, write=write)
        except StateStoreError as error:
            telemetry.time_store(clock.current().monotonic() - began, answered=False)
            self.health.failed(kind, error)
            raise
        telemetry.time_store(clock.current().monotonic() - began, answered=True)
        self.health.answered(kind)
        return result

    def persist(self, wanted: Save, lease: Lease, patient: bool) -> str | None:
        """Save; None, or why the store refuses. Where it does not answer, ask again as long as the lease holds (not
        where the process is told to stop, and not without patience), then raise its StateStoreError."""
        pause, end = FIRST_PAUSE_SECONDS, 0.0
        while True:
            began = clock.current().monotonic()
            try:
                refused = self.transact(lambda transaction: save(transaction, wanted))
            except StateStoreError:
                now = clock.current().monotonic()
                end = end or now + lease.remaining()  # on a full disk the heartbeat may go on for ever
                left = end - now
                if not patient or left <= 0 or not clock.current().sleep(min(pause, left)):
                    raise
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            if refused is None and wanted.lease:
                lease.renewed(began)
            return refused

    def confirm(self, lease: Lease) -> bool:
        """Ask the store whether a lease that has lapsed here still holds, and begin it anew."""
        began = clock.current().monotonic()
        held = lease.hold.owner in self._renew([lease.hold])
        if held:
            lease.renewed(began)
        return held

    def give_back(self, hold: Hold, entered: Entered | None) -> None:
        """Undo what `rules.enter` or `rules.claim` came to, for a run that never begins. Never raises: a lease that is left
        lapses."""
        try:
            self.transact(lambda transaction: give_back(transaction, hold, entered))
        except StateStoreError as error:
            _logger.warning("operation %s was not given back: %s", hold.operation_id, error)

    def claim_of(self, operation_id: str) -> Claim | None:
        """What `recover_operation` has claimed for the block that is being entered, where that is not too long ago."""
        claim = self.claims.pop(operation_id, None)
        fresh = claim is not None and clock.current().monotonic() - claim.began < self.settings.lease
        return claim if fresh else None

    def declare(self, operation_type: str) -> None:
        """Let the type's counters exist."""
        if operation_type not in self._declared:
            self._declared.add(operation_type)
            telemetry.declare(operation_type)

    def purge(self, limit: int | None = None) -> int:
        """Delete finished operations beyond the retention, a bounded number at a time; returns how many went."""
        retention, gone = self.settings.retention, 0
        while retention is not None:
            rows = PURGE_ROWS if limit is None else min(PURGE_ROWS, limit - gone)
            went = self.transact(lambda transaction, rows=rows: transaction.purge(retention, rows), "purge")  # type: ignore[misc]
            gone += went
            if went < PURGE_ROWS or gone == limit:
                break
        return gone

    def _purge_at_times(self) -> None:
        if clock.current().monotonic() - self._purged_at >= PURGE_SECONDS:
            self._purged_at = clock.current().monotonic()
            self.purge(limit=10 * PURGE_ROWS)

    def _renew(self, holds: Sequence[Hold]) -> set[str]:
        return self.transact(lambda transaction: transaction.renew(holds, self.settings.lease), "renew")

    def close(self) -> None:
        """End threads and connections."""
        self.keeper.close()
        self.workers.close()
        self.storage.close()

    def forget(self) -> None:
        """In a forked child: what runs in the parent stays the parent's."""
        self.keeper.forget()
        self.workers.forget()
        self.storage.forget()
        self.claims.clear()
        self.health = telemetry.StoreHealth()


def new_owner() -> str:
    """A name for one run, that tells people where it is."""
    return f"{os.uname().nodename}:{os.getpid()}:{os.urandom(6).hex()}"


# --- Fork ----------------------------------------------------------------------------------------------------------------

_cores: weakref.WeakSet[Core] = weakref.WeakSet()


def _forget() -> None:
    for core in list(_cores):
        core.forget()


lifecycle.register(lifecycle.Participant("state", lifecycle.ORDER_PRODUCERS, after_fork_in_child=_forget))
