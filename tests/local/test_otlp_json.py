"""OTLP's JSON encoding, by the examples and the rules of its specification."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trax_otel.local.decode import RefusedError
from trax_otel.local.otlp_json import from_json

IDS = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174"}


def spans(*items: Any, **more: Any) -> bytes:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]}
    scope = {"name": "my.library", "version": "1.0.0"}
    return json.dumps(
        {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": list(items)}]}], **more}
    ).encode()


def read(room: Any, signal: Any, body: bytes) -> Any:
    batch = from_json(signal, body)
    room.store.write([batch])
    return batch


def test_the_specifications_trace_example(room: Any) -> None:
    body = spans({
        **IDS, "parentSpanId": "EEE19B7EC3C1B173", "name": "I'm a server span", "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": "1544712661000000000", "kind": 2,
        "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}],
    })  # fmt: skip
    assert read(room, "traces", body).rejected == 0
    (found,) = room.queries.trace("5b8efff798038103d269b633813fc60c")
    assert (found.span_id, found.parent_id) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert (found.name, found.kind, found.service, found.scope) == (
        "I'm a server span",
        "server",
        "my.service",
        "my.library",
    )
    assert found.start_ns == 1544712660000000000
    assert found.duration_ns == 10**9
    assert found.attributes == {"my.span.attr": "some value"}


def test_the_specifications_log_example(room: Any) -> None:
    record = {
        "timeUnixNano": "1544712660300000000", "observedTimeUnixNano": "1544712660300000000", "severityNumber": 10,
        "severityText": "Information", "traceId": IDS["traceId"], "spanId": IDS["spanId"],
        "body": {"stringValue": "Example log record"},
        "attributes": [
            {"key": "string.attribute", "value": {"stringValue": "some string"}},
            {"key": "boolean.attribute", "value": {"boolValue": True}},
            {"key": "int.attribute", "value": {"intValue": "10"}},
            {"key": "double.attribute", "value": {"doubleValue": 637.704}},
            {"key": "array.attribute", "value": {"arrayValue": {"values": [{"stringValue": "many"}, {"stringValue": "values"}]}}},
            {"key": "map.attribute",
             "value": {"kvlistValue": {"values": [{"key": "some.map.key", "value": {"stringValue": "some value"}}]}}},
            {"key": "bytes.attribute", "value": {"bytesValue": "AP8="}},
        ],
    }  # fmt: skip
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    assert read(room, "logs", body).rejected == 0
    (found,) = room.queries.logs()
    assert (found.body, found.severity, found.trace_id) == ("Example log record", "Information", IDS["traceId"].lower())
    assert found.attributes == {
        "string.attribute": "some string", "boolean.attribute": True, "int.attribute": 10, "double.attribute": 637.704,
        "array.attribute": ["many", "values"], "map.attribute": {"some.map.key": "some value"}, "bytes.attribute": "AP8=",
    }  # fmt: skip


def test_the_specifications_metric_examples(room: Any) -> None:
    common = {"startTimeUnixNano": "1544712660300000000", "timeUnixNano": "1544712660300000000",
              "attributes": [{"key": "my.attr", "value": {"stringValue": "v"}}]}  # fmt: skip
    found = [
        {"name": "my.counter", "unit": "1",
         "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [{"asDouble": 5, **common}]}},
        {"name": "my.gauge", "gauge": {"dataPoints": [{"asInt": "10", **common}]}},
        {"name": "my.histogram", "histogram": {"aggregationTemporality": 1, "dataPoints": [
            {"count": "2", "sum": 2, "bucketCounts": ["1", "1"], "explicitBounds": [1], "min": 0, "max": 2, **common,
             "exemplars": [{"timeUnixNano": "1", "asDouble": 2, **IDS}]}]}},
        {"name": "my.exponential", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
            {"count": "3", "sum": 10, "scale": 0, "zeroCount": "1", **common,
             "positive": {"offset": 1, "bucketCounts": ["0", "2"]}}]}},
    ]  # fmt: skip
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": found}]}]}).encode()
    assert read(room, "metrics", body).rejected == 0
    points = {info.name: room.queries.metric(info.name)[0].points[0] for info in room.queries.metrics()}
    assert (points["my.counter"].value, points["my.gauge"].value) == (5.0, 10.0)
    assert (points["my.histogram"].bucket_counts, points["my.histogram"].exemplar_trace_ids) == (
        (1, 1),
        (IDS["traceId"].lower(),),
    )
    assert points["my.exponential"].count == 3


@pytest.mark.parametrize("at", ["1544712660000000000", 1544712660000000000], ids=["string", "number"])
def test_integers_come_as_strings_or_numbers(room: Any, at: Any) -> None:
    read(room, "traces", spans({**IDS, "name": "x", "startTimeUnixNano": at, "endTimeUnixNano": at}))
    assert room.queries.traces()[0].start_ns == 1544712660000000000


def test_unknown_fields_are_ignored(room: Any) -> None:
    body = spans({**IDS, "name": "x", "invented": {"deep": [1]}, "flags": 257}, inventedToo=1)
    assert read(room, "traces", body).rejected == 0
    assert room.queries.totals().spans == 1


def test_null_is_as_good_as_nothing(room: Any) -> None:
    item = {**IDS, "name": "x", "parentSpanId": "", "attributes": None, "events": None, "status": None, "links": []}
    assert read(room, "traces", spans(item)).rejected == 0
    assert read(room, "traces", b'{"resourceSpans": null}').rejected == 0
    assert read(room, "traces", b'{"resourceSpans": [{"scopeSpans": null}]}').rejected == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"traceId": "abc", "name": "odd"},
        {"traceId": "zz" * 16},
        {"traceId": "00" * 16},
        {"traceId": "5B8E FFF798038103D269B633813FC60C"},
        {"traceId": "W47/95gDgQPSabYzgT/GDA=="},
        {"traceId": 5},
        {"spanId": None},
        {"parentSpanId": "12"},
        {"name": 5},
        {"name": "\ud800"},
        {"startTimeUnixNano": -1},
        {"startTimeUnixNano": "soon"},
        {"attributes": {"a": 1}},
        {"kind": []},
    ],
    ids=lambda bad: str(bad)[:40].encode("ascii", "replace").decode(),
)
def test_an_item_that_does_not_fit_goes_alone(room: Any, bad: dict[str, Any]) -> None:
    body = spans({**IDS, "name": "kept"}, {**IDS, "spanId": "0000000000000001", "name": "bad", **bad}, "not an object")
    batch = read(room, "traces", body)
    assert batch.rejected == 2
    assert batch.reason
    assert [summary.root for summary in room.queries.traces()] == ["kept"]


def test_a_resource_that_does_not_fit_costs_no_item(room: Any) -> None:
    body = json.dumps(
        {"resourceSpans": [{"resource": 5, "scopeSpans": [{"scope": [], "spans": [{**IDS, "name": "kept"}]}]}, 7]}
    )
    assert read(room, "traces", body.encode()).rejected == 1
    assert [summary.service for summary in room.queries.traces()] == ["unknown_service"]


def deep(levels: int) -> bytes:
    value = '{"arrayValue":{"values":[' * levels + '{"stringValue":"core"}' + "]}}" * levels
    item = (
        f'{{"traceId":"{IDS["traceId"]}","spanId":"0000000000000001","attributes":[{{"key":"deep","value":{value}}}]}}'
    )
    return spans({**IDS, "name": "kept"}, "DEEP").decode().replace('"DEEP"', item).encode()


@pytest.mark.parametrize("levels", [20, 64, 150])
def test_deep_nesting_costs_at_most_its_own_item(room: Any, levels: int) -> None:
    read(room, "traces", deep(levels))
    assert "kept" in {span.name for span in room.queries.trace(IDS["traceId"].lower())}


def test_nesting_beyond_what_python_reads_is_refused() -> None:
    with pytest.raises(RefusedError, match="recursion"):
        from_json("traces", deep(50_000))


KEYS = ["resourceSpans", "scopeSpans", "spans", "traceId", "attributes", "key", "value", "stringValue"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
@settings(max_examples=200, deadline=None)
def test_any_json_is_taken_or_refused(content: Any) -> None:
    for body in (json.dumps(content).encode(), json.dumps({"resourceSpans": content}).encode(), spans(content)):
        try:
            from_json("traces", body)
        except RefusedError:
            continue
