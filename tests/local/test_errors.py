"""Each error counts once, however many spans and log records tell of it."""

from __future__ import annotations

from typing import Any

import pytest

from support.otlp_data import logs, record, span, traces
from trax_otel.local import failures
from trax_otel.local.model import ErrorStats, Filter

TRACE = b"\xaa" * 16
FACTS = {"error.type": "shop.OutOfStock", "trax.error.code": "TRAX-004", "trax.error.category": "validation",
         "trax.error.retryable": False, "trax.error.fingerprint": "f00"}  # fmt: skip
RAISED = {**FACTS, "exception.type": "shop.OutOfStock", "exception.message": "none left"}


def one(room: Any, **wanted: Any) -> ErrorStats:
    (found,) = room.queries.errors(Filter(**wanted))
    return found  # type: ignore[no-any-return]


def test_an_error_across_spans_counts_where_it_was_recorded(room: Any) -> None:
    outer = span("outer", trace=TRACE, error=True, attributes=FACTS, start=1)
    inner = span("inner", trace=TRACE, parent=outer.span_id, error=True, attributes=FACTS, exceptions=[RAISED], start=2)
    room.put(traces(outer, inner, resource={"service.version": "1"}), traces(resource={"service.version": "2"}))
    found = one(room)
    assert (found.code, found.category, found.type, found.fingerprint) == (
        "TRAX-004",
        "validation",
        "shop.OutOfStock",
        "f00",
    )
    assert (found.service, found.versions, found.retryable, found.count) == ("shop", ("1",), False, 1)
    assert (found.message, found.example_trace_id, found.example_span_id) == (
        "none left",
        TRACE.hex(),
        inner.span_id.hex(),
    )


def test_recorded_inside_and_failed_outside_counts_once_even_where_the_middle_went_well(room: Any) -> None:
    outer = span("outer", trace=TRACE, error=True, attributes=FACTS)
    middle = span("middle", trace=TRACE, parent=outer.span_id)
    inner = span("inner", trace=TRACE, parent=middle.span_id, error=True, attributes=FACTS, exceptions=[RAISED])
    room.put(traces(outer, middle, inner))
    assert one(room).count == 1


def test_a_plain_sdk_records_it_on_every_span_and_it_counts_once(room: Any) -> None:
    raised = {"exception.type": "ValueError", "exception.message": "no"}
    outer = span("outer", trace=TRACE, error=True, exceptions=[raised])
    inner = span("inner", trace=TRACE, parent=outer.span_id, error=True, exceptions=[raised])
    room.put(traces(outer, inner))
    found = one(room)
    assert (found.count, found.example_span_id, found.type, found.code) == (1, inner.span_id.hex(), "ValueError", "")


def test_each_attempt_that_failed_counts(room: Any) -> None:
    root = span("call", trace=TRACE)
    attempts = [
        span("attempt", trace=TRACE, parent=root.span_id, error=True, attributes=FACTS, exceptions=[RAISED])
        for _ in range(3)
    ]
    room.put(traces(root, *attempts))
    assert one(room).count == 3


def test_several_errors_on_one_span_count_each(room: Any) -> None:
    other = {"exception.type": "KeyError", "exception.message": "'x'", "trax.error.code": "TRAX-010"}
    room.put(traces(span("loop", error=True, attributes=FACTS, exceptions=[other, RAISED])))
    assert {(found.code, found.type, found.count) for found in room.queries.errors()} == {
        ("TRAX-004", "shop.OutOfStock", 1), ("TRAX-010", "KeyError", 1),
    }  # fmt: skip
    assert one(room, code="TRAX-010").message == "'x'"


def test_a_handled_error_counts_though_the_span_went_well(room: Any) -> None:
    room.put(traces(span("careful", attributes=FACTS, exceptions=[RAISED])))
    assert one(room).count == 1


def test_a_failed_span_without_event_counts_at_the_bottom(room: Any) -> None:
    outer = span("client", trace=TRACE, error=True, attributes={"error.type": "500"})
    inner = span("server", trace=TRACE, parent=outer.span_id, error=True, attributes={"error.type": "500"})
    inner.status.message = "it broke"
    room.put(traces(outer), traces(inner, service="b"))
    found = one(room)
    assert (found.service, found.type, found.count, found.message) == ("b", "500", 1, "it broke")


