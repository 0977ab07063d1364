"""Telemetry in few words, stored through the real decoder: what the tests of the local views stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from trax_otel.local.decode import from_protobuf
from trax_otel.local.queries import Queries
from trax_otel.local.store import Store

MS = 1_000_000
SECOND = 1_000 * MS
BEGIN = 1_790_000_000 * SECOND
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
LEVELS = {"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}


@dataclass
class S:
    """A span; times in milliseconds after BEGIN. Events are (name, at, attributes), links (trace, span, attributes)."""

    id: int
    name: str
    parent: int | None = None
    at: float = 0
    took: float = 10
    trace: int = 1
    service: str = "shop"
    kind: str = "internal"
    error: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[tuple[str, float, Mapping[str, Any]]] = ()
    links: Sequence[tuple[int, int, Mapping[str, Any]]] = ()
    version: str = "1.4.2"


@dataclass
class L:
    """A log record; `at` in milliseconds after BEGIN."""

    body: str
    at: float = 0
    level: str = "INFO"
    trace: int | None = None
    span: int | None = None
    service: str = "shop"
    logger: str = "shop.orders"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    event: str = ""


def trace_id(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"


def span_id(number: int) -> str:
    return f"{number:016x}"


def put(target: Any, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        pair = target.add(key=key)
        kind = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(value)]
        setattr(pair.value, kind, value)


def resource(target: Any, service: str, instance: str = "", version: str = "1.4.2") -> None:
    put(
        target.attributes,
        {"service.name": service, "service.version": version, "service.instance.id": instance or f"{service}-1"},
    )


def ns(at: float) -> int:
    return BEGIN + round(at * MS)


def span_request(spans: Iterable[S]) -> bytes:
    request = ExportTraceServiceRequest()
    for one in spans:
        added = request.resource_spans.add()
        resource(added.resource, one.service, version=one.version)
        scope = added.scope_spans.add()
        scope.scope.name = "tests"
        span = scope.spans.add(
            trace_id=bytes.fromhex(trace_id(one.trace)), span_id=bytes.fromhex(span_id(one.id)), name=one.name,
            kind=KINDS.index(one.kind), start_time_unix_nano=ns(one.at), end_time_unix_nano=ns(one.at + one.took),
        )  # fmt: skip
        if one.parent is not None:
            span.parent_span_id = bytes.fromhex(span_id(one.parent))
        if one.error is not None:
            span.status.code = 2
            span.status.message = one.error
        put(span.attributes, one.attributes)
        for name, at, attributes in one.events:
            put(span.events.add(name=name, time_unix_nano=ns(at)).attributes, attributes)
        for trace, linked, attributes in one.links:
            link = span.links.add(trace_id=bytes.fromhex(trace_id(trace)), span_id=bytes.fromhex(span_id(linked)))
            put(link.attributes, attributes)
    return request.SerializeToString()


def log_request(logs: Iterable[L]) -> bytes:
    request = ExportLogsServiceRequest()
    for one in logs:
        added = request.resource_logs.add()
        resource(added.resource, one.service)
        scope = added.scope_logs.add()
        scope.scope.name = one.logger
        record = scope.log_records.add(
            time_unix_nano=ns(one.at), severity_text=one.level, severity_number=LEVELS[one.level]
        )
        record.body.string_value = one.body
        record.event_name = one.event
        if one.trace is not None:
            record.trace_id = bytes.fromhex(trace_id(one.trace))
        if one.span is not None:
            record.span_id = bytes.fromhex(span_id(one.span))
        put(record.attributes, one.attributes)
    return request.SerializeToString()


def metric_request(service: str = "shop", minutes: int = 12, **texts: str) -> bytes:
    """A gauge, a counter and a histogram with two series, a point of each every ten seconds."""
    request = ExportMetricsServiceRequest()
    added = request.resource_metrics.add()
    resource(added.resource, service)
    scope = added.scope_metrics.add()
    gauge = scope.metrics.add(
        name=texts.get("gauge", "process.memory.usage"),
        unit="By",
        description=texts.get("description", "Resident memory of the process."),
    )
    counter = scope.metrics.add(name="trax.errors", unit="{error}", description="Errors recorded.")
    spread = scope.metrics.add(
        name="http.server.request.duration", unit="s", description="Duration of HTTP server requests."
    )
    counter.sum.aggregation_temporality = spread.histogram.aggregation_temporality = 2
    counter.sum.is_monotonic = True
    for step in range(minutes * 6):
        when = ns(step * 10_000)
        point = gauge.gauge.data_points.add(time_unix_nano=when, as_double=(60 + 8 * (step % 7)) * 2.0**20)
        put(point.attributes, {"label": texts.get("label", "resident")})
        for place, code in enumerate(("TRAX-001", "TRAX-005")):
            point = counter.sum.data_points.add(time_unix_nano=when, as_int=step * (place + 1) + (step // 9) * 4)
            put(point.attributes, {"trax.error.code": code})
        for place, route in enumerate(("/orders", "/pay")):
            count = 30 * (step + 1)
            low = count * (20 - step % 5) // 30
            buckets = [low, (count - low) * 2 // 3, 0, 0]
            buckets[2 + place] = count - sum(buckets)
            point = spread.histogram.data_points.add(
                time_unix_nano=when,
                count=count,
                sum=count * 0.08,
                explicit_bounds=[0.05, 0.1, 0.5],
                bucket_counts=buckets,
            )
            put(point.attributes, {"http.route": route, "http.request.method": "GET"})
            if step % 10 == 9:
                point.exemplars.add(
                    trace_id=bytes.fromhex(trace_id(1)), span_id=bytes.fromhex(span_id(1)), time_unix_nano=when
                )
    return request.SerializeToString()


class Stored:
    """A store in a folder, and what reads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "local.db"
        self._store = Store(self.path)
        self.queries = Queries(self.path)

    def spans(self, *spans: S) -> Stored:
        self._store.write([from_protobuf("traces", span_request(spans))])
        return self

    def logs(self, *logs: L) -> Stored:
        self._store.write([from_protobuf("logs", log_request(logs))])
        return self

    def metrics(self, body: bytes) -> Stored:
        self._store.write([from_protobuf("metrics", body)])
        return self

    def close(self) -> None:
        self.queries.close()
        self._store.close()


