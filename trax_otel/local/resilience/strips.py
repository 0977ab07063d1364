"""The states of breakers over one time, so that their strips can be read below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..formats import duration
from ..words import state
from .breakers import BreakerStats, Stretch, gravity


@dataclass(frozen=True)
class Window:
    """The time that all strips of a view cover."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        """How long it is, at least one nanosecond."""
        return max(1, self.end_ns - self.start_ns)


def window(breakers: Sequence[BreakerStats]) -> Window:
    """From the first to the last that is known of any of them; `breakers` is not empty."""
    stretches = [stretch for one in breakers for stretch in one.stretches]
    return Window(min(one.start_ns for one in stretches), max(one.end_ns for one in stretches))


def cells(breaker: BreakerStats, over: Window, count: int) -> list[str]:
    """The state of each of `count` equal parts of the window, the gravest where there were several; empty where unknown."""
    found = [""] * count
    for stretch in sorted(breaker.stretches, key=lambda one: gravity(one.state)):
        first, last = (
            min(count - 1, (moment - over.start_ns) * count // over.length_ns)
            for moment in (stretch.start_ns, max(stretch.start_ns, stretch.end_ns - 1))
        )
        found[first : last + 1] = [stretch.state] * (last + 1 - first)
    return found


def bars(breaker: BreakerStats, over: Window) -> list[tuple[str, str, Stretch]]:
    """Where each stretch begins and how wide it is, in percent of the window; the shortest last, to be drawn over the others."""

    def percent(part: int) -> str:
        return f"{100 * part / over.length_ns:.5g}"

    return [
        (percent(one.start_ns - over.start_ns), percent(one.end_ns - one.start_ns), one)
        for one in sorted(breaker.stretches, key=lambda one: one.start_ns - one.end_ns)
    ]


def in_words(breaker: BreakerStats) -> str:
    """The strip for who cannot see it: `closed 2 min 5 s, open 30 s, half-open 20 ms, closed 1 min 0 s`."""
    return ", ".join(f"{state(one.state)} {duration(one.end_ns - one.start_ns)}" for one in breaker.stretches)
