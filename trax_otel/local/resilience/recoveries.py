"""Recoveries, what was tried in them, degraded features, and operations that went on after an interruption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ... import semconv
from ..filters import span_conditions, where
from ..formats import shown
from ..model import Filter, Link
from ..schema import RESUMED_SPANS
from ..words import ANSWERED, seconds_ns
from .counts import Rows
from .features import FeatureStats, feature_stats

MOST: Final = 50_000
"""Spans of recoveries, the newest, that are looked at."""
DEEPEST: Final = 20
"""Steps of a recovery inside each other that are followed."""
KINDS: Final = (
    semconv.RECOVERY_SPAN, semconv.RECOVERY_STRATEGY_SPAN, semconv.RECOVERY_FALLBACK_SPAN, semconv.RECOVERY_CLEANUP_SPAN,
)  # fmt: skip
_NAMED_BY: Final = {
    semconv.RECOVERY_STRATEGY_SPAN: semconv.RECOVERY_STRATEGY,
    semconv.RECOVERY_FALLBACK_SPAN: semconv.RECOVERY_FALLBACK,
    semconv.RECOVERY_CLEANUP_SPAN: semconv.OPERATION_NAME,
}
RECOVERED: Final = "recovered"


@dataclass(frozen=True)
class RecoveryStats:
    """Recoveries of one operation that ended in the same way. `answered` names the strategy, and the fallback inside it."""

    service: str
    operation: str
    answered: str
    outcome: str
    count: int
    stale: int
    """Answers from a cache past their fresh time."""
    oldest_ns: int | None
    """The age of the oldest cached answer."""
    p50_ns: int
    p95_ns: int
    last_ns: int
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class TriedStats:
    """One strategy, fallback or cleanup, by how it ended."""

    service: str
    kind: str
    name: str
    outcome: str
    count: int
    p50_ns: int
    p95_ns: int
    last_ns: int
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Resumed:
    """A run that went on with an operation which another run had left."""

    service: str
    operation_id: str
    operation_type: str
    recoveries: int
    outcome: str
    start_ns: int
    duration_ns: int
    trace_id: str
    span_id: str
    interrupted: tuple[Link, ...]


@dataclass(frozen=True)
class Recoveries:
    """All of it."""

    recoveries: tuple[RecoveryStats, ...]
    tried: tuple[TriedStats, ...]
    features: tuple[FeatureStats, ...]
    resumed: tuple[Resumed, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.recoveries or self.tried or self.features or self.resumed)


@dataclass(frozen=True)
class _Step:
    """A span of a recovery."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: str
    start_ns: int
    duration_ns: int
    attributes: dict[str, Any]

    def said(self, key: str) -> str:
        return shown(self.attributes[key]) if key in self.attributes else ""

    @property
    def outcome(self) -> str:
        return self.said(semconv.RECOVERY_OUTCOME) or self.said(semconv.OUTCOME) or "unknown"


@dataclass
class _Group:
    newest: _Step
    durations: list[int] = field(default_factory=list)
    ages: list[int] = field(default_factory=list)
    stale: int = 0


def recoveries(rows: Rows, wanted: Filter) -> Recoveries:
    """What fits, the newest first. `operation` in the filter is the operation that was recovered."""
    steps = list(_steps(rows, wanted))
    return Recoveries(
        tuple(_recovered(steps, wanted)), tuple(_tried(steps, wanted)), tuple(feature_stats(rows, wanted)),
        tuple(_resumed(rows, wanted)),
    )  # fmt: skip


def _steps(rows: Rows, wanted: Filter) -> Iterator[_Step]:
    conditions, values = span_conditions(
        Filter(service=wanted.service, since_ns=wanted.since_ns, until_ns=wanted.until_ns),
        "s.name IN ({})".format(", ".join(f"'{kind}'" for kind in KINDS)),
    )
    for service, trace_id, span_id, parent_id, name, start_ns, duration_ns, attributes in rows(
        "SELECT r.service, s.trace_id, s.span_id, s.parent_id, s.name, s.start_ns, s.duration_ns, s.attributes"
        " FROM span s INDEXED BY span_operation JOIN resource r ON r.id = s.resource_id"
        f" {where(conditions)} ORDER BY s.start_ns DESC LIMIT ?",
        (*values, MOST),
    ):
        yield _Step(service, trace_id, span_id, parent_id, name, start_ns, duration_ns, json.loads(attributes))


# --- Spans -------------------------------------------------------------------------------------------------------------------


