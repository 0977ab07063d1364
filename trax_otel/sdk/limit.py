"""One-span traces that only fill the store: a poller's queries, a template that is compiled outside of any request.

A span is left out where all of this holds: it is a database's, a cache's or a template's, made by an instrumentation that this
package activated; it has no parent, no child, no link, no log record, and its context was sent nowhere; this process serves
requests or jobs (a template's is noise in any process); it did not fail, was not slow, and one of its name was kept less than
10 s ago. It is counted, and the instrumentation's metrics hold it like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import StatusCode

from .. import clock, config, semconv
from ..signals import counter, roots

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Span

INSTRUMENTATIONS: Final = "opentelemetry.instrumentation."
"""What the scopes of OpenTelemetry's own instrumentations begin with."""
QUERYING: Final = frozenset({
    "aiopg", "asyncpg", "dbapi", "mysql", "mysqlclient", "psycopg", "psycopg2", "pymssql", "pymysql", "sqlalchemy", "sqlite3",
})  # fmt: skip
"""Instrumentations whose spans are queries in SQL."""
_TEMPLATES: Final = frozenset({"jinja2"})
LIMITED: Final = QUERYING | _TEMPLATES | {"cassandra", "elasticsearch", "pymemcache", "pymongo", "redis", "tortoiseorm"}
ONE_IN_NS: Final = 10 * 10**9
SLOW_NS: Final = 250 * 10**6
MOST_NAMES: Final = 1_000
_WAITING: Final = frozenset({
    "BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "PSUBSCRIBE", "SUBSCRIBE", "WAIT",
    "XREAD", "XREADGROUP",
})  # fmt: skip
"""Commands that wait for something to happen: they are not slow."""

_kept: dict[tuple[str, str], int] = {}
_left_out: dict[int, None] = {}
_limited = counter(semconv.SPANS_LIMITED)


def begin_leaving_out(span: Span, end_time: int) -> bool:
    """Whether the span that ends now is left out; then `is_left_out` says so until `end_leaving_out`."""
    scope = span.instrumentation_scope
    if span.parent is not None or scope is None or not scope.name.startswith(INSTRUMENTATIONS):
        return False
    name = scope.name[len(INSTRUMENTATIONS) :]
    if name not in LIMITED or not _is_noise(span, scope.name, name, end_time):
        return False
    _left_out[span.get_span_context().span_id] = None
    _limited.add(1, {semconv.LIMITED_BY: name, semconv.LIMITED_SPAN: span.name})
    return True


def end_leaving_out(span: Span) -> None:
    """The span has ended."""
    _left_out.pop(span.get_span_context().span_id, None)


def is_left_out(span: ReadableSpan) -> bool:
    """Whether a span that is ending is to be left out."""
    return bool(_left_out) and span.context is not None and span.context.span_id in _left_out


def _is_noise(span: Span, scope: str, name: str, end_time: int) -> bool:
    if span.status.status_code is StatusCode.ERROR or span.links or span.events or roots.is_referred(span):
        return False
    if not roots.is_activated(scope) or not (name in _TEMPLATES or roots.serves()):
        return False
    took = end_time - (span.start_time or end_time)
    if took >= SLOW_NS and span.name.partition(" ")[0].upper() not in _WAITING:
        return False
    return config.settings().runtime.root_spans != "all" and not _is_due(scope, span.name)


def _is_due(scope: str, name: str) -> bool:
    """Whether one of this name is kept again; of names beyond the bound none is."""
    now = int(clock.current().monotonic() * 1e9)
    last = _kept.get((scope, name))
    if (last is not None and now - last < ONE_IN_NS) or (last is None and not _has_room(now)):
        return False
    _kept[scope, name] = now
    return True


def _has_room(now: int) -> bool:
    if len(_kept) < MOST_NAMES:
        return True
    for key, last in list(_kept.items()):
        if now - last >= ONE_IN_NS:
            _kept.pop(key, None)
    return len(_kept) < MOST_NAMES


def forget() -> None:
    """Know nothing of what was kept."""
    _kept.clear()


def note_start(span: Any, parent: Any) -> None:
    """A span began, under this one if it is a span of this process."""
    roots.note_kind(span.kind)
    if span.parent is not None and not span.parent.is_remote:
        roots.refer_to(parent)
