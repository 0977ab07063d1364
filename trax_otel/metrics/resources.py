"""What the process, the machine and the container use, sampled once for everyone who asks within a second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from .. import clock, lifecycle, originals
from .cgroup import ContainerFigures, read_container

if TYPE_CHECKING:
    import psutil

MAX_AGE: Final = 1.0
"""Seconds for which a sample serves: a dozen gauges read at one export cost one look at the system."""

T = TypeVar("T")


class ProcessFigures(NamedTuple):
    """This process. Seconds and bytes; `cpu_utilization` is its share of all CPU time available to it, 0 to 1."""

    cpu_user_s: float
    cpu_system_s: float
    cpu_utilization: float
    memory: int
    memory_virtual: int
    open_files: int | None
    threads: int
    uptime_s: float


class SystemFigures(NamedTuple):
    """The machine. Bytes and shares from 0 to 1; the disk is the one that holds the working directory (`disk_path`)."""

    cpu_utilization: float
    cpus: int
    memory_total: int
    memory_used: int
    disk_path: str
    disk_total: int
    disk_used: int
    disk_free: int

    @property
    def memory_utilization(self) -> float:
        """Share of memory that is in use."""
        return _share(self.memory_used, self.memory_total)

    @property
    def disk_utilization(self) -> float:
        """Share in use of the space that is not reserved for the system, as `df` reckons."""
        return _share(self.disk_used, self.disk_used + self.disk_free)


class Sample(NamedTuple):
    """All figures of one moment; a part that could not be read is None. `time_ns` is nanoseconds since the epoch."""

    time_ns: int
    process: ProcessFigures | None
    system: SystemFigures | None
    container: ContainerFigures | None


class Sampler:
    """Takes samples, no oftener than every `MAX_AGE` seconds. CPU shares are since the sample before; the first one's
    are since the process began and since the machine did."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self.renew()

    def renew(self) -> None:
        """Forget all earlier samples and the process they were of (a forked child is another)."""
        self._lock = originals.allocate_lock()
        self._process: psutil.Process | None = None
        self._process_before = (0.0, 0.0)  # CPU seconds, uptime
        self._system_before = (0.0, 0.0)  # busy seconds, all seconds
        self._taken_at = float("-inf")
        self._latest: Sample | None = None
        self._reported: set[str] = set()

    def sample(self) -> Sample:
        """The figures now, or those of less than a second ago. Never raises."""
        with self._lock:
            now = clock.current().monotonic()
            if self._latest is None or not 0 <= now - self._taken_at < MAX_AGE:
                self._taken_at = now
                container = self._try("container", lambda: read_container(self._root))
                self._latest = Sample(
                    time_ns=clock.current().time_ns(),
                    process=self._try("process", lambda: self._read_process(container)),
                    system=self._try("system", self._read_system),
                    container=container,
                )
            return self._latest

    def _try(self, part: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except Exception as error:  # no /proc, no permission, no psutil: the other parts are still worth having
            if part not in self._reported:
                self._reported.add(part)
                lifecycle.report(f"{part} figures cannot be read: {type(error).__name__}: {error}")
            return None

    def _read_process(self, container: ContainerFigures | None) -> ProcessFigures:
        import psutil

        if self._process is None:
            self._process = psutil.Process()
        process = self._process
        with process.oneshot():
            times, memory, threads = process.cpu_times(), process.memory_info(), process.num_threads()
            uptime = max(0.0, time.time() - process.create_time())  # the system's own times, so its own clock
            open_files = process.num_fds() if hasattr(process, "num_fds") else None
        used = times.user + times.system
        before_used, before_uptime = self._process_before
        self._process_before = (used, uptime)
        available = available_cpus(container) * (uptime - before_uptime)
        return ProcessFigures(
            cpu_user_s=times.user,
            cpu_system_s=times.system,
            cpu_utilization=_share(used - before_used, available),
            memory=memory.rss,
            memory_virtual=memory.vms,
            open_files=open_files,
            threads=threads,
            uptime_s=uptime,
        )

    def _read_system(self) -> SystemFigures:
        import psutil

        times = psutil.cpu_times()
        # A guest's time is in user time already; waiting for a disk is idling.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        busy = total - times.idle - getattr(times, "iowait", 0.0)
        before_busy, before_total = self._system_before
        self._system_before = (busy, total)
        memory = psutil.virtual_memory()
        path = _working_directory()
        disk = psutil.disk_usage(path)
        return SystemFigures(
            cpu_utilization=_share(busy - before_busy, total - before_total),
            cpus=psutil.cpu_count() or 1,
            memory_total=memory.total,
            memory_used=memory.total - memory.available,
            disk_path=_mount_of(path),
            disk_total=disk.total,
            disk_used=disk.used,
            disk_free=disk.free,
        )


def available_cpus(container: ContainerFigures | None) -> float:
    """The CPUs that this process may use: by affinity, and by the container's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = None if container is None else container.cpu_limit
    return float(affinity) if limit is None else min(float(affinity), limit)


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def _working_directory() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return "/"


def _mount_of(path: str) -> str:
    while not os.path.ismount(path):
        path = str(Path(path).parent)
    return path


_sampler = Sampler()


def sample() -> Sample:
    """The process's, the machine's and the container's figures now (at most a second old)."""
    return _sampler.sample()


lifecycle.register(lifecycle.Participant("resources", lifecycle.ORDER_PRODUCERS, after_fork_in_child=_sampler.renew))