STACK = """Traceback (most recent call last):
  File "/srv/shop/payment.py", line 88, in charge
    response = session.post(url, json=order.as_json(), timeout=2.0)
  File "/srv/shop/transport.py", line 31, in post
    raise ConnectionRefusedError(111, "Connection refused")
ConnectionRefusedError: [Errno 111] Connection refused
"""


def failing_checkout(trace: int = 1, first: int = 1) -> list[S]:
    """A checkout whose payment is tried three times, over an open breaker, and answered by a fallback."""
    failed = {"error.type": "ConnectionRefusedError", "trax.error.code": "TRAX-001", "trax.error.category": "network",
              "trax.error.retryable": True, "trax.error.fingerprint": "9f86d081884c7d65"}  # fmt: skip
    exception = {"exception.type": "ConnectionRefusedError", "exception.message": "[Errno 111] Connection refused",
                 "exception.stacktrace": STACK}  # fmt: skip
    n = first
    backdated: tuple[dict[str, Any], ...] = ({"trax.retry.backdated": True}, {})

    def attempt(number: int, at: float, took: float) -> S:
        return S(
            n + 3 + number, "attempt", n + 3, at, took, trace, error="Connection refused",
            attributes={"trax.retry.attempt": number, "trax.outcome": "failure", **backdated[number > 1], **failed},
            events=[("exception", at + took - 1, exception)],
        )  # fmt: skip

    payment = {"trax.operation.name": "payment", "trax.retry.count": 2, "trax.outcome": "failure", **failed}
    opened = {"trax.circuit_breaker.name": "bank", "trax.circuit_breaker.state": "open"}
    rejected = {**opened, "trax.outcome": "rejected", "error.type": "CircuitOpenError", "trax.error.code": "TRAX-022"}
    recovered = {"trax.recovery.strategy": "fallback", "trax.recovery.outcome": "recovered"}

    def scheduled(attempt: int, at: float, delay: float) -> tuple[str, float, Mapping[str, Any]]:
        return ("trax.retry.scheduled", at, {"trax.retry.attempt": attempt, "trax.retry.delay": delay,
                                             "trax.retry.delay.source": "backoff", "trax.error.code": "TRAX-001"})  # fmt: skip

    gave_up = {"trax.retry.attempt": 3, "trax.retry.stop.reason": "attempts", "trax.error.code": "TRAX-001"}
    return [
        S(n, "POST /checkout", None, 0, 900, trace, "web", "server", "payment failed",
          {"http.request.method": "POST", "http.route": "/checkout", "http.response.status_code": 502, **failed}),
        S(n + 1, "SELECT orders", n, 12, 31, trace, kind="client", attributes={"db.system.name": "postgresql"}),
        S(n + 2, "reserve", n, 50, 80, trace, events=[("stock.reserved", 120, {"items": 3})]),
        S(n + 3, "payment", n, 140, 700, trace, error="Connection refused", attributes=payment,
          events=[scheduled(1, 183, 0.1), scheduled(2, 351, 0.2), ("trax.circuit_breaker.state_changed", 700, opened),
                  ("trax.retry.exhausted", 839, gave_up)]),
        attempt(1, 142, 40), attempt(2, 290, 60), attempt(3, 560, 140),
        S(n + 7, "circuit_breaker rejected", n + 3, 710, 1, trace, error="circuit open", attributes=rejected,
          links=[(trace, n + 6, {"why": "tripped here"})]),
        S(n + 8, "recover", n + 3, 715, 110, trace, attributes=recovered),
        S(n + 9, "queue payment", n + 8, 720, 100, trace, "queue", "producer"),
    ]  # fmt: skip


def checkout_logs(trace: int = 1, first: int = 1) -> list[L]:
    return [
        L("order 4711 accepted", 15, "INFO", trace, first, "web", "web.checkout", {"order.id": 4711}),
        L("stock reserved", 121, "INFO", trace, first + 2),
        L("payment failed, attempt 1 of 3: [Errno 111] Connection refused", 183, "WARN", trace, first + 4),
        L(
            "payment failed for good",
            702,
            "ERROR",
            trace,
            first + 3,
            attributes={"trax.error.code": "TRAX-001", "exception.stacktrace": STACK},
        ),
        L("worker idle", 2_000, "DEBUG", service="queue", logger="queue.worker"),
    ]


def long_trace(count: int, trace: int = 50) -> list[S]:
    """A trace of many spans of four services, up to twelve levels deep, some of them failed."""
    spans = [S(1_000, "nightly import", None, 0, count + 200, trace, "importer", "server")]
    damaged = {"error.type": "ValueError", "trax.error.code": "TRAX-004"}
    for number in range(1, count):
        depth, kind, failed = number % 11, number % 4, number % 97 == 0
        spans.append(
            S(
                1_000 + number,
                ("load row", "parse", "SELECT customers", "store")[kind],
                1_000 + (number - 1 if depth else 0),
                number,
                max(1, 30 - depth * 2),
                trace,
                ("importer", "parser", "db", "queue")[kind],
                error="row is damaged" if failed else None,
                attributes={"row": number, **(damaged if failed else {})},
            )
        )
    return spans
