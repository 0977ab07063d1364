"""Resources: what processes, containers and machines use, and when they will have used it up."""

from __future__ import annotations

from typing import Any

from trax_otel import semconv

from .. import layout, panels, queries
from ..names import label
from ..panels import RED, YELLOW, legend, limits, prometheus
from ..queries import equal, own, per_second, total, worst

SERVICE, INSTANCE = semconv.SERVICE_NAME, semconv.SERVICE_INSTANCE_ID
MOUNT = semconv.FILESYSTEM_MOUNTPOINT
EACH = (SERVICE, INSTANCE)
NO_METRIC = "No metric has come yet: a service exports once a minute"
NO_LIMIT = "No container with a limit reports: its cgroup sets none"
FULL = limits((0.8, YELLOW), (0.9, RED))
DAY = 86_400
MONTH = 30 * DAY


def resources() -> Any:
    """Everything about resources."""
    return layout.dashboard(
        "trax-resources",
        "Resources",
        "CPU, memory, disk, files and threads of processes, containers and machines, and when they run out.",
        [
            ("At a glance", glance()),
            ("Processes", processes()),
            ("Containers", containers()),
            ("Machines", machines()),
            ("Disk, and when it is full", disks()),
            ("Operations", operations()),
        ],
    )


def used(*by: str) -> str:
    """The share of a machine's memory that is used."""
    return worst(semconv.SYSTEM_MEMORY_UTILIZATION, *by, where=equal(semconv.MEMORY_STATE, "used"))


def space(state: str, *by: str) -> str:
    """The disk's space in this state; instances on one machine see the same disk."""
    return worst(semconv.SYSTEM_FILESYSTEM_USAGE, *by, where=equal(semconv.FILESYSTEM_STATE, state))


def until_full(*by: str) -> str:
    """Seconds until a disk is full if it goes on as in the last hours; at most 30 days."""
    names = ", ".join(map(label, by))
    growth = (
        f"max by ({names}) (deriv({own(semconv.SYSTEM_FILESYSTEM_USAGE, equal(semconv.FILESYSTEM_STATE, 'used'))}[6h]))"
    )
    return f"clamp_max({space('free', *by)} / clamp_min({growth}, 1), {MONTH})"


def glance() -> list[Any]:
    """Five numbers: the fullest of each kind."""
    fullest = (
        ("CPU", worst(semconv.SYSTEM_CPU_UTILIZATION), "A machine that computes all the time makes every request slow.",
         "The process that uses it is in Processes; add machines or find what spins."),
        ("Memory", used(), "At 100% the system ends a process.", "Find the process that grows in Processes below."),
        ("Disk", worst(semconv.SYSTEM_FILESYSTEM_UTILIZATION), "On a full disk, saving and logging fail.",
         "Delete or rotate what grows; TRAX-015 is the code of what fails then."),
    )  # fmt: skip
    return [
        *(panels.stat(title, "percentunit", prometheus(query), empty=NO_METRIC, steps=FULL,
                      shows=f"The fullest of the services' machines. {shows}", act=act) for title, query, shows, act in fullest),
        panels.stat(
            "Container memory", "percentunit", prometheus(worst(semconv.CONTAINER_MEMORY_UTILIZATION)), empty=NO_LIMIT,
            steps=FULL,
            shows="The container nearest to its memory limit.",
            act="At its limit it is killed: raise the limit or find the leak.",
        ),
        panels.stat(
            "Disk full in", "s", prometheus(f"min({until_full(SERVICE, MOUNT)})"), empty=NO_METRIC, width=8,
            steps=limits((DAY, YELLOW), (4 * DAY, "green"), first=RED),
            shows="How long the disk that fills fastest lasts at the pace of the last six hours; 30 days is 30 or more.",
            act="Below a day an alert fires: delete, rotate or enlarge today.",
        ),
    ]  # fmt: skip


def processes() -> list[Any]:
    """What each process uses."""
    cpu_time = per_second(semconv.PROCESS_CPU_TIME, SERVICE, semconv.CPU_MODE)
    told = (
        ("CPU by process", "percentunit", worst(semconv.PROCESS_CPU_UTILIZATION, *EACH), EACH,
         "CPU that each process uses, as a share of all it may use.", "One process alone: a hot instance. All: traffic."),
        ("CPU time by mode", "none", cpu_time, (SERVICE, semconv.CPU_MODE), "CPU seconds a second, by mode.",
         "Much system time: files, sockets, memory. Much user time: computing; profile it."),
        ("Memory by process", "bytes", worst(semconv.PROCESS_MEMORY_USAGE, *EACH), EACH, "Resident memory of each process.",
         "A line that climbs for days is a leak: compare with Memory by operation."),
        ("Virtual memory by process", "bytes", worst(semconv.PROCESS_MEMORY_VIRTUAL, *EACH), EACH,
         "Committed virtual memory of each process.",
         "Far above resident memory and growing: mapped files or threads."),
        ("Open files by process", "none", worst(semconv.PROCESS_OPEN_FILES, *EACH), EACH,
         "File descriptors that each process has open.",
         "A climb that never falls: files or sockets that are not closed. The limit is `ulimit -n`."),
        ("Threads by process", "none", worst(semconv.PROCESS_THREADS, *EACH), EACH, "Threads of each process.",
         "A climb: threads that are started and never end; something waits for ever."),
        ("Age of processes", "s", worst(semconv.PROCESS_UPTIME, *EACH), EACH, "Time since each process started.",
         "A saw: it dies and is started again. Look at its last log lines, and at memory limits."),
    )  # fmt: skip
    return [
        panels.timeseries(
            title,
            unit,
            prometheus(query, legend(*by)),
            width=6 if index < 4 else 8,
            height=7,
            empty=NO_METRIC,
            shows=shows,
            act=act,
        )
        for index, (title, unit, query, by, shows, act) in enumerate(told)
    ]


