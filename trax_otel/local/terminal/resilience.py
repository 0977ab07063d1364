"""Retries, breakers and recoveries in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.text import Text

from ..formats import clean, duration, moment
from ..resilience.retries import AFTER_RETRY, AT_ONCE, IN_VAIN, NOT_RETRIED
from ..resilience.strips import Window, cells, window
from ..words import ANSWERED, BREAKER_REASONS, state
from .tables import Listing, failed, text

if TYPE_CHECKING:
    from rich.console import Console

    from ..resilience import BreakerStats, Recoveries, RetryStats

STRIP: Final = 40
"""Characters of a strip of states; half of it in a narrow terminal."""
NARROW: Final = 120
MOST_CHANGES: Final = 20
"""Changes of states that are listed, the newest."""
_STATES: Final = {
    "closed": ("▁", "green"), "half_open": ("▄", "yellow"), "open": ("█", "red"), "isolated": ("▒", "magenta"),
}  # fmt: skip
_NOTHING: Final = Text("–", "dim")


def print_retries(console: Console, stats: Sequence[RetryStats]) -> None:
    """Retried operations by how their calls ended."""
    listing = Listing("Retried operations", "operation", "service", "calls>", "ok at once>", "ok after retry>",
                      "failed at once>", "failed after retry>", "other ends", "attempts a call>", "waits>", "trace")  # fmt: skip
    for entry in stats:
        per_call = entry.attempts_per_call
        listing.add(
            text(entry.operation or "unnamed", "bold"), text(entry.service), f"{entry.calls:,}",
            _count(entry.ends.get(AT_ONCE, 0)), _count(entry.ends.get(AFTER_RETRY, 0), "yellow"),
            failed(entry.ends.get(NOT_RETRIED, 0)), failed(entry.ends.get(IN_VAIN, 0)), _by_outcome(entry.others),
            "–" if per_call is None else f"{per_call:.3g}", duration(entry.waited_ns), _trace(*entry.trace_ids[-1:]),
        )  # fmt: skip
    listing.print(console)


def print_breakers(console: Console, stats: Sequence[BreakerStats]) -> None:
    """Circuit breakers: what they are and were, what they let through, and what changed them."""
    over = window(stats)
    several = _several(stats)
    span = f"state from {moment(over.start_ns)[:8]} to {moment(over.end_ns)[:8]}="
    listing = Listing("Circuit breakers", "breaker", "service", *(["process"] if several else []), "state", "since", "trips>",
                      "calls", span)  # fmt: skip
    width = STRIP if console.width >= NARROW else STRIP // 2
    for entry in stats:
        listing.add(
            text(entry.name or "unnamed", "bold"), text(entry.service), *([text(entry.instance[:8])] if several else []),
            _state(entry.state), moment(entry.since_ns), failed(entry.trips), _by_outcome(entry.calls),
            _strip(entry, over, width),
        )  # fmt: skip
    listing.print(console)
    legend = Text("  ")
    for name, (character, style) in _STATES.items():
        legend.append(character, style).append(f" {state(name)}   ", "dim")
    console.print(legend)
    _print_changes(console, stats)


def _print_changes(console: Console, stats: Sequence[BreakerStats]) -> None:
    changes = sorted((change for entry in stats for change in entry.changes), key=lambda change: change.time_ns)
    if not changes:
        return
    console.print()
    listing = Listing("What changed them", "at", "breaker", "service", "change", "because", "trace")
    for change in changes[-MOST_CHANGES:]:
        why = BREAKER_REASONS.get(change.reason, change.reason)
        open_for = f" (rejects for {duration(change.open_for_ns)})" if change.open_for_ns else ""
        before = f"{state(change.before)} → " if change.before else ""
        listing.add(
            moment(change.time_ns), text(change.name), text(change.service),
            Text.assemble(clean(before), _state(change.state)), text(f"{why}{open_for}" or "–"), _trace(change.trace_id),
        )  # fmt: skip
    listing.print(console)
    if len(changes) > MOST_CHANGES:
        console.print(Text(f"  the newest {MOST_CHANGES} of {len(changes)}; all of them with --json", "dim"))


def print_recoveries(console: Console, found: Recoveries) -> None:
    """Recoveries, what was tried in them, degraded features, resumed operations: what there is of these."""
    if found.recoveries:
        listing = Listing("Recoveries", "operation", "service", "answered by", "outcome", "count>", "p50>", "p95>",
                          "stale>", "oldest answer>", "last", "trace")  # fmt: skip
        for entry in found.recoveries:
            listing.add(
                text(entry.operation or "unnamed", "bold"), text(entry.service), text(entry.answered or "–"),
                _outcome(entry.outcome), f"{entry.count:,}", duration(entry.p50_ns), duration(entry.p95_ns),
                _count(entry.stale, "yellow"), _NOTHING if entry.oldest_ns is None else duration(entry.oldest_ns),
                moment(entry.last_ns), _trace(entry.trace_id),
            )  # fmt: skip
        listing.print(console)
    if found.tried:
        listing = Listing(
            "What was tried", "step", "name", "service", "outcome", "count>", "p50>", "p95>", "last", "trace"
        )
        for tried in found.tried:
            listing.add(
                tried.kind, text(tried.name or "–", "bold"), text(tried.service), _outcome(tried.outcome),
                f"{tried.count:,}", duration(tried.p50_ns), duration(tried.p95_ns), moment(tried.last_ns),
                _trace(tried.trace_id),
            )  # fmt: skip
        listing.print(console)
    if found.features:
        listing = Listing("Features", "feature", "service", "process", "works", "level>", "worst>", "since")
        for feature in found.features:
            works = feature.name or ("fully" if not feature.level else "degraded")
            listing.add(
                text(feature.feature, "bold"), text(feature.service), text(feature.instance[:8] or "–"),
                text(works, "yellow" if feature.level else "green"), str(feature.level), str(feature.worst),
                moment(feature.since_ns),
            )  # fmt: skip
        listing.print(console)
    _print_resumed(console, found)


def _print_resumed(console: Console, found: Recoveries) -> None:
    if not found.resumed:
        return
    listing = Listing("Resumed operations", "operation", "type", "service", "outcome", "recovery>", "resumed at", "took>",
                      "trace", "interrupted run")  # fmt: skip
    for entry in found.resumed:
        runs = Text(", ").join(_trace(link.trace_id) for link in entry.interrupted)
        listing.add(
            text(entry.operation_id, "bold"), text(entry.operation_type), text(entry.service), _outcome(entry.outcome),
            str(entry.recoveries), moment(entry.start_ns), duration(entry.duration_ns), _trace(entry.trace_id),
            runs if runs.plain else _NOTHING,
        )  # fmt: skip
    listing.print(console)


# --- Cells -------------------------------------------------------------------------------------------------------------------


def _several(stats: Sequence[BreakerStats]) -> bool:
    """Whether a breaker of one name lives in more than one process."""
    names = [(entry.service, entry.name) for entry in stats]
    return len(set(names)) < len(names)


def _strip(entry: BreakerStats, over: Window, width: int) -> Text:
    strip = Text()
    for name, same in groupby(cells(entry, over, width)):
        character, style = _STATES.get(name, ("·", "dim"))
        strip.append(character * len(list(same)), style)
    return strip


def _state(name: str) -> Text:
    return text(state(name) or "–", _STATES.get(name, ("", "dim"))[1])


def _outcome(name: str) -> Text:
    return text(name, "green" if name in (*ANSWERED, "success") else "red")


def _by_outcome(counts: Mapping[str, int]) -> Text:
    return text(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "–")


def _count(count: int, style: str = "") -> Text:
    return Text(f"{count:,}", style if count else "dim")


def _trace(trace_id: str | None = None) -> Text:
    return text(trace_id[:8], "cyan") if trace_id else _NOTHING
