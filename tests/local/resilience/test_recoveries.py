"""Recoveries, what was tried, degraded features, resumed operations."""

from __future__ import annotations

from support.stored import MS, SECOND, S, Stored, ns, span_id, trace_id
from support.stored_resilience import degraded, recovery, resumed
from trax_otel import semconv
from trax_otel.local.links import resumed_targets
from trax_otel.local.model import Filter


def test_a_recovery_names_the_strategy_and_the_fallback_that_answered(stored: Stored) -> None:
    stored.spans(*recovery(100, 1), *recovery(200, 2, 5_000, stale=True))
    (found,) = stored.queries.recoveries().recoveries
    assert (found.service, found.operation, found.answered, found.outcome) == (
        "shop", "transcribe", "fallback › cached", "recovered",
    )  # fmt: skip
    assert (found.count, found.stale, found.oldest_ns) == (2, 1, 90 * SECOND)
    assert (found.p50_ns, found.p95_ns) == (50 * MS, 50 * MS)
    assert (found.trace_id, found.span_id) == (trace_id(2), span_id(200)), "the newest is the example"


def test_what_was_tried_is_told_by_how_it_ended(stored: Stored) -> None:
    stored.spans(*recovery(100, 1))
    tried = {(one.kind, one.name, one.outcome): one.count for one in stored.queries.recoveries().tried}
    assert tried == {
        ("strategy", "reconnect", "failed"): 1, ("strategy", "fallback", "recovered"): 1,
        ("fallback", "secondary", "failed"): 1, ("fallback", "cached", "recovered"): 1,
    }  # fmt: skip


def test_a_fallback_by_itself_is_a_recovery_and_a_cleanup_was_tried(stored: Stored) -> None:
    stored.spans(
        S(1, "pay"),
        S(2, "fallback", 1, attributes={semconv.OPERATION_NAME: "pay", semconv.RECOVERY_FALLBACK: "queue",
                                        semconv.RECOVERY_OUTCOME: "recovered"}),
        S(3, "cleanup", 1, attributes={semconv.OPERATION_NAME: "files", semconv.RECOVERY_OUTCOME: "failed"}),
    )  # fmt: skip
    found = stored.queries.recoveries()
    assert [(one.operation, one.answered, one.outcome) for one in found.recoveries] == [("pay", "queue", "recovered")]
    assert ("cleanup", "files", "failed") in {(one.kind, one.name, one.outcome) for one in found.tried}


def test_parents_in_a_circle_do_no_harm(stored: Stored) -> None:
    answered = {semconv.RECOVERY_FALLBACK: "queue", semconv.RECOVERY_OUTCOME: "recovered"}
    stored.spans(S(1, "fallback", 2, attributes=answered), S(2, "fallback", 1, attributes=answered),
                 S(3, "fallback", 3, attributes=answered))  # fmt: skip
    assert stored.queries.recoveries().tried[0].count == 3


def test_filters(stored: Stored) -> None:
    stored.spans(*recovery(100, 1), S(1, "recover", trace=3, attributes={semconv.RECOVERY_OUTCOME: "failed"}))

    def outcomes(**asked: object) -> list[str]:
        return [one.outcome for one in stored.queries.recoveries(Filter(**asked)).recoveries]  # type: ignore[arg-type]

    assert sorted(outcomes()) == ["failed", "recovered"]
    assert outcomes(operation="transcribe") == outcomes(text="CACHED") == ["recovered"]
    assert outcomes(errors_only=True) == ["failed"]
    assert outcomes(service="none") == outcomes(since_ns=ns(60_000)) == []


def test_a_degraded_feature_tells_its_level_and_since_when(stored: Stored) -> None:
    spans, levels = degraded()
    stored.spans(*spans).metrics(levels)
    (search,) = stored.queries.recoveries().features
    assert (search.feature, search.level, search.name, search.worst) == ("search", 1, "no ranking", 1)
    assert search.since_ns == ns(12_000), "the event says it more exactly than the samples"


def test_a_resumed_operation_links_to_the_run_that_was_interrupted(stored: Stored) -> None:
    stored.spans(*resumed())
    found = stored.queries.recoveries()
    (order,) = found.resumed
    assert (order.operation_id, order.operation_type, order.recoveries, order.outcome) == (
        "order-4711",
        "fulfil",
        1,
        "success",
    )
    assert [(link.trace_id, link.span_id) for link in order.interrupted] == [(trace_id(7), span_id(701))]
    target = resumed_targets(stored.queries, found)[trace_id(7), span_id(701)]
    assert target.stored
    assert target.name == "", "the span of a killed process never arrives; its steps did"


def test_nothing_is_nothing(stored: Stored) -> None:
    stored.spans(S(1, "GET /"))
    assert not stored.queries.recoveries()
