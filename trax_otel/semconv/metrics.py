"""Every metric: its name, kind, unit, attributes and bounds."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from . import attributes

Kind = Literal[
    "counter", "up_down_counter", "histogram", "gauge",
    "observable_counter", "observable_up_down_counter", "observable_gauge",
]  # fmt: skip

DURATION_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0,
)  # fmt: skip
"""Histogram bounds for durations in seconds; they reach 120 s because users alert on 30 s."""

HTTP_DURATION_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""The bounds that OpenTelemetry's conventions advise for the duration of HTTP requests."""


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
    (attributes.OPERATION_NAME, attributes.OUTCOME, attributes.ERROR_TYPE, attributes.ERROR_CODE), DURATION_BUCKETS,
)  # fmt: skip
OPERATION_ACTIVE: Final = MetricSpec(
    "trax.operation.active",
    "observable_up_down_counter",
    "{operation}",
    "Operations running now.",
    (attributes.OPERATION_NAME,),
)
OPERATION_CPU: Final = MetricSpec(
    "trax.operation.cpu.time", "histogram", "s",
    "CPU time that the whole process used while the operation ran; where resources are asked for.",
    (attributes.OPERATION_NAME,), DURATION_BUCKETS,
)  # fmt: skip
OPERATION_MEMORY: Final = MetricSpec(
    "trax.operation.memory.usage", "gauge", "By",
    "Resident memory of the whole process as the operation last ended; where resources are asked for.",
    (attributes.OPERATION_NAME,),
)  # fmt: skip
PROCESS_DURATION: Final = MetricSpec(
    "messaging.process.duration", "histogram", "s", "How long jobs ran, each attempt by itself.",
    (
        attributes.MESSAGING_OPERATION_NAME, attributes.MESSAGING_SYSTEM, attributes.MESSAGING_DESTINATION_NAME,
        attributes.OPERATION_NAME, attributes.OUTCOME, attributes.ERROR_TYPE, attributes.ERROR_CODE,
    ), DURATION_BUCKETS,
)  # fmt: skip
ENQUEUE_DURATION: Final = MetricSpec(
    "messaging.client.operation.duration", "histogram", "s", "How long it took to queue a job.",
    (
        attributes.MESSAGING_OPERATION_NAME, attributes.MESSAGING_SYSTEM, attributes.MESSAGING_DESTINATION_NAME,
        attributes.OPERATION_NAME, attributes.ERROR_TYPE,
    ), DURATION_BUCKETS,
)  # fmt: skip
ERRORS: Final = MetricSpec(
    "trax.errors", "counter", "{error}", "Errors recorded, each once however many layers it crossed.",
    (attributes.ERROR_CODE, attributes.ERROR_CATEGORY, attributes.ERROR_TYPE, attributes.ERROR_RETRYABLE),
)  # fmt: skip
RETRY_OPERATIONS: Final = MetricSpec(
    "trax.retry.operations", "observable_counter", "{operation}",
    "Retried operations by how they ended: succeeded or failed, without or with retry, and the other ends.",
    (attributes.OPERATION_NAME, attributes.RETRY_OUTCOME),
)  # fmt: skip
RETRY_ATTEMPTS: Final = MetricSpec(
    "trax.retry.attempts", "observable_counter", "{attempt}", "Calls made, first attempts included.",
    (attributes.OPERATION_NAME,),
)  # fmt: skip
RETRY_DELAYS: Final = MetricSpec(
    "trax.retry.delay", "histogram", "s", "Waits between attempts.", (attributes.OPERATION_NAME,), DURATION_BUCKETS
)
RETRY_BUDGET_TOKENS: Final = MetricSpec(
    "trax.retry.budget.tokens", "observable_gauge", "{token}", "Repeats that a shared budget still allows.",
    (attributes.RETRY_BUDGET_NAME,),
)  # fmt: skip
BREAKER_STATES: Final = MetricSpec(
    "trax.circuit_breaker.state", "observable_gauge", "{breaker}", "One series a state: 1 for the state that holds, else 0.",
    (attributes.BREAKER_NAME, attributes.BREAKER_STATE),
)  # fmt: skip
BREAKER_TRANSITIONS: Final = MetricSpec(
    "trax.circuit_breaker.transitions", "observable_counter", "{transition}", "Changes of a breaker's state.",
    (attributes.BREAKER_NAME, attributes.BREAKER_STATE, attributes.BREAKER_REASON),
)  # fmt: skip
BREAKER_CALLS: Final = MetricSpec(
    "trax.circuit_breaker.calls", "observable_counter", "{call}",
    "Calls through a breaker by outcome: `success`, `failure`, `ignored`, `cancelled`, `rejected`.",
    (attributes.BREAKER_NAME, attributes.OUTCOME),
)  # fmt: skip
RECOVERY_ATTEMPTS: Final = MetricSpec(
    "trax.recovery.attempts", "counter", "{attempt}", "Recovery strategies tried, by outcome.",
    (attributes.OPERATION_NAME, attributes.RECOVERY_STRATEGY, attributes.RECOVERY_OUTCOME),
)  # fmt: skip
RECOVERY_DURATION: Final = MetricSpec(
    "trax.recovery.duration", "histogram", "s", "How long recoveries took.",
    (attributes.OPERATION_NAME, attributes.RECOVERY_STRATEGY, attributes.RECOVERY_OUTCOME), DURATION_BUCKETS,
)  # fmt: skip
RECOVERY_FALLBACKS: Final = MetricSpec(
    "trax.recovery.fallbacks", "counter", "{call}", "Calls that an alternative answered, by alternative.",
    (attributes.OPERATION_NAME, attributes.RECOVERY_FALLBACK),
)  # fmt: skip
FEATURE_LEVELS: Final = MetricSpec(
    "trax.feature.degradation", "observable_gauge", "{level}",
    "How far a feature is degraded: 0 where it works fully, one more for each level below.", (attributes.FEATURE_NAME,),
)  # fmt: skip
STATE_OPERATIONS: Final = MetricSpec(
    "trax.state.operations", "counter", "{operation}", "Operations whose state is kept, by what became of them.",
    (attributes.STATE_OPERATION_TYPE, attributes.STATE_OUTCOME),
)  # fmt: skip
STATE_STEPS: Final = MetricSpec(
    "trax.state.steps", "counter", "{step}", "Steps by whether they ran, were replayed or failed.",
    (attributes.STATE_OPERATION_TYPE, attributes.STATE_OUTCOME),
)  # fmt: skip
STATE_STORE_DURATION: Final = MetricSpec(
    "trax.state.store.duration", "histogram", "s", "How long the store took to save or read state.",
    (attributes.STATE_OUTCOME,), DURATION_BUCKETS,
)  # fmt: skip
THRESHOLD_CROSSINGS: Final = MetricSpec(
    "trax.threshold.crossings", "counter", "{crossing}", "Times a threshold was crossed or cleared.",
    (attributes.THRESHOLD_METRIC, attributes.THRESHOLD_STATE),
)  # fmt: skip
HEALTH_CHECKS: Final = MetricSpec(
    "trax.health.check.status", "observable_gauge", "{check}", "1 where a user's health check passed last time, else 0.",
    (attributes.HEALTH_CHECK_NAME,),
)  # fmt: skip
HTTP_SERVER_REQUEST_DURATION: Final = MetricSpec(
    "http.server.request.duration", "histogram", "s", "Duration of HTTP server requests.",
    (
        attributes.HTTP_REQUEST_METHOD, attributes.HTTP_ROUTE, attributes.HTTP_RESPONSE_STATUS_CODE, attributes.ERROR_TYPE,
        attributes.URL_SCHEME, attributes.NETWORK_PROTOCOL_VERSION,
    ),
    HTTP_DURATION_BUCKETS,
)  # fmt: skip
HTTP_SERVER_ACTIVE_REQUESTS: Final = MetricSpec(
    "http.server.active_requests", "up_down_counter", "{request}", "Number of active HTTP server requests.",
    (attributes.HTTP_REQUEST_METHOD, attributes.URL_SCHEME),
)  # fmt: skip
PROCESS_CPU_TIME: Final = MetricSpec(
    "process.cpu.time", "observable_counter", "s", "CPU time that the process used.", (attributes.CPU_MODE,)
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
    "system.memory.usage",
    "observable_up_down_counter",
    "By",
    "Memory of the machine by state.",
    (attributes.MEMORY_STATE,),
)
SYSTEM_MEMORY_UTILIZATION: Final = MetricSpec(
    "system.memory.utilization",
    "observable_gauge",
    "1",
    "Share of the machine's memory by state.",
    (attributes.MEMORY_STATE,),
)
SYSTEM_FILESYSTEM_USAGE: Final = MetricSpec(
    "system.filesystem.usage", "observable_up_down_counter", "By", "Space of the file system by state.",
    (attributes.FILESYSTEM_MOUNTPOINT, attributes.FILESYSTEM_STATE),
)  # fmt: skip
SYSTEM_FILESYSTEM_UTILIZATION: Final = MetricSpec(
    "system.filesystem.utilization", "observable_gauge", "1", "Share of the file system's space that is used.",
    (attributes.FILESYSTEM_MOUNTPOINT,),
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
    (attributes.SECURITY_EVENT, attributes.SECURITY_OUTCOME),
)  # fmt: skip
DB_CLIENT_OPERATION_DURATION: Final = MetricSpec(
    "db.client.operation.duration", "histogram", "s", "Duration of database client operations.",
    (
        "db.system.name", "db.namespace", "db.operation.name", "db.collection.name", "server.address", "server.port",
        attributes.ERROR_TYPE,
    ),
    (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
)  # fmt: skip
SPANS_LIMITED: Final = MetricSpec(
    "trax.spans.limited", "counter", "{span}",
    "Spans of databases, caches and templates that stood alone and were left out; see TRAX_ROOT_SPANS.",
    (attributes.LIMITED_BY, attributes.LIMITED_SPAN),
)  # fmt: skip
TELEMETRY_DROPPED: Final = MetricSpec(
    "trax.telemetry.dropped", "counter", "{item}", "Spans, log records and data points that were not delivered.",
    (attributes.SIGNAL, attributes.DROP_REASON),
)  # fmt: skip
TELEMETRY_EXPORTED: Final = MetricSpec(
    "trax.telemetry.exported", "counter", "{item}", "Spans, log records and data points that the endpoint accepted.",
    (attributes.SIGNAL,),
)  # fmt: skip
