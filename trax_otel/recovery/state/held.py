"""An operation that this process holds: its lease, and what is saved under it. All calls here block."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import INVALID_SPAN

from ... import clock, semconv
from ...signals import emit_event
from ...signals.stacktrace import describe
from . import rules
from .core import Claim, Core, Entrance, new_owner
from .errors import StateLostError, StateStoreError
from .leases import Lease
from .records import COMPLETED, DEAD, FAILED
from .rules import Entered, Save, Start
from .storage import OnStoreLoss
from .stored import Hold, StoredStep
from .values import decode

if TYPE_CHECKING:
    from opentelemetry.trace import Span

ERROR_CHARACTERS: Final = 1_000

_logger = logging.getLogger(__name__)


class Asked(NamedTuple):
    """Which operation is to be run, as the caller said it; `arguments` is their JSON text. `compares`: steps are told apart by
    their arguments too; `given`: the operation's own are compared with those that it was begun with."""

    operation_id: str
    operation_type: str
    correlation_id: str | None
    arguments: str
    on_store_loss: OnStoreLoss
    compares: bool = True
    given: bool = False


class HeldOperation:
    """The lease of one run and what is written under it. `claim` is set where the operation was taken over before."""

    def __init__(self, core: Core, asked: Asked, claim: Claim | None) -> None:
        hold = Hold(asked.operation_id, new_owner()) if claim is None else claim.hold
        began = clock.current().monotonic() if claim is None else claim.began
        self.core = core
        self.asked = asked
        self.span: Span = INVALID_SPAN
        self.lease = Lease(hold, core.settings.lease, began)
        self._claim = claim
        self._unsaved = Save(self.lease.hold)
        self._saving = threading.Lock()
        self._told = False
        self.entrance: Entrance[Entered] = Entrance()

    @property
    def goes_on(self) -> bool:
        """Whether the loss of the store does not stop it."""
        return self.asked.on_store_loss == "continue"

    # --- Beginning -------------------------------------------------------------------------------------------------------

    def begin(self, traceparent: str | None) -> Entered:
        """Take it, and write which span runs it. Raises StateStoreError or StateLostError."""
        return self.entrance.take(partial(self._take, traceparent)) or rules.begun(self._start(traceparent))

    def give_back(self) -> None:
        """Whoever entered was cancelled, or interrupted, on the way: leave the operation as it was found. Never raises."""
        self.entrance.undo(partial(self.core.give_back, self.lease.hold))

    def _take(self, traceparent: str | None) -> Entered:
        lease = self.lease
        if self._claim is not None:
            operation = self._claim.entered.operation
            if self.asked.given and decode(operation.arguments) != decode(self.asked.arguments):
                self.core.claims[operation.operation_id] = self._claim
                return self._claim.entered._replace(way="different")
            changes = {} if traceparent is None else {"traceparent": traceparent}
            self.save(changes)
            return self._claim.entered
        start = self._start(traceparent)
        lease.renewed(clock.current().monotonic())
        try:
            return self.core.transact(partial(rules.enter, start=start))
        except StateStoreError as error:
            self._tell(error)
            if not self.goes_on:
                raise
            self._unsaved = Save(lease.hold, start=start)
            return rules.begun(start)

    def _start(self, traceparent: str | None) -> Start:
        asked, lease = self.asked, self.lease
        return Start(
            asked.operation_id, asked.operation_type, asked.correlation_id, asked.arguments,
            traceparent, lease.hold.owner, lease.seconds, self.core.settings.max_recoveries, asked.given,
        )  # fmt: skip

    def steps(self) -> list[StoredStep]:
        """What the store has recorded by now."""
        with self._saving:
            return self.core.transact(
                lambda transaction: transaction.steps(self.asked.operation_id), "read", write=False
            )

    def keep(self) -> None:
        """Let the lease be renewed from now on."""
        if self._unsaved.start is None:
            self.core.keeper.keep(self.lease)

    # --- While it runs ---------------------------------------------------------------------------------------------------

    @property
    def unsure(self) -> bool:
        """Whether the store has to be asked before a step begins: the lease is lost, or has lapsed as far as we know."""
        return self.lease.lost is not None or self.lease.remaining() <= 0

    def confirm(self) -> None:
        """Ask the store. Raises StateLostError where the operation must not go on."""
        lease = self.lease
        if lease.lost is None and self._unsaved.start is None:
            try:
                if self.core.confirm(lease):
                    return
                lease.lost = "its lease had lapsed, and it was taken over, ended or deleted"
            except StateStoreError as error:
                self._tell(error)
                if not self.goes_on:
                    raise self.lost(f"its lease has lapsed and the store does not answer: {error}", error) from error
        if lease.lost is not None:
            raise self.lost(lease.lost)

    def save(self, changes: dict[str, Any], steps: tuple[StoredStep, ...] = (), *, finished: bool = False) -> None:
        """Save, together with what an earlier loss of the store left unsaved. Raises StateLostError where it cannot be."""
        lease = self.lease
        with self._saving:
            before = self._unsaved
            wanted = Save(
                lease.hold, {**before.changes, **changes}, (*before.steps, *steps),
                0.0 if finished else lease.due(), finished, before.start,
            )  # fmt: skip
            if lease.lost is not None:
                raise self.lost(lease.lost)
            try:
                refused = self.core.persist(wanted, lease, patient=not self.goes_on)
            except StateStoreError as error:
                self._tell(error)
                if not self.goes_on:
                    raise self.lost(f"its state cannot be saved: {error}", error) from error
                self._unsaved = wanted
                return
            if refused is not None:
                lease.lost = refused
                raise self.lost(refused)
            self._unsaved = Save(lease.hold)
            if before.start is not None and not finished:
                self.core.keeper.keep(lease)

    # --- The end ---------------------------------------------------------------------------------------------------------

    def complete(self, result: str | None) -> None:
        """Save that it is done. Raises StateLostError where that cannot be (but see `goes_on`)."""
        self.save({"status": COMPLETED, "result": result}, finished=True)
        if self._unsaved.finished:
            _logger.error(
                "operation %s is completed and its store does not know: it may be executed twice",
                self.asked.operation_id,
            )

    def fail(self, error: BaseException, recoveries: int, recovering: bool) -> None:
        """Save how it failed; what is no Exception only stopped it, so it can be resumed at once. Never raises: the block's
        own error goes on, and an operation without an end here is found when its lease lapses.

        A failed recovery is tried again after a lease's time, as often as the cap allows.
        """
        hold, seconds = self.lease.hold, self.lease.seconds
        text = describe(error)[:ERROR_CHARACTERS].replace("\0", "")
        if self.lease.lost is not None or isinstance(error, StateLostError):
            return
        if not isinstance(error, Exception):
            wanted = Save(hold, {"recoveries": max(0, recoveries - 1)}, lease=0.0)
        elif not recovering:
            wanted = Save(hold, {"status": FAILED, "error": text}, lease=0.0, finished=True)
        elif recoveries >= self.core.settings.max_recoveries:
            wanted = Save(hold, {"status": DEAD, "error": text}, lease=0.0)
        else:
            wanted = Save(hold, {"error": text, "owner": ""}, lease=seconds)
        try:
            with self._saving:
                unsaved = self._unsaved
                self.core.persist(
                    wanted._replace(
                        changes={**unsaved.changes, **wanted.changes}, steps=unsaved.steps, start=unsaved.start
                    ),
                    self.lease,
                    patient=False,
                )
        except Exception as failure:
            _logger.warning("how operation %s ended could not be saved: %s", self.asked.operation_id, failure)

    def release(self) -> None:
        """Renew the lease no more."""
        self.core.keeper.release(self.lease)

    # --- Loss ------------------------------------------------------------------------------------------------------------

    def lost(self, why: str, cause: BaseException | None = None) -> StateLostError:
        """The error that stops it."""
        return StateLostError(
            f"operation {self.asked.operation_id!r} stops: {why}. What is recorded of it is resumed by whoever takes it over",
            original_error=cause, retryable=False,
        )  # fmt: skip

    def _tell(self, error: StateStoreError) -> None:
        """Once for each run, on its span; that the store is away is logged once for all (`StoreHealth`)."""
        if self._told:
            return
        self._told = True
        emit_event(
            semconv.STATE_LOST_EVENT,
            {
                semconv.STATE_OPERATION_ID: self.asked.operation_id,
                semconv.STATE_OPERATION_TYPE: self.asked.operation_type,
                semconv.EXCEPTION_MESSAGE: str(error),
            },
            severity="ERROR",
            span=self.span,
        )
        if self.goes_on:
            _logger.error(
                "operation %s goes on without its store (on_store_loss='continue'): it may be executed twice",
                self.asked.operation_id,
            )
