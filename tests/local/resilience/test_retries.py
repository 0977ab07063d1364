"""Retried operations, as their counters tell of them."""

from __future__ import annotations

from support.stored import Stored, ns, trace_id
from support.stored_resilience import retried, sums, waits
from trax_otel import semconv
from trax_otel.local.model import Filter


def test_calls_are_told_by_how_they_ended(stored: Stored) -> None:
    stored.metrics(retried("pay", succeeded_without_retry=90, succeeded_with_retry=6, failed_with_retry=3, deadline=1))
    stored.metrics(sums(semconv.RETRY_ATTEMPTS, (10_000, 125, {semconv.OPERATION_NAME: "pay"})))
    stored.metrics(waits("pay", 10_000, [0.5, 1.0, 2.0], trace=1))
    (pay,) = stored.queries.retries()
    assert (pay.operation, pay.service, pay.calls, pay.attempts, pay.failed) == ("pay", "shop", 100, 125, 4)
    assert pay.others == {"deadline": 1}
    assert pay.attempts_per_call == 1.25
    assert (pay.waits, pay.waited_ns) == (3, 3_500_000_000)
    assert pay.trace_ids == (trace_id(1),)


def test_processes_and_restarts_add_up(stored: Stored) -> None:
    labels = {semconv.OPERATION_NAME: "pay", semconv.RETRY_OUTCOME: "succeeded_without_retry"}
    for instance in ("one", "two"):
        stored.metrics(
            sums(
                semconv.RETRY_OPERATIONS, (1_000, 5, labels), (2_000, 8, labels), (3_000, 2, labels), instance=instance
            )
        )
    (pay,) = stored.queries.retries()
    assert pay.calls == 20, "8, then 2 after it began anew, in each"


def test_what_was_counted_before_the_time_that_is_asked_for_is_not_told(stored: Stored) -> None:
    labels = {semconv.OPERATION_NAME: "pay", semconv.RETRY_OUTCOME: "failed_with_retry"}
    stored.metrics(sums(semconv.RETRY_OPERATIONS, (10_000, 5, labels), (20_000, 6, labels), (30_000, 9, labels)))
    assert stored.queries.retries(Filter(since_ns=ns(15_000)))[0].calls == 3
    assert stored.queries.retries(Filter(until_ns=ns(25_000)))[0].calls == 6


def test_filters_and_order(stored: Stored) -> None:
    stored.metrics(retried("calm", succeeded_without_retry=1_000)).metrics(retried("failing", failed_with_retry=2))
    stored.metrics(retried("never called", succeeded_without_retry=0))

    def named(**asked: object) -> list[str]:
        return [entry.operation for entry in stored.queries.retries(Filter(**asked))]  # type: ignore[arg-type]

    assert named() == ["failing", "calm"]
    assert named(errors_only=True) == ["failing"]
    assert named(operation="calm") == named(text="CAL") == ["calm"]
    assert named(service="other") == []
    assert named(limit=1) == ["failing"]
