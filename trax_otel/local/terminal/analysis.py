"""The analysis in a terminal: a listing for each part, and a line where there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from ..formats import duration, moment
from .tables import Listing, failed, short, text

if TYPE_CHECKING:
    from rich.console import Console

    from ..analysis.bottlenecks import Bottleneck, RepeatedCall
    from ..analysis.changes import Change
    from ..analysis.patterns import Pattern
    from ..analysis.security import Incident, SecurityEvents
    from ..analysis.usage import Usage

MESSAGE: Final = 90
_TRENDS: Final = {"new": "bold red", "growing": "red", "falling": "green", "gone": "green", "steady": "dim"}
_WORSE: Final = {"more errors", "slower", "gone"}


def print_analysis(console: Console, parts: Mapping[str, Sequence[Any]]) -> None:
    """Each part under its heading."""
    for number, (name, records) in enumerate(parts.items()):
        show, empty = _PARTS[name]
        if number:
            console.print()
        if records:
            show(console, records)
        else:
            console.print(Text(empty, "dim"))


def _trace(trace_id: str | None) -> Text:
    return text(trace_id[:8], "cyan") if trace_id else Text("–", "dim")


def _share(value: float) -> str:
    return f"{value:.1%}"


def _patterns(console: Console, found: Sequence[Pattern]) -> None:
    listing = Listing("Errors and warnings that repeat", "pattern", "severity", "code", "services", "count>", "share>",
                      "trend", "last=", "trace")  # fmt: skip
    for one in found:
        listing.add(text(short(one.template, MESSAGE), "bold"), text(one.severity.lower()), text(one.code or one.type or "–"),
                    text(", ".join(one.services)), f"{one.count:,}", _share(one.share), Text(one.trend, _TRENDS[one.trend]),
                    moment(one.last_ns), _trace(one.example_trace_id))  # fmt: skip
    listing.print(console)


def _bottlenecks(console: Console, found: Sequence[Bottleneck]) -> None:
    listing = Listing("Where the time goes: each operation's own, without what runs below it", "operation", "service", "kind",
                      "count>", "own time>", "share>", "own p95>", "waits most for", "slowest")  # fmt: skip
    for one in found:
        waits = text(f"{one.waits_for} ({duration(one.waits_ns)})") if one.waits_for else Text("–", "dim")
        listing.add(text(one.operation, "bold"), text(one.service), one.kind, f"{one.count:,}", duration(one.own_ns),
                    _share(one.share), duration(one.p95_own_ns), waits, _trace(one.slowest_trace_id))  # fmt: skip
    listing.print(console)


def _repeated(console: Console, found: Sequence[RepeatedCall]) -> None:
    listing = Listing("Calls that one span makes again and again", "call", "made by", "service", "at most>", "spans>",
                      "time in all>", "trace")  # fmt: skip
    for one in found:
        listing.add(text(one.call, "bold"), text(one.operation), text(one.service), f"{one.most:,}", f"{one.spans:,}",
                    duration(one.total_ns), _trace(one.example_trace_id))  # fmt: skip
    listing.print(console)


def _incidents(console: Console, found: Sequence[Incident]) -> None:
    listing = Listing("Security: to be looked at", "what", "kind", "by", "events>", "from=", "to=", "traces")
    for one in found:
        by = text(f"{one.by} {one.who}") if one.by else Text("–", "dim")
        traces = text(" ".join(trace_id[:8] for trace_id in one.trace_ids[-3:]) or "–", "cyan")
        listing.add(Text(one.what, "bold red"), text(one.kind), by, f"{one.count:,}", moment(one.first_ns),
                    moment(one.last_ns), traces)  # fmt: skip
    listing.print(console)


def _security(console: Console, found: Sequence[SecurityEvents]) -> None:
    listing = Listing("Security events", "kind", "outcome", "actor", "source", "services", "count>", "last=", "trace")
    for one in found:
        listing.add(text(one.kind, "bold"), text(one.outcome, "red" if one.outcome == "failure" else ""), text(one.actor or "–"),
                    text(one.source or "–"), text(", ".join(one.services)), f"{one.count:,}", moment(one.last_ns),
                    _trace(one.example_trace_id))  # fmt: skip
    listing.print(console)


def _usage(console: Console, found: Sequence[Usage]) -> None:
    listing = Listing(
        "What is used", "operation", "service", "requests>", "share>", "failed>", "busiest hour=", "asked most by"
    )
    for one in found:
        busiest = f"{moment(one.busiest_hour_ns, date=True)[:16]} ({one.busiest_count:,})"
        caller = (one.agents or one.clients or (("", 0),))[0]
        asked = text(f"{short(caller[0], 40)} ({caller[1]:,})") if caller[0] else Text("–", "dim")
        listing.add(text(one.operation, "bold"), text(one.service), f"{one.count:,}", _share(one.share), failed(one.failed),
                    busiest, asked)  # fmt: skip
    listing.print(console)


def _changes(console: Console, found: Sequence[Change]) -> None:
    title = f"Different since {moment(found[0].since_ns)}, the newest quarter of the time"
    listing = Listing(title, "operation", "service", "kind", "change", "before>", "now>", "sure>")
    for one in found:
        if one.what.endswith("errors"):
            before, now = _share(one.before), _share(one.now)
        elif one.what in ("slower", "faster"):
            before, now = duration(round(one.before)), duration(round(one.now))
        else:
            before, now = f"{one.before_count:,}", f"{one.now_count:,}"
        listing.add(text(one.operation, "bold"), text(one.service), one.kind,
                    Text(one.what, "red" if one.what in _WORSE else "green"), before, now,
                    f"{abs(one.deviations):.1f} σ" if one.deviations else "–")  # fmt: skip
    listing.print(console)


_PARTS: Final[dict[str, tuple[Callable[[Console, Any], None], str]]] = {
    "patterns": (_patterns, "No error or warning was found."),
    "bottlenecks": (_bottlenecks, "No span was found: there is no time to account for."),
    "repeated_calls": (_repeated, "No span makes the same call five times."),
    "security_incidents": (
        _incidents,
        "No burst of failures, no success after one, no tampering among the security events.",
    ),
    "security_events": (_security, "No security event was found (trax_otel.logging.log_security_event logs them)."),
    "usage": (_usage, "No request or message that came in was found (a span of kind server or consumer)."),
    "changes": (_changes, "The newest quarter of the time does nothing differently that chance would not explain."),
}
