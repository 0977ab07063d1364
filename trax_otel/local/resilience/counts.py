"""What counters and histograms came to within a time, whatever restarts there were."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ..model import Attributes, Filter

Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
LAST_NS: Final = 2**63 - 1
_SELECT: Final = """
SELECT e.id, r.service, r.instance, e.attributes, e.temporality, p.time_ns, coalesce(p.value, p.sum, 0), coalesce(p.count, 0),
  p.start_ns, p.exemplars
FROM series e JOIN resource r ON r.id = e.resource_id JOIN point p ON p.series_id = e.id
WHERE e.name = ? AND (? = '' OR r.service = ?) AND p.time_ns >= ? AND p.time_ns <= ?
ORDER BY e.id, p.time_ns, p.id
"""


@dataclass(frozen=True)
class Count:
    """One series of one process: what it grew by. Of a histogram `value` is the sum, `observations` their number."""

    service: str
    instance: str
    attributes: Attributes
    value: float
    observations: int
    last_ns: int
    trace_ids: tuple[str, ...]
    """Of its newest exemplars."""


def counts(rows: Rows, name: str, wanted: Filter) -> Iterator[Count]:
    """The growth of each series of a metric; of its first point the whole, where the series began within the time."""
    found = rows(_SELECT, (name, wanted.service, wanted.service, wanted.since_ns, wanted.until_ns or LAST_NS))
    for _, points in groupby(found, key=lambda row: row[0]):
        series = list(points)
        _, service, instance, attributes, temporality, last = series[-1][:6]
        value, observations = _growth(series, temporality == "cumulative", wanted.since_ns)
        exemplars: list[str] = next((json.loads(row[9]) for row in reversed(series) if row[9] != "[]"), [])
        yield Count(service, instance, json.loads(attributes), value, observations, last,
                    tuple(dict.fromkeys(exemplars)))  # fmt: skip


def _growth(series: Sequence[tuple[Any, ...]], cumulative: bool, since_ns: int) -> tuple[float, int]:
    value, observations = 0.0, 0
    # What a process had counted before the time that is asked for is not part of it.
    base = (series[0][6], series[0][7]) if cumulative and series[0][8] < since_ns else (0.0, 0)
    for row in series:
        now = (row[6], row[7])
        anew = not cumulative or now[0] < base[0] or now[1] < base[1]
        value += now[0] - (0 if anew else base[0])
        observations += now[1] - (0 if anew else base[1])
        base = now
    return value, observations
