"""What a view puts beside a span's name, so that a retry, a breaker or a recovery is seen at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from .. import semconv
from .formats import duration, http_status, shown
from .model import Span
from .words import ANSWERED, GAVE_UP, reason, seconds_ns, state

Tone = Literal["retry", "breaker", "recovery", "outcome", "good"]

_NAMED_BY: Final = {
    semconv.RETRY_ATTEMPT_SPAN: semconv.RETRY_ATTEMPT,
    semconv.RECOVERY_STRATEGY_SPAN: semconv.RECOVERY_STRATEGY,
    semconv.RECOVERY_FALLBACK_SPAN: semconv.RECOVERY_FALLBACK,
    semconv.STATE_STEP_SPAN: semconv.STATE_STEP,
}
"""Spans whose names are the same for all of their kind, and the attribute that tells them apart."""
_ATTEMPT_ENDS: Final[dict[str, tuple[str, Tone]]] = {
    "success": ("succeeded", "good"), "failure": ("failed", "outcome"), "cancelled": ("cancelled", "outcome"),
}  # fmt: skip


@dataclass(frozen=True)
class Badge:
    """A short remark on a span."""

    text: str
    tone: Tone


def label(span: Span) -> str:
    """The span's name, with what tells it from others of its kind: `attempt 2`, `fallback cached`."""
    key = _NAMED_BY.get(span.name)
    return f"{span.name} {shown(span.attributes[key])}" if key and key in span.attributes else span.name


def badges(span: Span) -> list[Badge]:
    """What makes a span one of a retry, a breaker or a recovery, a failed HTTP call, or neither success nor failure."""
    if not span.attributes:
        return []
    named = _NAMED_BY.get(span.name, "")
    return [*_http(span.attributes), *_retry(span.attributes, named), *_breaker(span.attributes),
            *_recovery(span.attributes, named), *_outcome(span.attributes, named)]  # fmt: skip


def _http(attributes: Mapping[str, Any]) -> Iterator[Badge]:
    if (status := http_status(attributes)) is not None and status >= 400:
        yield Badge(f"HTTP {status}", "outcome")


def _retry(attributes: Mapping[str, Any], named: str) -> Iterator[Badge]:
    attempt = attributes.get(semconv.RETRY_ATTEMPT)
    if attempt is not None and named != semconv.RETRY_ATTEMPT:
        yield Badge(f"attempt {shown(attempt)}", "retry")
    if count := attributes.get(semconv.RETRY_COUNT):
        yield Badge(f"{shown(count)} repeat{'' if count == 1 else 's'}", "retry")
    if attributes.get(semconv.RETRY_STOP_REASON):
        why = reason(GAVE_UP, attributes, semconv.RETRY_STOP_REASON)
        yield Badge(f"gave up: {why.replace('_', ' ')}", "outcome")


def _breaker(attributes: Mapping[str, Any]) -> Iterator[Badge]:
    name, now = attributes.get(semconv.BREAKER_NAME), attributes.get(semconv.BREAKER_STATE)
    if name or now:
        yield Badge(" ".join(filter(None, ("breaker", name and shown(name), now and state(shown(now))))), "breaker")


def _recovery(attributes: Mapping[str, Any], named: str) -> Iterator[Badge]:
    strategy, fallback = attributes.get(semconv.RECOVERY_STRATEGY), attributes.get(semconv.RECOVERY_FALLBACK)
    outcome = attributes.get(semconv.RECOVERY_OUTCOME)
    if strategy and named != semconv.RECOVERY_STRATEGY and (outcome is None or outcome in ANSWERED):
        yield Badge(f"by {shown(strategy)}", "recovery")
    if fallback and named != semconv.RECOVERY_FALLBACK:
        yield Badge(f"by {shown(fallback)}", "recovery")
    if outcome:
        yield Badge(shown(outcome), "good" if outcome in ANSWERED else "outcome")
    age = seconds_ns(attributes.get(semconv.RECOVERY_CACHE_AGE))
    stale = attributes.get(semconv.RECOVERY_CACHE_STALE) is True
    if stale or age is not None:
        how_old = "" if age is None else f", {duration(age)} old"
        yield Badge(f"{'stale' if stale else 'cached'} answer{how_old}", "outcome" if stale else "recovery")
    if times := attributes.get(semconv.STATE_RECOVERIES):
        yield Badge("resumed" if times == 1 else f"resumed, time {shown(times)}", "recovery")
    if attributes.get(semconv.STATE_REPLAYED) is True:
        yield Badge("replayed", "recovery")


def _outcome(attributes: Mapping[str, Any], named: str) -> Iterator[Badge]:
    outcome = shown(attributes.get(semconv.OUTCOME))
    if named == semconv.RETRY_ATTEMPT and outcome in _ATTEMPT_ENDS:
        yield Badge(*_ATTEMPT_ENDS[outcome])
    elif outcome in ("cancelled", "rejected") and attributes.get(semconv.RETRY_STOP_REASON) != outcome:
        yield Badge(outcome, "outcome")
