"""From OTLP to rows: every kind of item whole, and nothing that a sender can write breaks it."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from support.otlp_data import any_value, counter, field, logs, metrics, nested, pairs, record, span, traces
from trax_otel.local.decode import RefusedError, from_message, from_protobuf
from trax_otel.local.model import MetricSeries
from trax_otel.local.queries import Queries
from trax_otel.local.store import Store
from trax_otel.local.values import MAX_TEXT, plain


def whole_span() -> Any:
    one = span(
        "GET /orders", trace=b"\x11" * 16, id=b"\x22" * 8, parent=b"\x33" * 8, start=1_000, seconds=0.5, error=True, kind=2,
        attributes={"text": "ä", "flag": True, "count": 7, "share": 0.5, "list": ["a", 1], "map": {"k": [True]},
                    "raw": b"\x00\xff"},
        exceptions=[{"exception.type": "ValueError", "exception.message": "no"}], trace_state="a=b",
        dropped_attributes_count=1, dropped_events_count=2, dropped_links_count=3,
    )  # fmt: skip
    one.status.message = "it failed"
    one.links.add(trace_id=b"\x44" * 16, span_id=b"\x55" * 8, attributes=pairs({"why": "retry"}))
    return one


def test_a_span_is_kept_whole(room: Any) -> None:
    request = traces(whole_span(), resource={"service.version": "1.2", "host.name": "h"})
    request.resource_spans[0].scope_spans[0].scope.name = "lib"
    request.resource_spans[0].scope_spans[0].scope.version = "9"
    room.put(request)
    (found,) = room.queries.trace("11" * 16)
    assert (found.trace_id, found.span_id, found.parent_id) == ("11" * 16, "22" * 8, "33" * 8)
    assert (found.name, found.kind, found.service, found.scope) == ("GET /orders", "server", "shop", "lib")
    assert (found.start_ns, found.end_ns, found.duration_ns) == (1_000, 500_001_000, 500_000_000)
    assert (found.status, found.status_message, found.error_type) == ("error", "it failed", "ValueError")
    assert found.attributes == {"text": "ä", "flag": True, "count": 7, "share": 0.5, "list": ["a", 1], "map": {"k": [True]},
                                "raw": "AP8="}  # fmt: skip
    assert [(event.name, event.attributes["exception.message"]) for event in found.events] == [("exception", "no")]
    assert [(link.trace_id, link.span_id, link.attributes) for link in found.links] == [
        ("44" * 16, "55" * 8, {"why": "retry"})
    ]
    assert found.resource == {"service.name": "shop", "service.version": "1.2", "host.name": "h"}
    assert (found.scope_version, found.trace_state) == ("9", "a=b")
    assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (1, 2, 3)


def test_a_log_record_is_kept_whole(room: Any) -> None:
    room.put(
        logs(
            record("plain", at=5, severity=17, severity_text="ERROR", trace_id=b"\x11" * 16, span_id=b"\x22" * 8, event_name="ev",
                   attributes={"log.logger": "app.db", "trax.error.code": "TRAX-001"}),
            record({"a": [1]}, at=4, severity=13),
            record("observed", at=0, observed_time_unix_nano=3, trace_id=b"\x01", span_id=b"\x02"),
            record(None, at=2, trace_id=bytes(16), span_id=bytes(8)),
        )
    )  # fmt: skip
    whole, structured, observed, empty = room.queries.logs()
    assert (whole.body, whole.severity, whole.severity_number, whole.event_name) == ("plain", "ERROR", 17, "ev")
    assert (whole.logger, whole.trace_id, whole.span_id, whole.error_code) == (
        "app.db",
        "11" * 16,
        "22" * 8,
        "TRAX-001",
    )
    assert (structured.body, structured.severity) == ('{"a":[1]}', "WARN")
    assert (observed.time_ns, observed.trace_id, observed.span_id) == (3, None, None)
    assert (empty.body, empty.trace_id) == ("", None)


# --- Metrics ---------------------------------------------------------------------------------------------------------------


def series(room: Any, *found: Metric) -> MetricSeries:
    (batch,) = room.put(metrics(*found))
    assert batch.rejected == 0, batch.reason
    (one,) = room.queries.metric(found[0].name)
    return one  # type: ignore[no-any-return]


def test_a_sum_has_temporality_monotonicity_and_exemplars(room: Any) -> None:
    metric = counter(value=5, route="/x")
    point = metric.sum.data_points[0]
    point.start_time_unix_nano = 7
    point.exemplars.add(trace_id=b"\x11" * 16, span_id=b"\x22" * 8, as_int=1)
    point.exemplars.add(as_int=1)
    one = series(room, metric)
    assert (one.kind, one.unit, one.temporality, one.monotonic) == ("sum", "{request}", "cumulative", True)
    assert (one.attributes, one.service) == ({"route": "/x"}, "shop")
    (found,) = one.points
    assert (found.value, found.start_ns, found.exemplar_trace_ids) == (5.0, 7, ("11" * 16,))


def test_a_gauge_without_a_finite_value_has_none(room: Any) -> None:
    metric = Metric(name="level")
    metric.gauge.data_points.add(time_unix_nano=1, as_double=math.nan)
    metric.gauge.data_points.add(time_unix_nano=2, as_double=1.5)
    metric.gauge.data_points.add(time_unix_nano=3, flags=1)
    one = series(room, metric)
    assert (one.kind, one.temporality, one.monotonic) == ("gauge", "", False)
    assert [point.value for point in one.points] == [None, 1.5, None]


def test_a_histogram_has_its_buckets(room: Any) -> None:
    metric = Metric(name="duration", unit="s")
    metric.histogram.aggregation_temporality = 1
    metric.histogram.data_points.add(
        time_unix_nano=1, count=3, sum=6.5, min=0.5, max=4, explicit_bounds=[1, 2], bucket_counts=[1, 1, 1]
    )
    metric.histogram.data_points.add(time_unix_nano=2, count=0)
    one = series(room, metric)
    assert (one.kind, one.temporality) == ("histogram", "delta")
    first, second = one.points
    assert (first.count, first.sum, first.bounds, first.bucket_counts) == (3, 6.5, (1, 2), (1, 1, 1))
    assert (first.minimum, first.maximum) == (0.5, 4.0)
    assert (second.count, second.bucket_counts, second.minimum) == (0, (), None)


def test_an_exponential_histogram_has_explicit_buckets(room: Any) -> None:
    metric = Metric(name="duration")
    point = metric.exponential_histogram.data_points.add(time_unix_nano=1, count=10, sum=9, scale=0, zero_count=3)
    point.positive.offset = 1
    point.positive.bucket_counts.extend([4, 1])
    point.negative.offset = 0
    point.negative.bucket_counts.extend([1, 1])
    one = series(room, metric)
    (found,) = one.points
    assert found.bounds == (-4, -2, -1, 0, 2, 4, 8)
    assert found.bucket_counts == (0, 1, 1, 3, 0, 4, 1, 0)
    assert sum(found.bucket_counts) == found.count


def test_a_summary_has_its_quantiles(room: Any) -> None:
    metric = Metric(name="duration")
    point = metric.summary.data_points.add(time_unix_nano=1, count=2, sum=3)
    point.quantile_values.add(quantile=0.5, value=1)
    point.quantile_values.add(quantile=0.99, value=math.inf)
    one = series(room, metric)
    (found,) = one.points
    assert (found.count, found.bounds, found.bucket_counts) == (2, (0.5,), (1.0,))


def test_points_that_contradict_themselves_go_alone(room: Any) -> None:
    metric = Metric(name="duration")
    metric.histogram.data_points.add(count=1, explicit_bounds=[1], bucket_counts=[1])
    metric.histogram.data_points.add(count=1, explicit_bounds=[2, 1], bucket_counts=[1, 0, 0])
    metric.histogram.data_points.add(count=1, explicit_bounds=[math.nan], bucket_counts=[1, 0])
    metric.histogram.data_points.add(count=1, explicit_bounds=[1], bucket_counts=[1, 0])
    wild = Metric(name="wild")
    wild.exponential_histogram.data_points.add(count=1, scale=-(2**31))
    (batch,) = room.put(metrics(metric, wild, Metric(name="empty"), Metric(), counter()))
    assert batch.rejected == 6
    assert "duration" in batch.reason
    assert room.queries.totals().points == 2


def test_the_order_of_attributes_makes_no_other_series(room: Any) -> None:
    room.put(metrics(counter(a=1, b=2)), metrics(counter(b=2, a=1)))
    assert len(room.queries.metric("requests")) == 1


# --- Hostile values --------------------------------------------------------------------------------------------------------


def test_a_value_nested_too_deep_costs_only_itself(room: Any) -> None:
    hostile = span("deep", attributes={"other": 1}).SerializeToString()
    body = field(1, field(2, field(2, hostile + field(9, nested(64))) + field(2, span("kept").SerializeToString())))
    batch = room.put_bytes("traces", body)
    assert (batch.rejected, batch.reason != "") == (0, True)
    found = {summary.root: room.queries.trace(summary.trace_id)[0] for summary in room.queries.traces()}
    assert set(found) == {"deep", "kept"}
    assert found["deep"].attributes["other"] == 1
    assert "deep" in found["deep"].attributes


def test_text_that_is_no_utf8_is_replaced_in_every_field(room: Any) -> None:
    request = traces(
        span("NAME", attributes={"KEYS": "TEXT"}, exceptions=[{"exception.message": "BADM"}]), service="SERV"
    )
    body = request.SerializeToString()
    for text in (b"NAME", b"KEYS", b"TEXT", b"BADM", b"SERV"):
        body = body.replace(text, text[:2] + b"\xff\xfe")
    assert room.put_bytes("traces", body).rejected == 0
    (summary,) = room.queries.traces()
    assert (summary.root, summary.service) == ("NA��", "SE��")
    (found,) = room.queries.trace(summary.trace_id)
    assert found.attributes == {"KE��": "TE��"}
    assert found.events[0].attributes == {"exception.message": "BA��"}


def test_a_cut_off_item_goes_alone(room: Any) -> None:
    items = [
        span("kept 1").SerializeToString(),
        span("cut").SerializeToString()[:-3],
        span("kept 2").SerializeToString(),
    ]
    batch = room.put_bytes("traces", field(1, field(2, b"".join(field(2, item) for item in items))))
    assert batch.rejected == 1
    assert {summary.root for summary in room.queries.traces()} == {"kept 1", "kept 2"}


def test_a_broken_resource_costs_no_span(room: Any) -> None:
    body = field(1, field(1, b"\x0a\x50") + field(2, field(2, span("kept").SerializeToString())))
    assert room.put_bytes("traces", body).rejected == 0
    assert [summary.service for summary in room.queries.traces()] == ["unknown_service"]


def test_numbers_beyond_the_store_are_bounded(room: Any) -> None:
    room.put(traces(span(start=2**64 - 1, seconds=0, dropped_attributes_count=2**32 - 1, kind=77)))
    (summary,) = room.queries.traces()
    (found,) = room.queries.trace(summary.trace_id)
    assert (found.start_ns, found.kind, found.dropped_attributes) == (2**63 - 1, "unspecified", 2**32 - 1)


def test_a_span_that_ends_before_it_starts_took_no_time(room: Any) -> None:
    one = span(start=1_000)
    one.end_time_unix_nano = 10
    room.put(traces(one))
    (summary,) = room.queries.traces()
    assert summary.duration_ns == 0
    assert room.queries.operations()[0].p50_ns == 0


def test_huge_text_is_cut_and_says_so() -> None:
    cut = plain(any_value("x" * (MAX_TEXT + 5)))
    assert cut == "x" * MAX_TEXT + "… (5 characters more)"


# --- Properties ------------------------------------------------------------------------------------------------------------

texts = st.text(max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | texts | st.binary(max_size=9)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=9
)


def expected(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, dict):
        return {key: expected(item) for key, item in value.items()}
    return value


@given(st.dictionaries(texts, values, max_size=4), texts)
@settings(max_examples=60, deadline=None)
def test_every_value_comes_back(attributes: dict[str, Any], name: str) -> None:
    batch = from_protobuf("traces", traces(span(name, attributes=attributes)).SerializeToString())
    (row,) = batch.resources[0].spans
    assert row[3] == name
    assert json.loads(row[13]) == expected(attributes)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_refused_or_repaired_but_never_raise_otherwise(data: st.DataObject) -> None:
    """One byte changed, cut or put in: what is left of it can be stored."""
    body = bytearray(traces(span("a", attributes={"k": "v"}), whole_span(), span("c")).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        batch = from_protobuf("traces", bytes(body))
    except RefusedError:
        return
    connection = sqlite3.connect(":memory:")
    for rows in batch.resources:
        for row in rows.spans:
            assert len(row) == 17
            connection.execute(f"SELECT {','.join('?' * len(row))}", row).fetchall()
    connection.close()


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_any_bytes_are_refused_or_taken(signal: Any, body: bytes) -> None:
    with contextlib.suppress(RefusedError):
        from_protobuf(signal, body)


@given(st.lists(st.sampled_from(["good", "short id", "zero id", "bad text", "cut"]), max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_kept_and_what_is_refused_add_up(tmp_path: Any, kinds: list[str]) -> None:
    make = {
        "good": lambda: span("good").SerializeToString(),
        "short id": lambda: span(trace=b"\x01").SerializeToString(),
        "zero id": lambda: span(id=bytes(8)).SerializeToString(),
        "bad text": lambda: span("TEXT").SerializeToString().replace(b"TEXT", b"\xff" * 4),
        "cut": lambda: span().SerializeToString()[:-1],
    }
    body = field(1, field(2, b"".join(field(2, make[kind]()) for kind in kinds)))
    batch = from_protobuf("traces", body)
    kept = sum(len(rows.spans) for rows in batch.resources)
    assert kept == sum(kind in {"good", "bad text"} for kind in kinds)
    assert batch.rejected == len(kinds) - kept


def test_the_whole_request_is_read_the_same_parsed_or_repaired(tmp_path: Any) -> None:
    """Repair leaves alone what needs none."""
    request = traces(whole_span(), span("x"))
    damaged = request.SerializeToString() + field(
        1, field(2, field(2, span("NAME").SerializeToString().replace(b"NAME", b"\xff" * 4)))
    )
    clean = ExportTraceServiceRequest.FromString(request.SerializeToString())
    repaired = from_protobuf("traces", damaged)
    assert repaired.resources[0] == from_message("traces", clean).resources[0]
    store = Store(tmp_path / "local.db")
    store.write([repaired])
    queries = Queries(store.path)
    assert queries.totals().spans == 3
    queries.close()
    store.close()