def test_log_records_of_an_error_that_a_span_tells_do_not_count(room: Any) -> None:
    failing = span("work", trace=TRACE, error=True, attributes=FACTS, exceptions=[RAISED])
    said = record("failed", severity=17, trace_id=TRACE, span_id=failing.span_id, attributes=RAISED)
    room.put(traces(failing), logs(said, said))
    assert one(room).count == 1


def test_log_records_alone_count(room: Any) -> None:
    room.put(
        traces(span("fine", trace=TRACE)),
        logs(
            record("in a trace", severity=17, trace_id=TRACE, attributes=RAISED),
            record("without one", severity=17, attributes={"exception.type": "OSError", "exception.message": "gone"}),
            record("a code only", severity=13, attributes={"trax.error.code": "TRAX-001"}),
            record("no error", severity=17),
        ),
    )
    assert {(found.code, found.type, found.count, found.message) for found in room.queries.errors()} == {
        ("TRAX-004", "shop.OutOfStock", 1, "none left"), ("", "OSError", 1, "gone"), ("TRAX-001", "", 1, "a code only"),
    }  # fmt: skip


def test_a_log_record_that_says_it_was_recorded_before_does_not_count(room: Any) -> None:
    again = {**RAISED, "trax.error.recorded": True}
    room.put(logs(record("first", severity=17, attributes=RAISED), record("again", severity=17, attributes=again)))
    assert one(room).count == 1


def test_exceptions_as_log_records_count_once(room: Any) -> None:
    """OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=logs and =logs/dup."""
    bare = span("logs", trace=TRACE, error=True, attributes=FACTS)
    both = span("dup", trace=b"\xbb" * 16, error=True, attributes=FACTS, exceptions=[RAISED])
    told = [
        record(
            "none left",
            severity=17,
            event_name="exception",
            trace_id=one.trace_id,
            span_id=one.span_id,
            attributes=RAISED,
        )
        for one in (bare, both)
    ]
    room.put(traces(bare, both), logs(*told))
    assert one(room).count == 2


def test_a_log_record_of_another_error_than_the_spans_counts(room: Any) -> None:
    failing = span("work", trace=TRACE, error=True, attributes=FACTS, exceptions=[RAISED])
    other = record("clean-up failed", severity=17, trace_id=TRACE, span_id=failing.span_id,
                   attributes={"exception.type": "OSError", "exception.message": "busy"})  # fmt: skip
    room.put(traces(failing), logs(other))
    assert {found.type: found.count for found in room.queries.errors()} == {"shop.OutOfStock": 1, "OSError": 1}


def test_groups_are_apart_by_service_and_fingerprint_newest_first(room: Any) -> None:
    other = {**RAISED, "trax.error.fingerprint": "ba5"}
    failing = [span(start=number, error=True, attributes=RAISED, exceptions=[RAISED]) for number in (3, 1, 2)]
    room.put(traces(*failing), traces(span(start=2, error=True, attributes=other, exceptions=[other])),
             traces(span(start=1, error=True, attributes=RAISED, exceptions=[RAISED]), service="b"))  # fmt: skip
    found = room.queries.errors()
    assert (found[0].count, found[0].service, found[0].fingerprint) == (3, "shop", "f00")
    assert (found[0].first_ns, found[0].last_ns) == (1, 3)
    assert found[0].example_trace_id == failing[0].trace_id.hex()
    assert [entry.last_ns for entry in found] == [3, 2, 1]
    assert len(room.queries.errors(Filter(limit=1))) == 1


@pytest.mark.parametrize(
    ("wanted", "count"),
    [({"service": "shop"}, 1), ({"service": "b"}, 0), ({"code": "TRAX-004"}, 1), ({"code": "TRAX-001"}, 0),
     ({"operation": "work"}, 1), ({"text": "none LEFT"}, 1), ({"text": "absent"}, 0), ({"trace_id": "aa"}, 1),
     ({"since_ns": 10}, 0), ({"until_ns": 10}, 1)],
)  # fmt: skip
def test_filters_of_errors(room: Any, wanted: dict[str, Any], count: int) -> None:
    room.put(traces(span("work", trace=TRACE, start=5, error=True, attributes=FACTS, exceptions=[RAISED])))
    assert len(room.queries.errors(Filter(**wanted))) == count


