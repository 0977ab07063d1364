"""How often something happened over time, as a row of small bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from .. import clock
from .model import OverTime

PARTS: Final = 24
_BARS: Final = "▁▂▃▄▅▆▇█"


def counted(seconds: Iterable[Counter[int]], since_ns: int, until_ns: int) -> Callable[[Counter[int]], OverTime]:
    """A function that spreads counts by second over a stretch of time, the same stretch for all that are compared.

    It goes from `since_ns` to `until_ns`, or now; without `since_ns` from the first of `seconds` to the last.
    """
    known = [moment for counts in seconds for moment in (min(counts), max(counts))]
    first = since_ns if since_ns > 1 else min(known, default=0) * 10**9
    now = clock.current().time_ns() if since_ns > 1 else 0
    last = max(until_ns or now, (0 if until_ns else max(known, default=0) + 1) * 10**9, first + 1)

    def spread(counts: Counter[int]) -> OverTime:
        parts = [0] * PARTS
        for second, count in counts.items():
            place = (second * 10**9 - first) * PARTS // (last - first)
            parts[min(max(place, 0), PARTS - 1)] += count
        return OverTime(tuple(parts), first, last)

    return spread


def bars(values: Sequence[float]) -> str:
    """Values as a row of characters: `▁` for none, and the highest for the largest of them."""
    most = max(values, default=0)
    if most <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[0] if value <= 0 else _BARS[max(1, round(value / most * 7))] for value in values)


def folded(counts: Sequence[int], parts: int) -> list[int]:
    """The same counts in fewer parts."""
    size = -(-len(counts) // parts)
    return [sum(counts[place : place + size]) for place in range(0, len(counts), size)]
