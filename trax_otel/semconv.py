"""Every telemetry name that trax_otel emits, once.

Standard OpenTelemetry attributes come first; `trax.*` names only what has no standard. `docs/telemetry.md` is
generated from this module, and a test refuses a `"trax.` literal anywhere else in the package. Durations are seconds,
sizes bytes, units UCUM, and every metric attribute has a bounded set of values.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

SCOPE: Final = "trax_otel"
"""The instrumentation scope of all spans, metrics and log records made here."""

# --- Standard attributes --------------------------------------------------------------------------

ERROR_TYPE: Final = "error.type"
"""The qualified name of the exception's class; unset on success."""
EXCEPTION_EVENT: Final = "exception"
"""The name of the event (span event or log record) that carries an exception."""
EXCEPTION_TYPE: Final = "exception.type"
"""The qualified name of the exception's class."""
EXCEPTION_MESSAGE: Final = "exception.message"
"""The exception's own text."""
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
"""The formatted traceback, the innermost frame last, causes included."""
EXCEPTION_ESCAPED: Final = "exception.escaped"
"""Whether the exception left the span's scope."""
CODE_FUNCTION_NAME: Final = "code.function.name"
"""The qualified name of the function that logged or was timed."""
CODE_FILE_PATH: Final = "code.file.path"
"""The source file."""
CODE_LINE_NUMBER: Final = "code.line.number"
"""The line in the source file."""
THREAD_NAME: Final = "thread.name"
"""The name of the thread in which an exception went uncaught."""

# --- Resource -------------------------------------------------------------------------------------

SERVICE_NAME: Final = "service.name"
"""The logical name of the service."""
SERVICE_VERSION: Final = "service.version"
"""The version of the service."""
SERVICE_INSTANCE_ID: Final = "service.instance.id"
"""A UUID, new for every process, forked workers included."""
TRAX_VERSION: Final = "trax.version"
"""Resource attribute: the version of trax_otel that reports."""

# --- Operations -----------------------------------------------------------------------------------

OPERATION_NAME: Final = "trax.operation.name"
"""What the user named: a timed block, a retried call, a recovered one."""
OUTCOME: Final = "trax.outcome"
"""How an operation ended: `success`, `failure`, `cancelled`, `rejected`."""
CORRELATION_ID: Final = "trax.correlation.id"
"""The id that ties the telemetry of one request or job together."""
OPERATION_CPU_TIME: Final = "trax.operation.cpu.time"
"""CPU seconds that the whole process used while the operation ran (user and system)."""
OPERATION_MEMORY_DELTA: Final = "trax.operation.memory.delta"
"""Change of the whole process's resident memory while the operation ran, in bytes."""

# --- Errors ---------------------------------------------------------------------------------------

ERROR_CODE: Final = "trax.error.code"
"""The registered code of the error, such as `TRAX-001`."""
ERROR_CATEGORY: Final = "trax.error.category"
"""The error's category: `network`, `api`, `filesystem`, `validation`, `processing`, `configuration` or a user's own."""
ERROR_RETRYABLE: Final = "trax.error.retryable"
"""Whether the same call may succeed when it is made again."""
ERROR_SEVERITY: Final = "trax.error.severity"
"""How grave the error is by its registration: `warning`, `error` or `critical`."""
ERROR_FINGERPRINT: Final = "trax.error.fingerprint"
"""Stable hash of code, type and the application's innermost frames: errors that belong together share it."""
ERROR_CONTEXT_PREFIX: Final = "trax.error.context."
"""Prefix of the context that the raiser of a TraxError attached to it."""
ERROR_RECORDED: Final = "trax.error.recorded"
"""True on a log record whose exception was recorded before, on a span or by an earlier record: it counts once."""
ERROR_HANDLED_BY: Final = "trax.error.source"
"""Where an uncaught exception surfaced: `main`, `thread`, `asyncio`, `unraisable`."""

# --- Retry ----------------------------------------------------------------------------------------

