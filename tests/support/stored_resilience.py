"""Telemetry of retries, breakers and recoveries in few words, as the rooms themselves send it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from trax_otel import semconv
from trax_otel.semconv import MetricSpec

from .stored import S, ns, put, resource, trace_id

Point = tuple[float, float, Mapping[str, Any]]
"""Milliseconds after BEGIN, value, attributes."""


def sums(spec: MetricSpec, *points: Point, service: str = "shop", instance: str = "", began: float = 0) -> bytes:
    """A cumulative counter's points."""
    request, metric = _metric(spec, service, instance)
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
    for at, value, attributes in points:
        point = metric.sum.data_points.add(time_unix_nano=ns(at), start_time_unix_nano=ns(began), as_int=int(value))
        put(point.attributes, attributes)
    return request.SerializeToString()


def gauges(spec: MetricSpec, *points: Point, service: str = "shop", instance: str = "") -> bytes:
    """A gauge's points."""
    request, metric = _metric(spec, service, instance)
    for at, value, attributes in points:
        put(metric.gauge.data_points.add(time_unix_nano=ns(at), as_int=int(value)).attributes, attributes)
    return request.SerializeToString()


def waits(operation: str, at: float, waited: Sequence[float], trace: int, service: str = "shop") -> bytes:
    """The histogram of the waits between attempts, in seconds, with an exemplar."""
    request, metric = _metric(semconv.RETRY_DELAYS, service, "")
    metric.histogram.aggregation_temporality = 2
    point = metric.histogram.data_points.add(
        time_unix_nano=ns(at), count=len(waited), sum=sum(waited), explicit_bounds=[1.0], bucket_counts=[len(waited), 0]
    )
    put(point.attributes, {semconv.OPERATION_NAME: operation})
    point.exemplars.add(trace_id=bytes.fromhex(trace_id(trace)), span_id=b"12345678", time_unix_nano=ns(at))
    return request.SerializeToString()


def _metric(spec: MetricSpec, service: str, instance: str) -> tuple[Any, Any]:
    request = ExportMetricsServiceRequest()
    added = request.resource_metrics.add()
    resource(added.resource, service, instance)
    return request, added.scope_metrics.add().metrics.add(name=spec.name, unit=spec.unit, description=spec.description)


def retried(operation: str, at: float = 10_000, **ends: int) -> bytes:
    """Calls of a retried operation by how they ended."""
    return sums(
        semconv.RETRY_OPERATIONS,
        *((at, count, {semconv.OPERATION_NAME: operation, semconv.RETRY_OUTCOME: end}) for end, count in ends.items()),
    )


# --- A breaker -------------------------------------------------------------------------------------------------------------


STATES = ("closed", "open", "half_open", "isolated")


def states(name: str, *held: tuple[float, str], instance: str = "") -> bytes:
    """Samples of a breaker's gauge: 1 for the state that holds, 0 for the others."""
    points = [
        (at, int(state == one), {semconv.BREAKER_NAME: name, semconv.BREAKER_STATE: one})
        for at, state in held
        for one in STATES
    ]
    return gauges(semconv.BREAKER_STATES, *points, instance=instance)


def changed(
    name: str, at: float, before: str, state: str, why: str, **more: Any
) -> tuple[str, float, Mapping[str, Any]]:
    """The event of a changed state."""
    return (semconv.BREAKER_STATE_CHANGED_EVENT, at, {
        semconv.BREAKER_NAME: name, semconv.BREAKER_PREVIOUS_STATE: before, semconv.BREAKER_STATE: state,
        semconv.BREAKER_REASON: why, **more})  # fmt: skip


def tripped_bank() -> list[S]:
    """A call that trips the breaker `bank`, one that it rejects in another trace, and the probe that closes it."""
    failed = {"error.type": "TimeoutError", "trax.error.code": "TRAX-005"}
    opened = changed("bank", 10_000, "closed", "open", "failures", **{semconv.BREAKER_OPEN_FOR: 30.0})
    rejected = {semconv.BREAKER_NAME: "bank", semconv.OUTCOME: "rejected", "error.type": "trax_otel.retry.CircuitOpenError",
                semconv.ERROR_CODE: "TRAX-022"}  # fmt: skip
    return [
        S(1, "POST /pay", None, 9_900, 200, 1, kind="server", error="timed out", attributes=failed),
        S(2, "charge", 1, 9_950, 60, 1, error="timed out", attributes=failed, events=[opened]),
        S(11, "POST /pay", None, 20_000, 5, 2, kind="server", error="rejected"),
        S(12, "circuit_breaker rejected", 11, 20_001, 0.1, 2, error="open", attributes=rejected, links=[(1, 2, {})]),
        S(21, "POST /pay", None, 40_000, 120, 3, kind="server"),
        S(22, "charge", 21, 40_010, 100, 3,
          events=[changed("bank", 40_010, "open", "half_open", "timeout"),
                  changed("bank", 40_110, "half_open", "closed", "probes_succeeded")]),
    ]  # fmt: skip