def _recovered(steps: list[_Step], wanted: Filter) -> list[RecoveryStats]:
    known = {(step.trace_id, step.span_id): step for step in steps}
    answers = _answers(steps, known)
    groups: dict[tuple[str, str, str, str], _Group] = {}
    for root in steps:
        if (root.trace_id, root.parent_id or "") in known or root.kind == semconv.RECOVERY_CLEANUP_SPAN:
            continue
        answer = answers.get((root.trace_id, root.span_id))
        strategy = root.said(semconv.RECOVERY_STRATEGY) if root.outcome in ANSWERED else ""
        fallback = answer.said(semconv.RECOVERY_FALLBACK) if answer else ""
        answered = " › ".join(dict.fromkeys(filter(None, (strategy, fallback))))
        operation = root.said(semconv.OPERATION_NAME)
        if _fits(wanted, operation, answered, root):
            _add(groups, (root.service, operation, answered, root.outcome), root, answer or root)
    return [
        RecoveryStats(
            *key, len(group.durations), group.stale, max(group.ages, default=None), *_percentiles(group.durations),
            group.newest.start_ns, group.newest.trace_id, group.newest.span_id,
        )
        for key, group in groups.items()
    ][: wanted.limit]  # fmt: skip


def _answers(steps: list[_Step], known: dict[tuple[str, str], _Step]) -> dict[tuple[str, str], _Step]:
    """The fallback that answered, by the outermost span of its recovery."""
    found: dict[tuple[str, str], _Step] = {}
    for step in steps:
        if step.kind != semconv.RECOVERY_FALLBACK_SPAN or step.outcome != RECOVERED:
            continue
        root = step
        for _ in range(DEEPEST):  # a broken sender may make a circle of parents
            root = known.get((root.trace_id, root.parent_id or ""), root)
        found.setdefault((root.trace_id, root.span_id), step)
    return found


def _tried(steps: list[_Step], wanted: Filter) -> list[TriedStats]:
    groups: dict[tuple[str, str, str, str], _Group] = {}
    for step in steps:
        name = step.said(_NAMED_BY.get(step.kind, ""))
        if step.kind != semconv.RECOVERY_SPAN and _fits(wanted, step.said(semconv.OPERATION_NAME), name, step):
            _add(groups, (step.service, step.kind, name, step.outcome), step, step)
    return [
        TriedStats(
            *key, len(group.durations), *_percentiles(group.durations), group.newest.start_ns, group.newest.trace_id,
            group.newest.span_id,
        )
        for key, group in groups.items()
    ][: wanted.limit]  # fmt: skip


def _fits(wanted: Filter, operation: str, name: str, step: _Step) -> bool:
    return (
        wanted.operation in ("", operation)
        and wanted.text.casefold() in f"{operation} {name} {step.outcome}".casefold()
        and (not wanted.errors_only or step.outcome not in (*ANSWERED, "success"))
    )


def _add(groups: dict[Any, _Group], key: Any, step: _Step, answer: _Step) -> None:
    group = groups.setdefault(key, _Group(step))
    group.durations.append(step.duration_ns)
    group.stale += answer.attributes.get(semconv.RECOVERY_CACHE_STALE) is True
    age = seconds_ns(answer.attributes.get(semconv.RECOVERY_CACHE_AGE))
    if age is not None:
        group.ages.append(age)


def _percentiles(durations: list[int]) -> tuple[int, int]:
    durations.sort()
    p50, p95 = (durations[-(-len(durations) * percent // 100) - 1] for percent in (50, 95))
    return p50, p95


# --- Operations with state ---------------------------------------------------------------------------------------------------


def _resumed(rows: Rows, wanted: Filter) -> Iterator[Resumed]:
    conditions, values = span_conditions(
        Filter(service=wanted.service, operation=wanted.operation, since_ns=wanted.since_ns, until_ns=wanted.until_ns,
               text=wanted.text, errors_only=wanted.errors_only),
        RESUMED_SPANS.replace("attributes", "s.attributes"),
    )  # fmt: skip
    for service, trace_id, span_id, start, duration, status, text, links in rows(
        "SELECT r.service, s.trace_id, s.span_id, s.start_ns, s.duration_ns, s.status, s.attributes, s.links"
        f" FROM span s JOIN resource r ON r.id = s.resource_id {where(conditions)} ORDER BY s.id DESC LIMIT ?",
        (*values, wanted.limit),
    ):
        attributes = json.loads(text)
        times = attributes.get(semconv.STATE_RECOVERIES)
        yield Resumed(
            service, shown(attributes.get(semconv.STATE_OPERATION_ID, "")),
            shown(attributes.get(semconv.STATE_OPERATION_TYPE, "")), times if isinstance(times, int) else 0,
            shown(attributes.get(semconv.OUTCOME, "failure" if status == 2 else "unknown")), start, duration, trace_id, span_id,
            tuple(Link(*link) for link in json.loads(links)),
        )  # fmt: skip
