"""The limits of the container that the process runs in, read from the files of cgroup v1 and v2.

A process may be in several groups, one inside the other; the tightest limit of them all is the one that holds. Inside a
container the path in /proc/self/cgroup may be the host's, which is not mounted there: then the mount's own root is the
container's group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeVar

N = TypeVar("N", int, float)

_MEMBERSHIP: Final = "proc/self/cgroup"
_MOUNT: Final = "sys/fs/cgroup"
_UNLIMITED: Final = 1 << 60
"""Version 1 writes "no limit" as the largest number of whole pages; nothing real comes near."""


class ContainerFigures(NamedTuple):
    """Limits and use of the cgroup. None: not limited, or not told. Memory in bytes, CPU in CPUs (0.5 is half of
    one)."""

    version: Literal[1, 2]
    memory_usage: int | None = None
    memory_limit: int | None = None
    cpu_limit: float | None = None
    processes: int | None = None
    processes_limit: int | None = None

    @property
    def memory_utilization(self) -> float | None:
        """Use as a share of the limit."""
        return self.memory_usage / self.memory_limit if self.memory_usage is not None and self.memory_limit else None


def read_container(root: Path = Path("/")) -> ContainerFigures | None:
    """The figures of this process's cgroup; None where there is none that limits or counts anything.

    `root` is where `proc` and `sys` are found, for tests and for agents that see a host mounted elsewhere.
    """
    groups = dict(_memberships(root))
    if not groups:
        return None
    unified = _read_unified(root, groups[""]) if "" in groups else None
    # A hybrid host has a unified tree without controllers beside the version 1 trees that count.
    found = unified if unified is not None else _read_legacy(root, groups)
    return found if found is not None and found != ContainerFigures(found.version) else None


def _memberships(root: Path) -> Iterator[tuple[str, str]]:
    """(controller, path) pairs; the unified hierarchy's controller is the empty name."""
    for line in _text(root / _MEMBERSHIP).splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3:
            for controller in fields[1].split(","):
                yield controller, fields[2]


# --- Version 2: one tree, a folder a group ---------------------------------------------------------------------------


def _read_unified(root: Path, path: str) -> ContainerFigures | None:
    mount = root / _MOUNT
    if not (mount / "cgroup.controllers").exists():
        return None
    groups = _lineage(mount, path)
    if not groups:
        return None
    own = groups[0]
    return ContainerFigures(
        version=2,
        memory_usage=_working_set(_number(own / "memory.current"), own / "memory.stat", "inactive_file"),
        memory_limit=_least(_number(group / "memory.max") for group in groups),
        cpu_limit=_least(_quota(*_pair(group / "cpu.max")) for group in groups),
        processes=_number(own / "pids.current"),
        processes_limit=_least(_number(group / "pids.max") for group in groups),
    )


# --- Version 1: a tree a controller ----------------------------------------------------------------------------------


def _read_legacy(root: Path, groups: dict[str, str]) -> ContainerFigures | None:
    def lineage(controller: str) -> list[Path]:
        path = groups.get(controller)
        if path is None:
            return []
        # The tree's folder bears the names of all controllers that share it, in one order or the other.
        shared = sorted(name for name, other in groups.items() if other == path and name.startswith("cpu"))
        names = [controller, ",".join(shared), ",".join(reversed(shared))]
        return next((found for name in names if name and (found := _lineage(root / _MOUNT / name, path))), [])

    memory, cpu, processes = lineage("memory"), lineage("cpu"), lineage("pids")
    return ContainerFigures(
        version=1,
        memory_usage=_working_set(
            _number(memory[0] / "memory.usage_in_bytes"), memory[0] / "memory.stat", "total_inactive_file"
        ) if memory else None,
        memory_limit=_least(_number(group / "memory.limit_in_bytes") for group in memory),
        cpu_limit=_least(
            _quota(_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")) for group in cpu
        ),
        processes=_number(processes[0] / "pids.current") if processes else None,
        processes_limit=_least(_number(group / "pids.max") for group in processes),
    )  # fmt: skip


# --- Files -----------------------------------------------------------------------------------------------------------


def _lineage(mount: Path, path: str) -> list[Path]:
    """The group's folder and those above it, innermost first; the mount alone where the path is the host's."""
    if not mount.is_dir():
        return []
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    own = mount.joinpath(*parts)
    if not own.is_dir():
        return [mount]
    return [mount.joinpath(*parts[:length]) for length in range(len(parts), -1, -1)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    """A count or a limit; None for `max`, for version 1's "unlimited", and for what cannot be read."""
    try:
        number = int(_text(path))
    except ValueError:
        return None
    return number if 0 <= number < _UNLIMITED else None


def _pair(path: Path) -> tuple[str, str]:
    first, _, second = _text(path).partition(" ")
    return first, second


def _quota(quota: str, period: str) -> float | None:
    """CPUs from microseconds of CPU per microseconds of time; `max` and -1 mean no limit."""
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None


def _least(values: Iterator[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return min(known, default=None)


def _working_set(usage: int | None, statistics: Path, inactive: str) -> int | None:
    """Memory in use without the file cache that the kernel would give back, as container runtimes show it."""
    if usage is None:
        return None
    for line in _text(statistics).splitlines():
        name, _, value = line.partition(" ")
        if name == inactive and value.isdigit():
            return max(0, usage - int(value))
    return usage
