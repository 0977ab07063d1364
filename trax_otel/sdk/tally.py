"""What became of this process's telemetry, accepted or dropped and why: counted here, and as metrics of our own."""

from __future__ import annotations

from typing import Final, Literal, get_args

from .. import originals, semconv
from ..signals import counter
from .environment import SIGNALS, Signal

Reason = Literal["queue_full", "rejected", "unencodable", "budget", "transport"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
_NOUNS: Final = {"traces": "span", "logs": "log record", "metrics": "metric data point"}


class Tally:
    """Counts of one signal. Safe for several threads.

    `outstanding` is what is missing at the other end: of metrics, whatever no later collection has made good.
    """

    def __init__(self, signal: Signal) -> None:
        self.signal: Signal = signal
        self._exported = counter(semconv.TELEMETRY_EXPORTED).bind({semconv.SIGNAL: signal})
        dropped = counter(semconv.TELEMETRY_DROPPED)
        self._dropped = {
            reason: dropped.bind({semconv.SIGNAL: signal, semconv.DROP_REASON: reason}) for reason in REASONS
        }
        self.failing = False
        """Whether the last export failed, of this process or, where it has made none, of the one that forked it."""
        self.reset()

    def reset(self) -> None:
        """Start at 0, in a forked child too."""
        self._lock = originals.allocate_lock()
        self.delivered = 0
        self.lost: dict[Reason, int] = dict.fromkeys(REASONS, 0)
        self.outstanding = 0
        self.last_failure = ""

    def announce(self) -> None:
        """Emit 0 for every series: an alert on an increase needs a series that exists before."""
        self._exported.add(0)
        for series in self._dropped.values():
            series.add(0)

    def accepted(self, count: int) -> None:
        """The endpoint took `count` items."""
        if count <= 0:
            return
        self.failing = False
        with self._lock:
            self.delivered += count
        self._exported.add(count)

    def dropped(self, count: int, reason: Reason) -> None:
        """`count` items will never arrive."""
        if count <= 0:
            return
        with self._lock:
            self.lost[reason] += count
            self.outstanding += count
        self._dropped[reason].add(count)

    def describe(self, count: int) -> str:
        """`1 span`, `3 log records`."""
        return f"{count} {_NOUNS[self.signal]}{'' if count == 1 else 's'}"


def undelivered(missing: list[tuple[Tally, int]]) -> str | None:
    """One line on what this process could not deliver, so many of each tally, or None where everything arrived."""
    order = {signal: place for place, signal in enumerate(SIGNALS)}
    losers = sorted(((tally, count) for tally, count in missing if count), key=lambda loser: order[loser[0].signal])
    if not losers:
        return None
    counts = ", ".join(tally.describe(count) for tally, count in losers)
    reasons = dict.fromkeys(tally.last_failure for tally, _ in losers if tally.last_failure)
    return f"not delivered: {counts}" + (f" ({'; '.join(reasons)})" if reasons else "")
