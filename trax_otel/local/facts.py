"""What a span asked of somebody else, in one line: its SQL, its URL, its call. Views show it without a span being opened."""

from __future__ import annotations

from typing import Final

from ..semconv import standard
from .formats import shown
from .model import Span

LONGEST: Final = 300
_DESTINATION: Final = ("messaging.destination.name", "messaging.destination")


def asked(span: Span) -> str:
    """The query, the address or the method; empty where the span tells none, or its name says the same."""
    found = standard.first(
        span.attributes, *standard.DB_QUERY_TEXT, *standard.URL_FULL, *standard.URL_PATH, *_DESTINATION
    ) or _called(span)  # fmt: skip
    line = " ".join(shown(found).split()) if found is not None else ""
    query = standard.first(span.attributes, *standard.URL_QUERY)
    if query and "?" not in line and line and line == standard.first(span.attributes, *standard.URL_PATH):
        line += f"?{shown(query)}"
    if line in span.name:
        return ""
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _called(span: Span) -> str | None:
    service = standard.first(span.attributes, *standard.RPC_SERVICE)
    method = standard.first(span.attributes, *standard.RPC_METHOD)
    return "/".join(shown(part) for part in (service, method) if part) or None
