"""What spans link to: the span that tripped a breaker, the run that was interrupted, or any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .. import semconv
from .badges import label
from .model import Link, Span
from .records import SELECT_SPAN, span_of
from .schema import LINKED_SPANS

if TYPE_CHECKING:
    from .queries import Queries
    from .resilience import Recoveries

PLAIN_LINK: Final = "link to"
GOES_ON: Final = "goes on from"
TRIPPED_BY: Final = "tripped by"
MOST: Final = 500
"""Links of one trace that are looked up, and links to it."""
MOST_LINKED: Final = 50_000
"""Spans with links, the newest, among which those that lead to a trace are looked for."""
_INVERSE: Final = {
    TRIPPED_BY: "tripped a breaker; what it then rejected:",
    GOES_ON: "was interrupted; what went on with it:",
    PLAIN_LINK: "is linked to by",
}


@dataclass(frozen=True)
class Target:
    """A span that a link leads to; without a name where it has not arrived. `stored`: something of its trace has."""

    trace_id: str
    span_id: str
    stored: bool
    name: str = ""
    service: str = ""
    start_ns: int = 0


@dataclass(frozen=True)
class Reference:
    """A span's link, what it says, and what is known of the span that it leads to (None: it was not looked up)."""

    link: Link
    meaning: str
    target: Target | None
    here: bool
    """Whether it stays within the trace."""

    @property
    def text(self) -> str:
        """What to call where it leads."""
        if self.target is not None and self.target.name:
            return self.target.name
        return "the interrupted run" if self.meaning == GOES_ON else "a span"

    @property
    def remark(self) -> str:
        """What is to be said where it leads nowhere, or only near."""
        if self.target is None or self.target.name:
            return ""
        return "the span itself has not arrived" if self.target.stored else "nothing of that trace is stored"


Targets = Mapping[tuple[str, str], Target]


def references(span: Span, known: Targets) -> tuple[Reference, ...]:
    """The span's links."""
    return tuple(
        Reference(link, meaning(span), known.get((link.trace_id, link.span_id)), link.trace_id == span.trace_id)
        for link in span.links
    )


def meaning(span: Span) -> str:
    """What a link of this span says of the span that it leads to."""
    if span.name == semconv.BREAKER_REJECTED_SPAN:
        return TRIPPED_BY
    if semconv.STATE_RECOVERIES in span.attributes:
        return GOES_ON
    return PLAIN_LINK


@dataclass(frozen=True)
class Incoming:
    """Spans of other traces, of one name, whose links lead here and mean the same, newest first."""

    meaning: str
    """What this trace is to them, in words that they may follow."""
    name: str
    service: str
    sources: tuple[Target, ...]


def incoming(queries: Queries, trace_id: str) -> list[Incoming]:
    """What leads to this trace from others: calls that were rejected because of it, runs that went on with it."""
    rows = queries.rows(
        f"{SELECT_SPAN} WHERE s.id IN (SELECT id FROM span WHERE {LINKED_SPANS} ORDER BY id DESC LIMIT ?)"
        " AND s.trace_id <> ? AND instr(s.links, ?) > 0 ORDER BY s.id DESC LIMIT ?",
        (MOST_LINKED, trace_id, f'"{trace_id}"', MOST),
    )
    found: dict[tuple[str, str, str], list[Target]] = {}
    for span in map(span_of, rows):
        if any(link.trace_id == trace_id for link in span.links):
            source = Target(span.trace_id, span.span_id, True, label(span), span.service, span.start_ns)
            found.setdefault((_INVERSE[meaning(span)], source.name, source.service), []).append(source)
    return [Incoming(*key, tuple(sources)) for key, sources in found.items()]


def targets(queries: Queries, spans: Iterable[Span]) -> dict[tuple[str, str], Target]:
    """The spans that these link to, by trace id and span id."""
    spans = list(spans)
    here = {(span.trace_id, span.span_id): span for span in spans}
    return _look_up(queries, (link for span in spans for link in span.links), here)


def resumed_targets(queries: Queries, found: Recoveries) -> dict[tuple[str, str], Target]:
    """The interrupted runs, as far as they are stored."""
    return _look_up(queries, (link for one in found.resumed for link in one.interrupted), {})


def _look_up(
    queries: Queries, links: Iterable[Link], here: Mapping[tuple[str, str], Span]
) -> dict[tuple[str, str], Target]:
    found = {}
    for key in list(dict.fromkeys((link.trace_id, link.span_id) for link in links))[:MOST]:
        span = here.get(key) or queries.span(*key)
        if span is not None:
            found[key] = Target(*key, True, label(span), span.service, span.start_ns)
        else:
            found[key] = Target(*key, bool(queries.rows("SELECT 1 FROM trace WHERE trace_id = ?", key[:1])))
    return found
