"""Health as metrics, under OpenTelemetry's standard names, read when an exporter (or `export_all_metrics`) asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from .. import lifecycle, semconv
from ..signals import observe
from .health import check_results

if TYPE_CHECKING:
    from ..semconv import MetricSpec
    from ..signals.aggregate import Observation
    from .cgroup import ContainerFigures
    from .resources import ProcessFigures, SystemFigures

_SPECS: Final = (
    semconv.PROCESS_CPU_TIME, semconv.PROCESS_CPU_UTILIZATION, semconv.PROCESS_MEMORY_USAGE,
    semconv.PROCESS_MEMORY_VIRTUAL, semconv.PROCESS_OPEN_FILES, semconv.PROCESS_THREADS, semconv.PROCESS_UPTIME,
    semconv.SYSTEM_CPU_UTILIZATION, semconv.SYSTEM_MEMORY_USAGE, semconv.SYSTEM_MEMORY_UTILIZATION,
    semconv.SYSTEM_FILESYSTEM_USAGE, semconv.SYSTEM_FILESYSTEM_UTILIZATION,
    semconv.CONTAINER_MEMORY_USAGE, semconv.CONTAINER_MEMORY_LIMIT, semconv.CONTAINER_MEMORY_UTILIZATION,
    semconv.CONTAINER_CPU_LIMIT,
)  # fmt: skip

_lock = lifecycle.ForkSafeLock()
_publishers = 0
_unregister: list[Callable[[], None]] = []


def publish_health_metrics() -> Callable[[], None]:
    """Let every export carry the `process.*`, `system.*` and container metrics and the health checks' results.

    Returns the function that ends it. Several may publish (the monitor, the SDK's set-up); they are published once,
    until the last has ended it.
    """
    global _publishers
    with _lock:
        _publishers += 1
        if _publishers == 1:
            _unregister.extend(observe(spec, partial(_rows, spec)) for spec in _SPECS)
            _unregister.append(observe(semconv.HEALTH_CHECKS, _checks))
    ended = False

    def end() -> None:
        global _publishers
        nonlocal ended
        with _lock:
            if ended:
                return
            ended = True
            _publishers -= 1
            while _publishers == 0 and _unregister:
                _unregister.pop()()

    return end


# --- Rows ------------------------------------------------------------------------------------------------------------

_USED: Final = "used"
_FREE: Final = "free"


def _process_rows(process: ProcessFigures) -> dict[MetricSpec, list[Observation]]:
    return {
        semconv.PROCESS_CPU_TIME: [
            (process.cpu_user_s, {semconv.CPU_MODE: "user"}), (process.cpu_system_s, {semconv.CPU_MODE: "system"}),
        ],
        semconv.PROCESS_CPU_UTILIZATION: [(process.cpu_utilization, {})],
        semconv.PROCESS_MEMORY_USAGE: [(process.memory, {})],
        semconv.PROCESS_MEMORY_VIRTUAL: [(process.memory_virtual, {})],
        semconv.PROCESS_OPEN_FILES: [] if process.open_files is None else [(process.open_files, {})],
        semconv.PROCESS_THREADS: [(process.threads, {})],
        semconv.PROCESS_UPTIME: [(process.uptime_s, {})],
    }  # fmt: skip


def _system_rows(system: SystemFigures) -> dict[MetricSpec, list[Observation]]:
    mount = {semconv.FILESYSTEM_MOUNTPOINT: system.disk_path}
    free = system.memory_total - system.memory_used
    return {
        semconv.SYSTEM_CPU_UTILIZATION: [(system.cpu_utilization, {})],
        semconv.SYSTEM_MEMORY_USAGE: [
            (system.memory_used, {semconv.MEMORY_STATE: _USED}), (free, {semconv.MEMORY_STATE: _FREE}),
        ],
        semconv.SYSTEM_MEMORY_UTILIZATION: [
            (system.memory_utilization, {semconv.MEMORY_STATE: _USED}),
            (1 - system.memory_utilization, {semconv.MEMORY_STATE: _FREE}),
        ],
        semconv.SYSTEM_FILESYSTEM_USAGE: [
            (system.disk_used, {**mount, semconv.FILESYSTEM_STATE: _USED}),
            (system.disk_free, {**mount, semconv.FILESYSTEM_STATE: _FREE}),
        ],
        semconv.SYSTEM_FILESYSTEM_UTILIZATION: [(system.disk_utilization, mount)],
    }  # fmt: skip


def _container_rows(container: ContainerFigures) -> dict[MetricSpec, list[Observation]]:
    figures = {
        semconv.CONTAINER_MEMORY_USAGE: container.memory_usage,
        semconv.CONTAINER_MEMORY_LIMIT: container.memory_limit,
        semconv.CONTAINER_MEMORY_UTILIZATION: container.memory_utilization,
        semconv.CONTAINER_CPU_LIMIT: container.cpu_limit,
    }
    return {spec: [] if value is None else [(value, {})] for spec, value in figures.items()}


def _rows(spec: MetricSpec) -> list[Observation]:
    from .resources import sample

    taken = sample()
    rows: dict[MetricSpec, list[Observation]] = {}
    if taken.process is not None:
        rows |= _process_rows(taken.process)
    if taken.system is not None:
        rows |= _system_rows(taken.system)
    if taken.container is not None:
        rows |= _container_rows(taken.container)
    return rows.get(spec, [])


def _checks() -> list[Observation]:
    return [(int(result.healthy), {semconv.HEALTH_CHECK_NAME: name}) for name, result in check_results().items()]