def bank_metrics() -> list[bytes]:
    """What the breaker `bank` counted meanwhile."""
    named = {semconv.BREAKER_NAME: "bank"}
    return [
        states("bank", (5_000, "closed"), (15_000, "open"), (45_000, "closed"), (60_000, "closed")),
        sums(semconv.BREAKER_CALLS, *((60_000, count, {**named, semconv.OUTCOME: outcome}) for outcome, count in
                                      {"success": 40, "failure": 5, "ignored": 0, "cancelled": 0, "rejected": 7}.items())),
        sums(semconv.BREAKER_TRANSITIONS,
             (60_000, 1, {**named, semconv.BREAKER_STATE: "open", semconv.BREAKER_REASON: "failures"}),
             (60_000, 1, {**named, semconv.BREAKER_STATE: "half_open", semconv.BREAKER_REASON: "timeout"}),
             (60_000, 1, {**named, semconv.BREAKER_STATE: "closed", semconv.BREAKER_REASON: "probes_succeeded"})),
    ]  # fmt: skip


# --- Recoveries ------------------------------------------------------------------------------------------------------------


def recovery(first: int, trace: int, at: float = 0, stale: bool = False) -> list[S]:
    """A recovery whose first strategy fails and whose second answers by its cache."""
    own, outcome = semconv.RECOVERY_STRATEGY, semconv.RECOVERY_OUTCOME
    cached = {semconv.RECOVERY_FALLBACK: "cached", outcome: "recovered", semconv.RECOVERY_CACHE_AGE: 90.0,
              semconv.RECOVERY_CACHE_STALE: stale}  # fmt: skip
    return [
        S(first, "recover", None, at, 50, trace,
          attributes={semconv.OPERATION_NAME: "transcribe", own: "fallback", outcome: "recovered"}),
        S(first + 1, "strategy", first, at + 1, 10, trace, error="no", attributes={own: "reconnect", outcome: "failed"}),
        S(first + 2, "strategy", first, at + 12, 37, trace, attributes={own: "fallback", outcome: "recovered"}),
        S(first + 3, "fallback", first + 2, at + 13, 20, trace, error="no",
          attributes={semconv.RECOVERY_FALLBACK: "secondary", outcome: "failed"}),
        S(first + 4, "fallback", first + 2, at + 34, 10, trace, attributes=cached),
    ]  # fmt: skip


def resumed(trace: int = 8, interrupted: int = 7) -> list[S]:
    """A run of an operation that another run, whose span never arrived, has left after one step."""
    kept = {semconv.STATE_OPERATION_ID: "order-4711", semconv.STATE_OPERATION_TYPE: "fulfil"}
    return [
        S(702, "step", 701, 0, 5, interrupted, attributes={semconv.STATE_STEP: "reserve", semconv.STATE_REPLAYED: False}),
        S(801, "fulfil", None, 30_000, 80, trace, links=[(interrupted, 701, {})],
          attributes={**kept, semconv.STATE_RECOVERIES: 1, semconv.OUTCOME: "success"}),
        S(802, "step", 801, 30_001, 0.1, trace,
          attributes={semconv.STATE_STEP: "reserve", semconv.STATE_REPLAYED: True}),
        S(803, "step", 801, 30_010, 60, trace,
          attributes={semconv.STATE_STEP: "charge", semconv.STATE_REPLAYED: False}),
    ]  # fmt: skip


def degraded(feature: str = "search") -> tuple[list[S], bytes]:
    """A feature that went down by one level."""
    event = (
        semconv.FEATURE_CHANGED_EVENT,
        12_000,
        {semconv.FEATURE_NAME: feature, semconv.FEATURE_LEVEL: "no ranking"},
    )
    spans = [S(901, "GET /search", None, 11_990, 30, 9, events=[event])]
    levels = ((5_000, 0), (15_000, 1), (25_000, 1))
    return spans, gauges(
        semconv.FEATURE_LEVELS, *((at, level, {semconv.FEATURE_NAME: feature}) for at, level in levels)
    )
