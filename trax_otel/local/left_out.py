"""Spans that services made and did not send, because they stood alone: how many, and of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from .. import semconv
from .formats import clean, shown
from .model import Filter
from .resilience.counts import counts

Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
NAMED: Final = 4
"""So many names are told, the most frequent ones."""


def left_out(rows: Rows, wanted: Filter) -> dict[str, int]:
    """How many spans of each name were left out, most first; none of them had failed."""
    if wanted.errors_only or wanted.code or wanted.trace_id:
        return {}
    found: Counter[str] = Counter()
    for count in counts(rows, semconv.SPANS_LIMITED.name, wanted):
        found[shown(count.attributes.get(semconv.LIMITED_SPAN, "?"))] += round(count.value)
    return {name: number for name, number in found.most_common() if number > 0}


def told(found: dict[str, int]) -> str:
    """The same in a sentence; empty where nothing was left out."""
    if not found:
        return ""
    names = [f"{clean(name)} {number}" for name, number in list(found.items())[:NAMED]]
    more = ", …" if len(found) > NAMED else ""
    return (
        f"{sum(found.values())} spans that stood alone are counted and not kept ({', '.join(names)}{more}): "
        "TRAX_ROOT_SPANS=all keeps them"
    )
