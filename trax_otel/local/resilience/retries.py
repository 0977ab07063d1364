"""Retried operations by how they ended, as the service itself counted them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ... import semconv
from ..formats import shown
from ..model import Filter
from .counts import Count, Rows, counts

AT_ONCE: Final = "succeeded_without_retry"
AFTER_RETRY: Final = "succeeded_with_retry"
NOT_RETRIED: Final = "failed_without_retry"
IN_VAIN: Final = "failed_with_retry"


@dataclass(frozen=True)
class RetryStats:
    """One operation of one service, over all its processes. `ends` counts calls by `trax.retry.outcome`."""

    service: str
    operation: str
    ends: Mapping[str, int]
    calls: int
    attempts: int
    waits: int
    waited_ns: int
    last_ns: int
    trace_ids: tuple[str, ...]
    """Of traces with a wait, where exemplars tell."""

    @property
    def others(self) -> dict[str, int]:
        """The ends beside the four ways to succeed or fail."""
        four = (AT_ONCE, AFTER_RETRY, NOT_RETRIED, IN_VAIN)
        return {end: count for end, count in self.ends.items() if end not in four and count}

    @property
    def failed(self) -> int:
        """Calls that did not succeed."""
        return self.calls - self.ends.get(AT_ONCE, 0) - self.ends.get(AFTER_RETRY, 0)

    @property
    def attempts_per_call(self) -> float | None:
        """How often a call was made on average; None where that is not known."""
        return self.attempts / self.calls if self.calls and self.attempts else None


@dataclass
class _Figures:
    ends: dict[str, int] = field(default_factory=dict)
    attempts: float = 0
    waits: int = 0
    waited: float = 0
    last_ns: int = 0
    trace_ids: tuple[str, ...] = ()


def retry_stats(rows: Rows, wanted: Filter) -> list[RetryStats]:
    """The retried operations that fit, those that failed or were repeated most first."""
    found: dict[tuple[str, str], _Figures] = {}
    for count in _of(rows, semconv.RETRY_OPERATIONS.name, wanted):
        figures = _figures(found, count)
        end = shown(count.attributes.get(semconv.RETRY_OUTCOME, "unknown"))
        figures.ends[end] = figures.ends.get(end, 0) + round(count.value)
    for count in _of(rows, semconv.RETRY_ATTEMPTS.name, wanted):
        _figures(found, count).attempts += count.value
    for count in _of(rows, semconv.RETRY_DELAYS.name, wanted):
        figures = _figures(found, count)
        figures.waits += count.observations
        figures.waited += count.value
        figures.trace_ids = count.trace_ids or figures.trace_ids
    stats = [
        RetryStats(
            service, operation, figures.ends, sum(figures.ends.values()), round(figures.attempts), figures.waits,
            round(figures.waited * 1e9), figures.last_ns, figures.trace_ids,
        )
        for (service, operation), figures in found.items()
    ]  # fmt: skip
    fitting = [one for one in stats if (one.failed or not wanted.errors_only) and (one.calls or one.attempts)]
    fitting.sort(key=lambda one: (-one.failed, -one.waits, -one.calls, one.service, one.operation))
    return fitting[: wanted.limit]


def _of(rows: Rows, name: str, wanted: Filter) -> Iterator[Count]:
    text = wanted.text.casefold()
    for count in counts(rows, name, wanted):
        operation = shown(count.attributes.get(semconv.OPERATION_NAME, ""))
        if (not wanted.operation or operation == wanted.operation) and text in operation.casefold():
            yield count


def _figures(found: dict[tuple[str, str], _Figures], count: Count) -> _Figures:
    operation = shown(count.attributes.get(semconv.OPERATION_NAME, ""))
    figures = found.setdefault((count.service, operation), _Figures())
    figures.last_ns = max(figures.last_ns, count.last_ns)
    return figures
