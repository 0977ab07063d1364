"""What spans link to: the span that tripped a breaker, the run that was interrupted, or any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .. import semconv
from .badges import label
from .model import Link, Span

if TYPE_CHECKING:
    from .queries import Queries
    from .resilience import Recoveries

PLAIN_LINK: Final = "link to"
GOES_ON: Final = "goes on from"
MOST: Final = 500
"""Links of one trace that are looked up."""


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
        return "tripped by"
    if semconv.STATE_RECOVERIES in span.attributes:
        return GOES_ON
    return PLAIN_LINK


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
