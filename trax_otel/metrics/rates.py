"""How often operations ran, how they ended and how long they took, told from this process's aggregate."""

from __future__ import annotations

from collections.abc import Iterable

from .. import semconv
from ..signals import Series, snapshot
from .distribution import Distribution
from .operation import FAILURE, SUCCESS

OTHER = "(other)"
"""The name under which the operations beyond the limit of names are listed, all together."""
_UNKNOWN = "(unknown)"


class OperationStats:
    """All runs of one operation in this process so far. Durations are seconds, memory bytes.

    `outcomes` counts runs by outcome, `errors` failures by error code. `cpu` (seconds a run) and `memory` (at the end
    of the last run) are None where resources were never measured.
    """

    __slots__ = ("active", "cpu", "durations", "errors", "memory", "name", "outcomes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcomes: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.active = 0
        self.durations: Distribution | None = None
        self.cpu: Distribution | None = None
        self.memory: float | None = None

    @property
    def count(self) -> int:
        """Runs that have ended."""
        return sum(self.outcomes.values())

    @property
    def judged(self) -> int:
        """Successes and failures. Cancelled and rejected runs tell nothing of how well the operation works."""
        return self.outcomes.get(SUCCESS, 0) + self.outcomes.get(FAILURE, 0)

    @property
    def success_rate(self) -> float | None:
        """Successes as a share of successes and failures; None before the first."""
        return self.outcomes.get(SUCCESS, 0) / self.judged if self.judged else None

    @property
    def failure_rate(self) -> float | None:
        """Failures as a share of successes and failures; None before the first."""
        return self.outcomes.get(FAILURE, 0) / self.judged if self.judged else None


def operation_stats(series: Iterable[Series] | None = None) -> dict[str, OperationStats]:
    """The operations of this process by name, whether or not an SDK is set up. `series`: a snapshot taken before."""
    found: dict[str, OperationStats] = {}
    for entry in snapshot() if series is None else series:
        if entry.spec.name not in _READERS:
            continue
        name = str(entry.attributes.get(semconv.OPERATION_NAME, OTHER))
        _READERS[entry.spec.name](found.setdefault(name, OperationStats(name)), entry)
    return {name: stats for name, stats in found.items() if stats.count or stats.active}


def _read_durations(stats: OperationStats, entry: Series) -> None:
    durations = Distribution.of(entry)
    stats.durations = durations if stats.durations is None else stats.durations + durations
    outcome = str(entry.attributes.get(semconv.OUTCOME, _UNKNOWN))
    stats.outcomes[outcome] = stats.outcomes.get(outcome, 0) + entry.count
    if outcome == FAILURE:
        code = str(entry.attributes.get(semconv.ERROR_CODE, _UNKNOWN))
        stats.errors[code] = stats.errors.get(code, 0) + entry.count


def _read_active(stats: OperationStats, entry: Series) -> None:
    stats.active = int(entry.value)


def _read_cpu(stats: OperationStats, entry: Series) -> None:
    stats.cpu = Distribution.of(entry)


def _read_memory(stats: OperationStats, entry: Series) -> None:
    stats.memory = entry.value


_READERS = {
    semconv.OPERATION_DURATION.name: _read_durations,
    semconv.OPERATION_ACTIVE.name: _read_active,
    semconv.OPERATION_CPU.name: _read_cpu,
    semconv.OPERATION_MEMORY.name: _read_memory,
}
