"""How far features are degraded, by their gauges and the events that name the levels."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ... import semconv
from ..formats import shown
from ..model import Filter
from .counts import LAST_NS, Rows
from .events import happened

Key = tuple[str, str, str]


@dataclass(frozen=True)
class FeatureStats:
    """How far a feature of one process is degraded: `level` 0 works fully."""

    service: str
    instance: str
    feature: str
    level: int
    name: str
    """The level's name, where an event told it."""
    worst: int
    since_ns: int
    last_ns: int


def feature_stats(rows: Rows, wanted: Filter) -> list[FeatureStats]:
    """The features that fit, the most degraded first."""
    names: dict[Key, tuple[int, str]] = {}
    for one in happened(rows, semconv.FEATURE_CHANGED_EVENT, wanted):
        feature, level = (shown(one.attributes.get(key, "")) for key in (semconv.FEATURE_NAME, semconv.FEATURE_LEVEL))
        names[one.service, one.instance, feature] = (one.time_ns, level)
    found = [
        _stats(key, levels, names.get(key, (0, "")))
        for key, levels in _samples(rows, wanted).items()
        if wanted.text.casefold() in key[2].casefold() and wanted.operation in ("", key[2])
    ]
    found = [one for one in found if one.level or not wanted.errors_only]
    return sorted(found, key=lambda one: (-one.level, -one.worst, one.service, one.feature))[: wanted.limit]


def _samples(rows: Rows, wanted: Filter) -> dict[Key, list[tuple[int, int]]]:
    """(time, level) of each feature, oldest first."""
    samples: dict[Key, list[tuple[int, int]]] = {}
    for service, instance, text, time_ns, value in rows(
        "SELECT r.service, r.instance, e.attributes, p.time_ns, p.value FROM series e"
        " JOIN resource r ON r.id = e.resource_id JOIN point p ON p.series_id = e.id"
        " WHERE e.name = ? AND p.value IS NOT NULL AND (? = '' OR r.service = ?) AND p.time_ns >= ? AND p.time_ns <= ?"
        " ORDER BY p.time_ns",
        (semconv.FEATURE_LEVELS.name, wanted.service, wanted.service, wanted.since_ns, wanted.until_ns or LAST_NS),
    ):
        feature = shown(json.loads(text).get(semconv.FEATURE_NAME, ""))
        samples.setdefault((service, instance, feature), []).append((time_ns, round(value)))
    return samples


def _stats(key: Key, levels: list[tuple[int, int]], told: tuple[int, str]) -> FeatureStats:
    last_ns, level = levels[-1]
    before = [time_ns for time_ns, one in levels if one != level]
    since = next(time_ns for time_ns, _ in levels if not before or time_ns > before[-1])
    told_ns, name = told
    if before and before[-1] < told_ns <= since:
        since = told_ns  # the event says it more exactly than the samples around it
    return FeatureStats(*key, level, name if told_ns <= last_ns else "", max(one for _, one in levels), since, last_ns)
