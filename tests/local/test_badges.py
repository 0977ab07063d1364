"""What stands beside a span's name."""

from __future__ import annotations

from typing import Any

from trax_otel.local.badges import badges, label
from trax_otel.local.model import Span


def span(name: str, attributes: dict[str, Any]) -> Span:
    return Span("t", "s", None, name, "internal", "shop", "", 0, 1, "unset", "", None, None, attributes, (), (), {})


def texts(name: str = "pay", **attributes: Any) -> list[str]:
    return [badge.text for badge in badges(span(name, {f"trax.{key}": value for key, value in attributes.items()}))]


def test_an_operation_says_how_often_it_was_repeated_and_why_it_gave_up() -> None:
    assert texts(**{"retry.count": 1}) == ["1 repeat"]
    assert texts(**{"retry.count": 3, "retry.stop.reason": "retry_after"}) == [
        "3 repeats",
        "gave up: Retry-After too long",
    ]
    assert texts(**{"retry.stop.reason": "rejected", "outcome": "rejected"}) == ["gave up: rejected"]
    assert texts(**{"retry.stop.reason": "not_retryable"}) == ["gave up: not retryable"]
    assert texts(outcome="success") == []


def test_an_attempt_bears_its_number_and_its_end() -> None:
    assert label(span("attempt", {"trax.retry.attempt": 2})) == "attempt 2"
    for outcome, text in (("success", "succeeded"), ("failure", "failed"), ("cancelled", "cancelled")):
        assert texts("attempt", **{"retry.attempt": 2, "outcome": outcome}) == [text]
    assert texts("GET", **{"retry.attempt": 2}) == ["attempt 2"]


def test_a_rejected_call_names_its_breaker() -> None:
    rejected = {"circuit_breaker.name": "bank", "circuit_breaker.state": "half_open", "outcome": "rejected"}
    assert texts("circuit_breaker rejected", **rejected) == ["breaker bank half-open", "rejected"]


def test_a_recovery_says_who_answered_and_how_old_the_answer_is() -> None:
    assert texts("recover", **{"recovery.strategy": "cache", "recovery.outcome": "recovered"}) == [
        "by cache",
        "recovered",
    ]
    assert texts("recover", **{"recovery.strategy": "cache", "recovery.outcome": "failed"}) == ["failed"]
    stale = {"recovery.fallback": "cached", "recovery.cache.age": 90.0, "recovery.cache.stale": True}
    assert label(span("fallback", {f"trax.{key}": value for key, value in stale.items()})) == "fallback cached"
    assert texts("fallback", **stale) == ["stale answer, 1 min 30 s old"]
    assert texts(**{"recovery.cache.age": 2}) == ["cached answer, 2 s old"]


def test_a_resumed_operation_and_a_replayed_step_say_so() -> None:
    assert texts(**{"state.recoveries": 1}) == ["resumed"]
    assert texts(**{"state.recoveries": 2}) == ["resumed, time 2"]
    assert label(span("step", {"trax.state.step": "charge"})) == "step charge"
    assert texts("step", **{"state.step": "charge", "state.replayed": True}) == ["replayed"]


def test_any_value_that_was_sent_is_taken() -> None:
    odd: Any = [["cancelled"], {"a": 1}, 7, None, True, "x"]
    for value in odd:
        attributes = dict.fromkeys(("outcome", "retry.attempt", "retry.count", "retry.stop.reason", "circuit_breaker.name",
                                    "circuit_breaker.state", "recovery.strategy", "recovery.fallback", "recovery.outcome",
                                    "recovery.cache.age", "state.recoveries", "state.replayed", "state.step"), value)  # fmt: skip
        for name in ("attempt", "strategy", "fallback", "step", "pay"):
            assert isinstance(texts(name, **attributes), list)
            assert label(span(name, {f"trax.{key}": of for key, of in attributes.items()}))
