"""Events in words."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from trax_otel import semconv
from trax_otel.local.words import BREAKER_REASONS, STOP_REASONS, told
from trax_otel.retry.breaker.rules import Reason
from trax_otel.retry.details import StopReason


def text(name: str, **attributes: Any) -> str | None:
    found = told(name, {f"trax.{key}": value for key, value in attributes.items()})
    return None if found is None else found.text


def test_every_reason_of_the_rooms_has_its_words() -> None:
    assert set(get_args(StopReason)) == set(STOP_REASONS)
    assert set(get_args(Reason)) == set(BREAKER_REASONS)


@pytest.mark.parametrize(
    ("event", "attributes", "words"),
    [
        (semconv.RETRY_SCHEDULED_EVENT, {"retry.attempt": 2, "retry.delay": 0.25, "retry.delay.source": "backoff"},
         "attempt 2 failed, the next follows in 250 ms: back-off"),
        (semconv.RETRY_SCHEDULED_EVENT, {"retry.attempt": 1, "retry.delay": 3},
         "attempt 1 failed, the next follows in 3 s"),
        (semconv.RETRY_EXHAUSTED_EVENT, {"retry.attempt": 4, "retry.stop.reason": "budget"},
         "gave up after attempt 4: the shared budget of repeats was used up"),
        (semconv.BREAKER_STATE_CHANGED_EVENT,
         {"circuit_breaker.name": "bank", "circuit_breaker.state": "open", "circuit_breaker.previous_state": "half_open",
          "circuit_breaker.reason": "probe_failed", "circuit_breaker.open_duration": 30.0},
         "breaker bank: half-open → open, a probe failed; it rejects calls for 30 s"),
        (semconv.FALLBACK_EVENT, {"recovery.fallback": "cached"}, "cached answered in the primary's place"),
        (semconv.RECOVERY_EVENT, {"recovery.outcome": "recovered", "recovery.strategy": "queue"}, "recovered by queue"),
        (semconv.RECOVERY_EVENT, {"recovery.outcome": "failed"}, "recovery failed"),
        (semconv.RECOVERY_EVENT, {"recovery.outcome": "timeout", "recovery.strategy": "x"}, "recovery took too long (x)"),
        (semconv.FEATURE_CHANGED_EVENT, {"feature.name": "search", "feature.level": "no ranking"},
         "feature search now works at level no ranking"),
    ],
)  # fmt: skip
def test_an_event_is_a_sentence(event: str, attributes: dict[str, Any], words: str) -> None:
    assert text(event, **attributes) == words


def test_what_the_sentence_does_not_tell_is_left_to_be_told() -> None:
    found = told(semconv.RETRY_EXHAUSTED_EVENT, {semconv.RETRY_ATTEMPT: 1, semconv.ERROR_CODE: "TRAX-001"})
    assert found is not None
    assert found.rest == {semconv.ERROR_CODE: "TRAX-001"}


def test_events_without_what_their_words_need_stand_as_they_are() -> None:
    assert text("anything.else") is None
    for event in (semconv.RETRY_SCHEDULED_EVENT, semconv.BREAKER_STATE_CHANGED_EVENT, semconv.FALLBACK_EVENT,
                  semconv.RECOVERY_EVENT, semconv.FEATURE_CHANGED_EVENT):  # fmt: skip
        assert text(event) is None
    assert text(semconv.RETRY_SCHEDULED_EVENT, **{"retry.delay": "soon"}) is None
    assert text(semconv.RETRY_EXHAUSTED_EVENT, **{"retry.stop.reason": ["odd"]}) == 'gave up after attempt ?: ["odd"]'