def containers() -> list[Any]:
    """cgroups: what is used, and what may be."""
    limit = prometheus(worst(semconv.CONTAINER_MEMORY_LIMIT, *EACH), f"limit {legend(*EACH)}")
    return [
        panels.timeseries(
            "Container memory and limit", "bytes",
            prometheus(worst(semconv.CONTAINER_MEMORY_USAGE, *EACH), f"used {legend(*EACH)}"), limit, width=8,
            empty="No process runs in a cgroup that tells",
            shows="Memory that the container uses, and the most that it may use.",
            act="At the limit the container is killed without a word in its own log.",
        ),
        panels.timeseries(
            "Share of the container's memory", "percentunit",
            prometheus(worst(semconv.CONTAINER_MEMORY_UTILIZATION, *EACH), legend(*EACH)), width=8, most=1.0,
            steps=limits((0.9, RED)), empty=NO_LIMIT,
            shows="Memory as a share of the limit; an alert fires at 90%.",
            act="Raise the limit, or find what grows.",
        ),
        panels.timeseries(
            "CPUs that a container may use", "none", prometheus(worst(semconv.CONTAINER_CPU_LIMIT, *EACH), legend(*EACH)),
            width=8, empty=NO_LIMIT,
            shows="The quota of the container's cgroup, in CPUs.",
            act="CPU by process near 100% of it: the container is held back, not the machine. Raise the quota.",
        ),
    ]  # fmt: skip


def machines() -> list[Any]:
    """CPU and memory of machines."""
    by_state = total(own(semconv.SYSTEM_MEMORY_USAGE), SERVICE, semconv.MEMORY_STATE)
    return [
        panels.timeseries(
            "CPU of machines", "percentunit", prometheus(worst(semconv.SYSTEM_CPU_UTILIZATION, SERVICE), legend(SERVICE)),
            width=8, most=1.0, steps=limits((0.9, RED)), empty=NO_METRIC,
            shows="CPU that is busy on the services' machines, all programs together; an alert fires at 90%.",
            act="Not the service's own processes? Then a neighbour on the machine is.",
        ),
        panels.timeseries(
            "Memory of machines", "percentunit", prometheus(used(SERVICE), legend(SERVICE)), width=8, most=1.0,
            steps=limits((0.9, RED)), empty=NO_METRIC,
            shows="Memory in use on the services' machines; an alert fires at 90%.",
            act="Find the process that grows above.",
        ),
        panels.timeseries(
            "Memory by state", "bytes", prometheus(by_state, legend(SERVICE, semconv.MEMORY_STATE)), width=8, stacked=True,
            empty=NO_METRIC,
            shows="Used and free memory, summed over the instances that report.",
            act="Little free memory alone is no fault; little free and much swapping is.",
        ),
    ]  # fmt: skip


def disks() -> list[Any]:
    """Space, and the day on which it ends."""
    by = (SERVICE, MOUNT)
    free = own(semconv.SYSTEM_FILESYSTEM_USAGE, equal(semconv.FILESYSTEM_STATE, "free"))
    predicted = f"min by ({', '.join(map(label, by))}) (predict_linear({free}[6h], {DAY}))"
    return [
        panels.timeseries(
            "Disk used", "percentunit", prometheus(worst(semconv.SYSTEM_FILESYSTEM_UTILIZATION, *by), legend(*by)), width=8,
            most=1.0, steps=limits((0.9, RED)), empty=NO_METRIC,
            shows="Share of the file system that holds the working directory; an alert fires at 90%.",
            act="Rotate logs, delete what is old, enlarge the volume.",
        ),
        panels.timeseries(
            "Free space, now and in a day", "bytes", prometheus(space("free", *by), f"now {legend(*by)}"),
            prometheus(predicted, f"in a day {legend(*by)}"), width=8, least=None, steps=limits(first=RED), empty=NO_METRIC,
            shows="Free space, and what is left in 24 hours if it goes on as in the last six.",
            act="A prediction below 0 is a full disk tomorrow: an alert fires, act today.",
        ),
        panels.timeseries(
            "Time until the disk is full", "s", prometheus(until_full(*by), legend(*by)), width=8, empty=NO_METRIC,
            shows="At the pace of the last six hours; 30 days means 30 or more.",
            act="Look for what is written: logs, caches, state, temporary files.",
        ),
    ]  # fmt: skip


def operations() -> list[Any]:
    """Which operation uses what, where that is asked for."""
    by = (SERVICE, semconv.OPERATION_NAME)
    unmeasured = "No operation measures it: set metrics.operation_resources or resources=True"
    return [
        panels.timeseries(
            "CPU time by operation", "s", prometheus(queries.mean(semconv.OPERATION_CPU, *by), legend(*by)), empty=unmeasured,
            shows="CPU seconds that the whole process used while the operation ran, on average.",
            act="High next to its duration: it computes. Low: it waits; look at its traces.",
        ),
        panels.timeseries(
            "Memory by operation", "bytes", prometheus(worst(semconv.OPERATION_MEMORY, *by), legend(*by)), empty=unmeasured,
            shows="Resident memory of the process as the operation last ended.",
            act="The operation after which the line steps up, and stays, is the one that keeps memory.",
        ),
    ]  # fmt: skip
