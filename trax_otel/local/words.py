"""What retries, breakers and recoveries say of themselves, in words: the same in the terminal, on the page, in the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .. import semconv
from .formats import duration, shown

STOP_REASONS: Final = {
    "attempts": "no attempt was left",
    "not_retryable": "the error is not retryable",
    "deadline": "the next wait would have passed the deadline",
    "budget": "the shared budget of repeats was used up",
    "retry_after": "the peer asked for a longer wait than is allowed",
    "rejected": "a circuit breaker rejected the call",
    "stopped": "it was told to stop",
    "cancelled": "it was cancelled",
}
GAVE_UP: Final = {
    "attempts": "no attempts left",
    "budget": "budget used up",
    "retry_after": "Retry-After too long",
    "stopped": "told to stop",
}
"""The same for a badge, where the reason's name does not do."""
DELAY_SOURCES: Final = {"backoff": "back-off", "retry_after": "as long as the peer asked (Retry-After)"}
BREAKER_REASONS: Final = {
    "failures": "too many failures in a row",
    "failure_rate": "too large a share of failures",
    "slow_call_rate": "too large a share of slow calls",
    "timeout": "its open time is over",
    "probes_succeeded": "the probes succeeded",
    "probe_failed": "a probe failed",
    "manual": "by hand",
}

ANSWERED: Final = ("recovered", "prepared")
"""The outcomes of a recovery that did what it should."""
_RECOVERY_ENDS: Final = {
    "failed": "recovery failed",
    "timeout": "recovery took too long",
    "cancelled": "recovery was cancelled",
}


class Told(NamedTuple):
    """An event as a sentence, and the attributes that it does not tell."""

    text: str
    rest: dict[str, Any]


def told(name: str, attributes: Mapping[str, Any]) -> Told | None:
    """The event in words; None where it has none, or lacks what they need."""
    known = _KNOWN.get(name)
    if known is None:
        return None
    tell, keys = known
    text = tell(attributes)
    return Told(text, {key: value for key, value in attributes.items() if key not in keys}) if text else None


def reason(words: Mapping[str, str], attributes: Mapping[str, Any], key: str) -> str:
    """The reason that an attribute names, in words; what is unknown as it stands."""
    value = attributes.get(key)
    return "" if value is None else words.get(shown(value), shown(value))


def seconds_ns(value: Any) -> int | None:
    """A number of seconds in nanoseconds; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    return round(value * 1e9)


def state(value: object) -> str:
    """A breaker's state as people write it."""
    return str(value).replace("_", "-")


def _scheduled(attributes: Mapping[str, Any]) -> str:
    delay = seconds_ns(attributes.get(semconv.RETRY_DELAY))
    if delay is None:
        return ""
    source = reason(DELAY_SOURCES, attributes, semconv.RETRY_DELAY_SOURCE)
    number = shown(attributes.get(semconv.RETRY_ATTEMPT, "?"))
    return f"attempt {number} failed, the next follows in {duration(delay)}" + (f": {source}" if source else "")


def _exhausted(attributes: Mapping[str, Any]) -> str:
    why = reason(STOP_REASONS, attributes, semconv.RETRY_STOP_REASON)
    return f"gave up after attempt {shown(attributes.get(semconv.RETRY_ATTEMPT, '?'))}" + (f": {why}" if why else "")


def _state_changed(attributes: Mapping[str, Any]) -> str:
    now, before = attributes.get(semconv.BREAKER_STATE), attributes.get(semconv.BREAKER_PREVIOUS_STATE)
    if now is None:
        return ""
    why = reason(BREAKER_REASONS, attributes, semconv.BREAKER_REASON)
    open_for = seconds_ns(attributes.get(semconv.BREAKER_OPEN_FOR))
    return (
        f"breaker {shown(attributes.get(semconv.BREAKER_NAME, '?'))}: "
        + (f"{state(before)} → {state(now)}" if before is not None else f"now {state(now)}")
        + (f", {why}" if why else "")
        + (f"; it rejects calls for {duration(open_for)}" if open_for else "")
    )


def _fallback_used(attributes: Mapping[str, Any]) -> str:
    answered = attributes.get(semconv.RECOVERY_FALLBACK)
    return "" if answered is None else f"{shown(answered)} answered in the primary's place"


def _recovered(attributes: Mapping[str, Any]) -> str:
    outcome, strategy = attributes.get(semconv.RECOVERY_OUTCOME), attributes.get(semconv.RECOVERY_STRATEGY)
    if outcome is None:
        return ""
    named = "" if strategy is None else shown(strategy)
    if outcome in ANSWERED:
        return f"recovered by {named}" if named else "recovered"
    how = _RECOVERY_ENDS.get(shown(outcome), f"recovery ended: {shown(outcome)}")
    return f"{how} ({named})" if named else how


def _level_changed(attributes: Mapping[str, Any]) -> str:
    feature, level = attributes.get(semconv.FEATURE_NAME), attributes.get(semconv.FEATURE_LEVEL)
    return "" if feature is None or level is None else f"feature {shown(feature)} now works at level {shown(level)}"


_KNOWN: Final[dict[str, tuple[Callable[[Mapping[str, Any]], str], tuple[str, ...]]]] = {
    semconv.RETRY_SCHEDULED_EVENT: (
        _scheduled, (semconv.RETRY_ATTEMPT, semconv.RETRY_DELAY, semconv.RETRY_DELAY_SOURCE)),
    semconv.RETRY_EXHAUSTED_EVENT: (_exhausted, (semconv.RETRY_ATTEMPT, semconv.RETRY_STOP_REASON)),
    semconv.BREAKER_STATE_CHANGED_EVENT: (
        _state_changed, (semconv.BREAKER_NAME, semconv.BREAKER_STATE, semconv.BREAKER_PREVIOUS_STATE,
                         semconv.BREAKER_REASON, semconv.BREAKER_OPEN_FOR)),
    semconv.FALLBACK_EVENT: (_fallback_used, (semconv.RECOVERY_FALLBACK, semconv.OPERATION_NAME)),
    semconv.RECOVERY_EVENT: (_recovered, (semconv.RECOVERY_OUTCOME, semconv.RECOVERY_STRATEGY)),
    semconv.FEATURE_CHANGED_EVENT: (_level_changed, (semconv.FEATURE_NAME, semconv.FEATURE_LEVEL)),
}  # fmt: skip