RETRY_ATTEMPT_SPAN: Final = "attempt"
"""The name of an attempt's span."""
RETRY_ATTEMPT: Final = "trax.retry.attempt"
"""The number of the attempt, from 1."""
RETRY_BACKDATED: Final = "trax.retry.backdated"
"""True on the span of a first attempt that was made after it had failed."""
RETRY_COUNT: Final = "trax.retry.count"
"""How many repeats an operation needed."""
RETRY_DELAY: Final = "trax.retry.delay"
"""The wait before the next attempt, in seconds."""
RETRY_SCHEDULED_EVENT: Final = "trax.retry.scheduled"
"""Event: another attempt will follow after a delay."""
RETRY_EXHAUSTED_EVENT: Final = "trax.retry.exhausted"
"""Event: no attempt is left."""

# --- Circuit breaker ------------------------------------------------------------------------------

BREAKER_NAME: Final = "trax.circuit_breaker.name"
"""The breaker's name."""
BREAKER_STATE: Final = "trax.circuit_breaker.state"
"""The breaker's state: `closed`, `open`, `half_open`, `isolated`."""
BREAKER_STATE_CHANGED_EVENT: Final = "trax.circuit_breaker.state_changed"
"""Event: the breaker changed its state."""

# --- Recovery -------------------------------------------------------------------------------------

RECOVERY_SPAN: Final = "recover"
"""The name of a recovery's span."""
RECOVERY_STRATEGY: Final = "trax.recovery.strategy"
"""The strategy that was tried."""
RECOVERY_OUTCOME: Final = "trax.recovery.outcome"
"""How the recovery ended."""

# --- Logs -----------------------------------------------------------------------------------------

LOG_EVENT: Final = "log"
"""The name of the span event that mirrors a log record."""
LOG_SEVERITY: Final = "log.severity"
"""The level's name on a span event that mirrors a log record."""
LOG_MESSAGE: Final = "log.message"
"""The message of a span event that mirrors a log record."""
LOGGER_NAME: Final = "log.logger"
"""The logger's name."""
LOG_EVENTS_DROPPED: Final = "trax.log.events.dropped"
"""How many log records of a span did not become span events, because the span had its share."""
SECURITY_EVENT: Final = "trax.security.event"
"""The kind of a security event, from a fixed vocabulary."""
SECURITY_OUTCOME: Final = "trax.security.outcome"
"""`success` or `failure` of what a security event reports."""
SECURITY_PREFIX: Final = "trax.security."
"""Prefix of a security event's details (actor, source, resource)."""

SECURITY_LOGGER: Final = "trax.security"
"""The name of the logger of security events."""

# --- Health ---------------------------------------------------------------------------------------

OPERATION_FAILURE_RATE: Final = "trax.operation.failure_rate"
"""What a threshold watches to learn of failing operations: failures as a share of successes and failures, by operation.
No metric: backends derive it from the outcomes on `trax.operation.duration`."""
THRESHOLD_METRIC: Final = "trax.threshold.metric"
"""The metric that a threshold watches."""
THRESHOLD_STATE: Final = "trax.threshold.state"
"""`crossed` or `cleared`."""
THRESHOLD_LIMIT: Final = "trax.threshold.limit"
"""The limit that was crossed or cleared."""
THRESHOLD_STATISTIC: Final = "trax.threshold.statistic"
"""What of the metric is watched: `value`, `rate`, `mean`, `p50`, `p90`, `p95` or `p99`."""
THRESHOLD_VALUE: Final = "trax.threshold.value"
"""The value that crossed or cleared the limit."""
THRESHOLD_EVENT: Final = "trax.threshold.changed"
"""Event: a watched metric crossed its limit or came back."""

HEALTH_CHECK_NAME: Final = "trax.health.check.name"
"""The name that a health check was added under."""
CPU_MODE: Final = "cpu.mode"
"""How CPU time was spent: `user` or `system`."""
MEMORY_STATE: Final = "system.memory.state"
"""What memory is doing: `used` or `free`."""
FILESYSTEM_MOUNTPOINT: Final = "system.filesystem.mountpoint"
"""Where the file system is mounted (the one that holds the working directory)."""
FILESYSTEM_STATE: Final = "system.filesystem.state"
"""What file system space is doing: `used` or `free`."""

# --- Our own telemetry ----------------------------------------------------------------------------

