"""The state of the process, the machine and the container as a snapshot, with users' own checks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import lifecycle
from ..signals.stacktrace import describe
from .thresholds import thresholds
from .usage import MEGABYTE

if TYPE_CHECKING:
    from .cgroup import ContainerFigures
    from .resources import ProcessFigures, Sample, SystemFigures

Check = Callable[[], object]


class CheckResult:
    """What a user's check said last. `detail` is the text that came with it, or the exception it raised."""

    __slots__ = ("detail", "healthy")

    def __init__(self, healthy: bool, detail: str | None = None) -> None:
        self.healthy = healthy
        self.detail = detail

    def __repr__(self) -> str:
        return f"CheckResult(healthy={self.healthy}, detail={self.detail!r})"


_checks: dict[str, Check] = {}
_results: dict[str, CheckResult] = {}
_lock = lifecycle.ForkSafeLock()


def add_health_check(name: str, check: Check) -> Callable[[], None]:
    """Let the health monitor call `check()` at every tick; returns the function that ends it. A name taken is replaced.

    The check passes unless it returns False or raises; it may return `(passed, detail)`. The result is the gauge
    `trax.health.check.status` (1 or 0) and a part of `health()`. It runs on the monitor's thread and should be quick:
    set a time limit on what it asks. Raises TypeError for what is not callable and for coroutine functions.
    """
    if not callable(check) or inspect.iscoroutinefunction(check):
        raise TypeError(f"a health check is a plain function, called on the monitor's thread, not {check!r}")
    with _lock:
        _checks[name] = check
        _results.pop(name, None)

    def remove() -> None:
        with _lock:
            if _checks.get(name) is check:
                del _checks[name]
                _results.pop(name, None)

    return remove


def run_health_checks() -> dict[str, CheckResult]:
    """Run all checks now; their results by name. Never raises."""
    with _lock:
        checks = dict(_checks)
    results = {name: _run(check) for name, check in checks.items()}
    with _lock:
        _results.update({name: result for name, result in results.items() if _checks.get(name) is checks[name]})
    return results


def report_health_check(name: str, result: CheckResult) -> None:
    """Take in what a check of this name said where somebody else has just run it; one that is not added is ignored."""
    with _lock:
        if name in _checks:
            _results[name] = result


def _run(check: Check) -> CheckResult:
    try:
        answer = check()
        if isinstance(answer, tuple) and len(answer) == 2:
            passed, detail = answer
            return CheckResult(bool(passed), None if detail is None else str(detail))
        return CheckResult(answer is None or bool(answer))
    except Exception as error:
        return CheckResult(False, describe(error))


def check_results() -> dict[str, CheckResult]:
    """What the checks said last, by name; those that never ran are missing."""
    with _lock:
        return dict(_results)


# --- As a snapshot ---------------------------------------------------------------------------------------------------


def health() -> dict[str, Any]:
    """The state of things now, as JSON takes it: percent, MB (1 048 576 bytes) and seconds; None for what cannot be
    told.

    `status` is `healthy` unless a check failed (`unhealthy`) or a threshold is crossed (`degraded`). Checks are
    reported as they were at the monitor's last tick; those that never ran are run now. CPU is since the sample
    before, at most a second ago.
    """
    from .resources import sample

    with _lock:
        waiting = [name for name in _checks if name not in _results]
    if waiting:
        run_health_checks()
    results = check_results()
    crossed = [
        {"metric": threshold.metric, "attributes": attributes}
        for threshold in thresholds()
        for attributes in threshold.crossed
    ]
    failed = any(not result.healthy for result in results.values())
    return {
        "status": "unhealthy" if failed else "degraded" if crossed else "healthy",
        **_described(sample()),
        "checks": {name: {"healthy": result.healthy, "detail": result.detail} for name, result in results.items()},
        "thresholds_crossed": crossed,
    }


def _described(taken: Sample) -> dict[str, Any]:
    return {
        "process": None if taken.process is None else _process(taken.process),
        "system": None if taken.system is None else _system(taken.system),
        "container": None if taken.container is None else _container(taken.container),
    }


def _process(process: ProcessFigures) -> dict[str, Any]:
    return {
        "cpu_percent": 100 * process.cpu_utilization,
        "cpu_s": process.cpu_user_s + process.cpu_system_s,
        "memory_mb": process.memory / MEGABYTE,
        "memory_virtual_mb": process.memory_virtual / MEGABYTE,
        "open_files": process.open_files,
        "threads": process.threads,
        "uptime_s": process.uptime_s,
    }


def _system(system: SystemFigures) -> dict[str, Any]:
    return {
        "cpu_percent": 100 * system.cpu_utilization,
        "cpus": system.cpus,
        "memory_total_mb": system.memory_total / MEGABYTE,
        "memory_used_mb": system.memory_used / MEGABYTE,
        "memory_percent": 100 * system.memory_utilization,
        "disk_path": system.disk_path,
        "disk_total_mb": system.disk_total / MEGABYTE,
        "disk_used_mb": system.disk_used / MEGABYTE,
        "disk_percent": 100 * system.disk_utilization,
    }


def _container(container: ContainerFigures) -> dict[str, Any]:
    def megabytes(value: int | None) -> float | None:
        return None if value is None else value / MEGABYTE

    share = container.memory_utilization
    return {
        "cgroup": container.version,
        "memory_used_mb": megabytes(container.memory_usage),
        "memory_limit_mb": megabytes(container.memory_limit),
        "memory_percent": None if share is None else 100 * share,
        "cpu_limit": container.cpu_limit,
        "processes": container.processes,
        "processes_limit": container.processes_limit,
    }
