"""One admitted call: its outcome is recorded once, and its place is freed whatever happens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import clock

if TYPE_CHECKING:
    from .guard import CircuitBreaker


class Permit:
    """Leave to make one call. Give it back by `record`; one that is dropped without is freed, and counts as cancelled."""

    __slots__ = ("_breaker", "_epoch", "_probe", "_started", "given")

    def __init__(self, breaker: CircuitBreaker, epoch: int, probe: int, started: float) -> None:
        self._breaker = breaker
        self._epoch = epoch
        self._probe = probe
        self._started = started
        self.given = True
        """Whether it has not come back yet."""

    @property
    def is_probe(self) -> bool:
        """Whether this call tries out if the dependency is well again."""
        return self._probe > 0

    def record(self, error: BaseException | None = None) -> None:
        """The call has ended: well, or with this error. What is no `Exception` (a cancelled task) counts as cancelled."""
        if self.given:
            self.given = False
            self._breaker.record(self._epoch, self._probe, error, clock.current().monotonic() - self._started)

    def release(self) -> None:
        """The call was not made, or nobody knows how it ended: the place is free."""
        if self.given:
            self.given = False
            self._breaker.drop(self._probe)

    def __del__(self) -> None:
        self.release()