SIGNAL: Final = "trax.signal"
"""`traces`, `metrics` or `logs`."""
DROP_REASON: Final = "trax.drop.reason"
"""Why telemetry was dropped: `queue_full`, `rejected`, `unencodable`, `budget`, `transport`."""

Kind = Literal[
    "counter", "up_down_counter", "histogram", "gauge",
    "observable_counter", "observable_up_down_counter", "observable_gauge",
]  # fmt: skip

DURATION_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0,
)  # fmt: skip
"""Histogram bounds for durations in seconds; they reach 120 s because users alert on 30 s."""


class MetricSpec(NamedTuple):
    """What one metric is called and what may be on it.

    `attributes` names every attribute key that is ever set; `buckets` are a histogram's advisory bounds.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None


OPERATION_DURATION: Final = MetricSpec(
    "trax.operation.duration", "histogram", "s", "How long operations took.",
    (OPERATION_NAME, OUTCOME, ERROR_TYPE, ERROR_CODE), DURATION_BUCKETS,
)  # fmt: skip
OPERATION_ACTIVE: Final = MetricSpec(
    "trax.operation.active", "observable_up_down_counter", "{operation}", "Operations running now.", (OPERATION_NAME,)
)
OPERATION_CPU: Final = MetricSpec(
    "trax.operation.cpu.time", "histogram", "s",
    "CPU time that the whole process used while the operation ran; where resources are asked for.",
    (OPERATION_NAME,), DURATION_BUCKETS,
)  # fmt: skip
OPERATION_MEMORY: Final = MetricSpec(
    "trax.operation.memory.usage", "gauge", "By",
    "Resident memory of the whole process as the operation last ended; where resources are asked for.",
    (OPERATION_NAME,),
)  # fmt: skip
ERRORS: Final = MetricSpec(
    "trax.errors", "counter", "{error}", "Errors recorded, each once however many layers it crossed.",
    (ERROR_CODE, ERROR_CATEGORY, ERROR_TYPE, ERROR_RETRYABLE),
)  # fmt: skip
RETRY_OPERATIONS: Final = MetricSpec(
    "trax.retry.operations", "counter", "{operation}",
    "Retried operations by how they ended: succeeded or failed, without or with retry, and the other ends.",
    (OPERATION_NAME, OUTCOME),
)  # fmt: skip
RETRY_ATTEMPTS: Final = MetricSpec(
    "trax.retry.attempts", "counter", "{attempt}", "Calls made, first attempts included.", (OPERATION_NAME,)
)
RETRY_DELAYS: Final = MetricSpec(
    "trax.retry.delay", "histogram", "s", "Waits between attempts.", (OPERATION_NAME,), DURATION_BUCKETS
)
BREAKER_STATES: Final = MetricSpec(
    "trax.circuit_breaker.state", "gauge", "1", "One series a state: 1 for the state that holds, else 0.",
    (BREAKER_NAME, BREAKER_STATE),
)  # fmt: skip
BREAKER_TRANSITIONS: Final = MetricSpec(
    "trax.circuit_breaker.transitions", "counter", "{transition}", "Changes of a breaker's state.",
    (BREAKER_NAME, BREAKER_STATE),
)  # fmt: skip
BREAKER_CALLS: Final = MetricSpec(
    "trax.circuit_breaker.calls", "counter", "{call}", "Calls through a breaker by outcome.", (BREAKER_NAME, OUTCOME)
)
RECOVERY_ATTEMPTS: Final = MetricSpec(
    "trax.recovery.attempts", "counter", "{attempt}", "Recovery strategies tried, by outcome.",
    (OPERATION_NAME, RECOVERY_STRATEGY, RECOVERY_OUTCOME),
)  # fmt: skip
RECOVERY_DURATION: Final = MetricSpec(
    "trax.recovery.duration", "histogram", "s", "How long recoveries took.",
    (OPERATION_NAME, RECOVERY_STRATEGY, RECOVERY_OUTCOME), DURATION_BUCKETS,
)  # fmt: skip
THRESHOLD_CROSSINGS: Final = MetricSpec(
    "trax.threshold.crossings", "counter", "{crossing}", "Times a threshold was crossed or cleared.",
    (THRESHOLD_METRIC, THRESHOLD_STATE),
)  # fmt: skip
HEALTH_CHECKS: Final = MetricSpec(
    "trax.health.check.status", "observable_gauge", "1", "1 where a user's health check passed last time, else 0.",
    (HEALTH_CHECK_NAME,),
)  # fmt: skip
PROCESS_CPU_TIME: Final = MetricSpec(
    "process.cpu.time", "observable_counter", "s", "CPU time that the process used.", (CPU_MODE,)
)
PROCESS_CPU_UTILIZATION: Final = MetricSpec(
    "process.cpu.utilization", "observable_gauge", "1",
    "CPU time of the process since the last measurement, as a share of all that is available to it.",
)  # fmt: skip
PROCESS_MEMORY_USAGE: Final = MetricSpec(
    "process.memory.usage", "observable_up_down_counter", "By", "Resident memory of the process."
)
PROCESS_MEMORY_VIRTUAL: Final = MetricSpec(
    "process.memory.virtual", "observable_up_down_counter", "By", "Committed virtual memory of the process."
)
PROCESS_OPEN_FILES: Final = MetricSpec(
    "process.unix.file_descriptor.count", "observable_up_down_counter", "{file_descriptor}",
    "File descriptors that the process has open.",
)  # fmt: skip
PROCESS_THREADS: Final = MetricSpec(
    "process.thread.count", "observable_up_down_counter", "{thread}", "Threads of the process."
)
PROCESS_UPTIME: Final = MetricSpec("process.uptime", "observable_gauge", "s", "Time since the process started.")
SYSTEM_CPU_UTILIZATION: Final = MetricSpec(
    "system.cpu.utilization", "observable_gauge", "1",
    "Share of the machine's CPU time that was not idle since the last measurement, over all CPUs.",
)  # fmt: skip
SYSTEM_MEMORY_USAGE: Final = MetricSpec(
    "system.memory.usage", "observable_up_down_counter", "By", "Memory of the machine by state.", (MEMORY_STATE,)
)
SYSTEM_MEMORY_UTILIZATION: Final = MetricSpec(
    "system.memory.utilization", "observable_gauge", "1", "Share of the machine's memory by state.", (MEMORY_STATE,)
)
SYSTEM_FILESYSTEM_USAGE: Final = MetricSpec(
    "system.filesystem.usage", "observable_up_down_counter", "By", "Space of the file system by state.",
    (FILESYSTEM_MOUNTPOINT, FILESYSTEM_STATE),
)  # fmt: skip
SYSTEM_FILESYSTEM_UTILIZATION: Final = MetricSpec(
    "system.filesystem.utilization", "observable_gauge", "1", "Share of the file system's space that is used.",
    (FILESYSTEM_MOUNTPOINT,),
)  # fmt: skip
CONTAINER_MEMORY_USAGE: Final = MetricSpec(
    "container.memory.usage", "observable_up_down_counter", "By", "Memory that the container's cgroup uses."
)
CONTAINER_MEMORY_LIMIT: Final = MetricSpec(
    "trax.container.memory.limit", "observable_gauge", "By", "The most memory that the container may use."
)
CONTAINER_MEMORY_UTILIZATION: Final = MetricSpec(
    "trax.container.memory.utilization", "observable_gauge", "1", "Share of the container's memory limit that is used."
)
CONTAINER_CPU_LIMIT: Final = MetricSpec(
    "trax.container.cpu.limit", "observable_gauge", "{cpu}", "The CPUs that the container may use."
)
SECURITY_EVENTS: Final = MetricSpec(
    "trax.security.events", "counter", "{event}", "Security events by kind and outcome.",
    (SECURITY_EVENT, SECURITY_OUTCOME),
)  # fmt: skip
TELEMETRY_DROPPED: Final = MetricSpec(
    "trax.telemetry.dropped", "counter", "{item}", "Spans, log records and data points that were not delivered.",
    (SIGNAL, DROP_REASON),
)  # fmt: skip
TELEMETRY_EXPORTED: Final = MetricSpec(
    "trax.telemetry.exported", "counter", "{item}", "Spans, log records and data points that the endpoint accepted.",
    (SIGNAL,),
)  # fmt: skip