def test_all_errors_count_however_many_there_are(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "ROWS_AT_A_TIME", 3)
    room.put(traces(*(span(f"work {n}", error=True, attributes=FACTS, start=n) for n in range(10))))
    room.put(logs(*(record(f"line {n}", severity=17, attributes={"exception.type": "KeyError"}) for n in range(7))))
    assert {(found.type, found.count) for found in room.queries.errors()} == {("shop.OutOfStock", 10), ("KeyError", 7)}


# --- One failure, one row --------------------------------------------------------------------------------------------------


def test_an_event_that_only_bears_a_code_is_no_error(room: Any) -> None:
    scheduled = record("", severity=9, event_name="trax.retry.scheduled", attributes={"trax.error.code": "TRAX-001"})
    exhausted = record("", severity=13, event_name="trax.retry.exhausted", attributes={"trax.error.code": "TRAX-001"})
    room.put(logs(scheduled, exhausted))
    assert room.queries.errors() == []


def test_a_wrapper_of_what_was_told_deeper_is_one_failure_with_it(room: Any) -> None:
    """Django's server span, whose query failed two spans below."""
    wrapper = {**FACTS, "error.type": "django.db.utils.IntegrityError"}
    server = span("GET", trace=TRACE, error=True, attributes=wrapper)
    view = span("view", trace=TRACE, parent=server.span_id)
    query = span("INSERT", trace=TRACE, parent=view.span_id, error=True, attributes=FACTS, exceptions=[RAISED])
    room.put(traces(query, view, server))
    assert (one(room).count, one(room).type) == (1, "shop.OutOfStock")


def test_an_answer_and_the_exception_raised_for_it_are_one_failure(room: Any) -> None:
    raised = {"error.type": "requests.HTTPError", "trax.error.code": "TRAX-012", "exception.type": "requests.HTTPError"}
    job = span("job", trace=TRACE, error=True, attributes=raised, exceptions=[raised])
    answered = {"error.type": "503", "trax.error.code": "TRAX-012", "http.response.status_code": 503}
    asked = span("GET", trace=TRACE, parent=job.span_id, error=True, attributes=answered)
    room.put(traces(asked, job), traces(span("GET", error=True, attributes=answered)))
    assert {(found.type, found.count) for found in room.queries.errors()} == {("requests.HTTPError", 1), ("503", 1)}


def test_a_wrapper_that_says_more_stands_for_what_it_replaces(room: Any) -> None:
    refused = {"error.type": "shop.Refused", "trax.error.code": "ACME-001", "trax.error.fingerprint": "ba5",
               "trax.error.replaces": "f00"}  # fmt: skip
    outer = span("charge", trace=TRACE, error=True, attributes=refused,
                 exceptions=[{**refused, "exception.type": "shop.Refused", "exception.message": "card"}])  # fmt: skip
    inner = span("query", trace=TRACE, parent=outer.span_id, error=True, attributes=FACTS, exceptions=[RAISED])
    room.put(traces(inner, outer))
    assert (one(room).count, one(room).code, one(room).message) == (1, "ACME-001", "card")


@pytest.mark.parametrize("kind", ["*errors.errorString", "Error"])
def test_errors_of_senders_without_fingerprints_are_told_apart_by_their_message(room: Any, kind: str) -> None:
    """Go's and Node's."""
    messages = ["order 17 not found", "order 4711 not found", "connection to 10.0.0.1:5432 refused"]
    failing = [
        span("work", error=True, exceptions=[{"exception.type": kind, "exception.message": message}])
        for message in messages
    ]
    room.put(traces(*failing, service="go"))
    assert sorted((found.count, found.message.split()[0]) for found in room.queries.errors()) == [
        (1, "connection"), (2, "order"),
    ]  # fmt: skip
