"""What the views get: figures that are exact, filters that fit, followers that miss nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from support.otlp_data import SECOND, counter, logs, metrics, record, span, traces
from trax_otel.local.model import Filter
from trax_otel.local.queries import Queries

A, B, C = b"\xaa" * 16, b"\xab" * 16, b"\xcc" * 16


def roots(room: Any, **wanted: Any) -> list[str]:
    return [summary.root for summary in room.queries.traces(Filter(**wanted))]


def test_there_is_nothing_to_ask_where_nothing_was_stored(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError, match="no telemetry"):
        Queries(tmp_path / "none.db")


def test_an_empty_store_has_empty_answers(room: Any) -> None:
    queries = room.queries
    assert [
        queries.services(),
        queries.operations(),
        queries.errors(),
        queries.traces(),
        queries.logs(),
        queries.metrics(),
    ] == [[]] * 6
    assert (queries.trace("ab"), queries.metric("x"), queries.totals().spans, queries.revision()) == ([], [], 0, 0)


def test_percentiles_are_exact(room: Any) -> None:
    room.put(traces(*(span("work", start=number, seconds=number / 1000) for number in range(1, 101))))
    (found,) = room.queries.operations()
    assert (found.service, found.operation, found.kind, found.count) == ("shop", "work", "unspecified", 100)
    assert (found.p50_ns, found.p95_ns, found.p99_ns) == (50_000_000, 95_000_000, 99_000_000)
    assert found.last_ns == 100


def test_operations_are_apart_by_service_name_and_kind(room: Any) -> None:
    room.put(
        traces(span("get", kind=2), span("get", kind=3), span("put", error=True)),
        traces(span("get", kind=2), service="b"),
    )
    found = {
        (entry.service, entry.operation, entry.kind): (entry.count, entry.errors) for entry in room.queries.operations()
    }
    assert found == {("shop", "get", "server"): (1, 0), ("shop", "get", "client"): (1, 0), ("shop", "put", "unspecified"): (1, 1),
                     ("b", "get", "server"): (1, 0)}  # fmt: skip
    assert [entry.operation for entry in room.queries.operations(Filter(errors_only=True))] == ["put"]
    assert len(room.queries.operations(Filter(limit=2))) == 2


def test_services_tell_versions_instances_and_counts(room: Any) -> None:
    room.put(
        traces(span(), span(error=True), resource={"service.version": "1", "service.instance.id": "a"}),
        traces(span(start=9 * 10**18), resource={"service.version": "2", "service.instance.id": "b"}),
        logs(record(), service="b, with a comma"),
        metrics(counter(), counter("other")),
    )
    other, shop = room.queries.services()
    assert (shop.service, shop.version, shop.instances, shop.spans, shop.errors, shop.metrics) == (
        "shop",
        "1, 2",
        2,
        3,
        1,
        2,
    )
    assert shop.last_ns >= 9 * 10**18
    assert (other.service, other.spans, other.logs) == ("b, with a comma", 0, 1)


# --- Traces ----------------------------------------------------------------------------------------------------------------


def test_a_summary_tells_what_the_trace_is(room: Any) -> None:
    parent = span("root", trace=A, start=10 * SECOND, seconds=2)
    child = span("child", trace=A, parent=parent.span_id, start=11 * SECOND, seconds=3, error=True,
                 attributes={"trax.error.code": "TRAX-001"})  # fmt: skip
    room.put(traces(child, service="b"), traces(parent, service="a"))
    (summary,) = room.queries.traces()
    assert (summary.trace_id, summary.root, summary.service, summary.services) == (A.hex(), "root", "a", ("a", "b"))
    assert (summary.start_ns, summary.duration_ns) == (10 * SECOND, 4 * SECOND)
    assert (summary.spans, summary.errors, summary.error_codes) == (2, 1, ("TRAX-001",))


def test_without_its_root_the_earliest_span_stands_for_a_trace(room: Any) -> None:
    room.put(
        traces(
            span("later", trace=A, parent=b"\x01" * 8, start=20), span("first", trace=A, parent=b"\x01" * 8, start=10)
        )
    )
    assert roots(room) == ["first"]


def test_filters_of_traces(room: Any) -> None:
    room.put(
        traces(
            span("slow", trace=A, start=1 * SECOND, seconds=5, attributes={"http.route": "/Orders", "n": 5}),
            service="a",
        ),
        traces(
            span("fails", trace=B, start=2 * SECOND, error=True, attributes={"trax.error.code": "TRAX-002"}),
            service="b",
        ),
        traces(
            span("fine", trace=C, start=3 * SECOND, exceptions=[{"exception.message": "Über 100% _hidden_"}]),
            service="b",
        ),
    )
    assert roots(room) == ["fine", "fails", "slow"]
    assert roots(room, service="b") == ["fine", "fails"]
    assert roots(room, operation="slow") == ["slow"]
    assert roots(room, code="TRAX-002") == ["fails"]
    assert roots(room, errors_only=True) == ["fails"]
    assert roots(room, min_duration_ns=SECOND) == ["slow"]
    assert roots(room, since_ns=2 * SECOND) == ["fine", "fails"]
    assert roots(room, until_ns=2 * SECOND) == ["fails", "slow"]
    assert roots(room, text="orders") == ["slow"]
    assert roots(room, text="100% _") == ["fine"]
    assert roots(room, text="1000") == []
    assert roots(room, trace_id="AA") == ["slow"]
    assert roots(room, extra={"http.route": "/Orders"}) == ["slow"]
    assert roots(room, extra={"n": 5}) == roots(room, extra={"n": "5"}) == ["slow"]
    assert roots(room, extra={'odd"key\\': "x"}) == []
    assert roots(room, limit=1) == ["fine"]
    assert roots(room, service="b", errors_only=True, text="FAIL") == ["fails"]


def test_text_is_found_whatever_its_case_or_script(room: Any) -> None:
    room.put(traces(span("x", attributes={"who": 'Jürgen "J" Öz\\'})), logs(record("Ärger ЖУК")))
    for text in ("jürgen", "JÜRGEN", 'n "j" ö', "öz\\"):
        assert roots(room, text=text) == ["x"], text
    for text in ("ärger", "ÄRGER", "жук"):
        assert len(room.queries.logs(Filter(text=text))) == 1, text


def test_a_trace_is_found_by_a_unique_beginning(room: Any) -> None:
    room.put(traces(span("a", trace=A), span("b", trace=B)))
    assert [found.name for found in room.queries.trace(f" {A.hex().upper()} ")] == ["a"]
    assert [found.name for found in room.queries.trace("ab")] == ["b"]
    for absent in ("ff", "", "no hex", "%"):
        assert room.queries.trace(absent) == []
    with pytest.raises(ValueError, match="several"):
        room.queries.trace("a")


def test_the_spans_of_a_trace_come_by_their_start(room: Any) -> None:
    room.put(traces(*(span(f"{start}", trace=A, start=start) for start in (30, 10, 20))))
    assert [found.name for found in room.queries.trace(A.hex())] == ["10", "20", "30"]


# --- Logs and metrics --------------------------------------------------------------------------------------------------------


def bodies(room: Any, **wanted: Any) -> list[str]:
    return [log.body for log in room.queries.logs(Filter(**wanted))]


def test_filters_of_logs(room: Any) -> None:
    room.put(
        logs(
            record("one", at=1, severity=9, trace_id=A),
            record("two", at=2, severity=17, attributes={"user": "Ann"}),
            service="a",
        ),
        logs(
            record("three", at=3, severity=13, attributes={"trax.error.code": "TRAX-001", "log.logger": "app"}),
            service="b",
        ),
    )
    assert bodies(room) == ["three", "two", "one"]
    assert bodies(room, service="a") == ["two", "one"]
    assert bodies(room, min_severity=13) == ["three", "two"]
    assert bodies(room, errors_only=True) == ["two"]
    assert bodies(room, text="ANN") == ["two"]
    assert bodies(room, code="TRAX-001") == bodies(room, operation="app") == ["three"]
    assert bodies(room, trace_id=A.hex()) == ["one"]
    assert bodies(room, since_ns=2, until_ns=2) == ["two"]
    assert bodies(room, extra={"user": "Ann"}) == ["two"]
    assert bodies(room, limit=1) == ["three"]


def test_a_follower_gets_each_record_once_in_order_of_arrival(room: Any) -> None:
    seen = 0
    arrived = []
    for number in range(5):
        room.put(logs(record(f"{number} a", at=50 - number), record(f"{number} b", at=100)))
        found = room.queries.logs(Filter(after_id=seen)) if seen else room.queries.logs()[::-1]
        if not seen:
            found.sort(key=lambda log: log.id)
        arrived += [log.body for log in found]
        seen = max(log.id for log in found)
    assert arrived == [f"{number} {letter}" for number in range(5) for letter in "ab"]
    assert room.queries.last_log_id() == seen


def test_metrics_and_their_series(room: Any) -> None:
    room.put(
        metrics(counter(value=1, route="/a"), counter(value=2, route="/b")),
        metrics(counter(value=3, route="/a"), service="b"),
    )
    (info,) = room.queries.metrics()
    assert (info.name, info.kind, info.unit, info.description) == ("requests", "sum", "{request}", "Requests.")
    assert (info.services, info.series, info.points) == (("b", "shop"), 3, 3)
    assert info.last_ns > 0
    found = room.queries.metric("requests", Filter(service="shop", extra={"route": "/b"}))
    assert [(one.service, one.attributes, one.points[0].value) for one in found] == [("shop", {"route": "/b"}, 2.0)]
    assert room.queries.metrics(Filter(text="REQ")) == [info]
    assert room.queries.metrics(Filter(text="nothing")) == []


def test_the_revision_grows_with_every_arrival(room: Any) -> None:
    seen = [room.queries.revision()]
    for request in (traces(span()), logs(record()), metrics(counter())):
        room.put(request)
        seen.append(room.queries.revision())
    assert seen == sorted(set(seen))


def test_totals_count_what_was_refused(room: Any) -> None:
    room.put(traces(span(), span(trace=b"\x01")))
    totals = room.queries.totals()
    assert (totals.spans, totals.rejected, totals.evicted) == (1, 1, 0)
    assert totals.bytes > 0


def test_readers_on_many_threads_see_what_is_committed_while_it_is_written(room: Any) -> None:
    problems: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                for summary in room.queries.traces(Filter(limit=5)):
                    assert len(room.queries.trace(summary.trace_id)) % 10 == 0
        except BaseException as error:
            problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(60):
        room.put(traces(*(span(trace=bytes([number % 7 + 1]) * 16) for _ in range(10))))
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_percentiles_are_exact_over_all_instances_of_a_service_and_whatever_is_asked(room: Any) -> None:
    for number in range(1, 101):
        one = span("work", start=number, seconds=number / 1000, error=number > 90, attributes={"even": number % 2 == 0})
        room.put(traces(one, resource={"service.instance.id": str(number % 3)}))
    ask = room.queries.operations

    def figures(**wanted: Any) -> tuple[int, int, int, int, int]:
        (found,) = ask(Filter(**wanted))
        return found.count, found.errors, *(one // 10**6 for one in (found.p50_ns, found.p95_ns, found.p99_ns))

    assert figures() == figures(service="shop") == figures(operation="work") == (100, 10, 50, 95, 99)
    assert figures(text="even") == (100, 10, 50, 95, 99)
    assert figures(since_ns=51) == (50, 10, 75, 98, 100)
    assert figures(errors_only=True) == (10, 10, 95, 100, 100)
    assert figures(min_duration_ns=100 * 10**6) == (1, 1, 100, 100, 100)
    assert figures(extra={"even": True}) == figures(extra={"even": "true"}) == (50, 5, 50, 96, 100)
    assert ask(Filter(service="other")) == []


def test_one_metric_of_two_scopes_is_two_series(room: Any) -> None:
    request = metrics()
    for name, value in (("old-instrumentation", 100), ("new-instrumentation", 3)):
        scope = request.resource_metrics[0].scope_metrics.add()
        scope.scope.name = name
        counter = scope.metrics.add(name="requests", unit="1")
        counter.sum.is_monotonic, counter.sum.aggregation_temporality = True, 2
        for second in (1, 2):
            counter.sum.data_points.add(time_unix_nano=second * 10**9, as_int=value)
    room.put(request)
    found = room.queries.metric("requests")
    assert {entry.scope: [point.value for point in entry.points] for entry in found} == {
        "old-instrumentation": [100, 100], "new-instrumentation": [3, 3],
    }  # fmt: skip
