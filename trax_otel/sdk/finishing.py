"""What is put right on a span before it ends, while its attributes can still be changed.

On spans of every provider: the code of an answer that came without an exception. On those of our own provider, which go to our
exporters: secrets leave URLs, literals leave SQL, and what OpenTelemetry's instrumentations call `SELECT` is called by its table.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span

from .. import semconv
from ..errors import error_facts
from ..errors.answers import answer_facts
from ..errors.control_flow import steers_in
from ..semconv import standard
from ..semconv.standard import first
from ..signals import record_answer, record_error
from ..signals.frames import calling_place
from ..signals.stacktrace import describe, message_of
from .client_durations import measure
from .limit import INSTRUMENTATIONS, QUERYING, note_start
from .private import attributes_of, plain_mapping
from .sql import NOT_SQL, Statement, described
from .urls import without_secrets

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

_QUERYING: Final = frozenset(f"{INSTRUMENTATIONS}{name}" for name in QUERYING)
_OURS: Final = "_trax_own_provider"
_EXCEPTION: Final = "_trax_exception_type"
_UNKNOWN: Final = 2
"""gRPC's number for what a handler raised and did not turn into a status."""


class FinishingProcessor(SpanProcessor):
    """Marks the spans of its provider, and tells who sent a query while that can be seen."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Mark the span."""
        setattr(span, _OURS, True)
        note_start(span, get_current_span(parent_context))
        scope = span.instrumentation_scope
        if scope is not None and scope.name in _QUERYING and span.kind is SpanKind.CLIENT:
            _tell_caller(span)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True


def remember_exception(span: Span, kind: str) -> None:
    """Keep the type of the exception that was recorded: instrumentations write the status over it."""
    setattr(span, _EXCEPTION, kind)


def finish(span: Span, passing: BaseException | None, end_time: int) -> None:
    """Put a span right that ends at `end_time` (ns); `passing` is the exception that is being handled meanwhile, if any."""
    kind = span.kind
    if kind is SpanKind.INTERNAL:
        return
    attributes = plain_mapping(attributes_of(span) or {})
    ours = hasattr(span, _OURS)
    if ours:
        changes = {**_clean_urls(attributes), **_clean_query(span, attributes)}
        if changes:
            span.set_attributes(changes)
    if kind in {SpanKind.CLIENT, SpanKind.SERVER}:
        _tell_error(span, attributes, passing if isinstance(passing, Exception) else None, end_time)
    if ours:
        measure(span, attributes, end_time)


# --- Names and texts -----------------------------------------------------------------------------------------------------


def _tell_caller(span: Span) -> None:
    place = calling_place(sys._getframe(2))
    if place is None or semconv.CODE_FUNCTION_NAME in (attributes_of(span) or {}):
        return
    span.set_attributes(
        {
            semconv.CODE_FUNCTION_NAME: place.function,
            semconv.CODE_FILE_PATH: place.file,
            semconv.CODE_LINE_NUMBER: place.line,
        }
    )


def _clean_urls(attributes: Mapping[str, Any]) -> dict[str, Any]:
    changes = {}
    for name in standard.URLS:
        value = attributes.get(name)
        if isinstance(value, str):
            cleaned = without_secrets(value)
            if cleaned != value:
                changes[name] = cleaned
    return changes


def _clean_query(span: Span, attributes: Mapping[str, Any]) -> dict[str, Any]:
    text = first(attributes, *standard.DB_QUERY_TEXT)
    if not isinstance(text, str):
        return {}
    system = str(first(attributes, *standard.DB_SYSTEM) or "")
    if system in NOT_SQL:
        return {}
    statement = described(text, system)
    present = [place for place, name in enumerate(standard.DB_QUERY_TEXT) if name in attributes]
    changes = {standard.DB_QUERY_TEXT[place]: statement.text for place in present}
    scope = span.instrumentation_scope
    if statement.operation and scope is not None and scope.name.startswith(INSTRUMENTATIONS):
        for place in present:  # the old text has old names beside it
            changes[standard.DB_OPERATION[place]] = statement.operation
            if statement.collection:
                changes[standard.DB_COLLECTION[place]] = statement.collection
        _rename(span, text, statement, first(attributes, *standard.DB_NAMESPACE))
    return {name: value for name, value in changes.items() if attributes.get(name) != value}


def _rename(span: Span, text: str, statement: Statement, database: Any) -> None:
    """Name the span by what the statement does, unless a hook of the user's has named it."""
    prefix, name = ("CURSOR: ", span.name[8:]) if span.name.startswith("CURSOR: ") else ("", span.name)
    word, _, rest = name.partition(" ")
    begun = text.lstrip("( \t\r\n").partition(" ")[0]
    if rest not in {"", str(database)} or word.upper() not in {statement.operation.partition(" ")[0], begun.upper()}:
        return
    span.update_name(f"{prefix}{statement.summary}")


# --- Codes ---------------------------------------------------------------------------------------------------------------


def _tell_error(span: Span, attributes: Mapping[str, Any], passing: Exception | None, end_time: int) -> None:
    status = span.status.status_code
    server = span.kind is SpanKind.SERVER
    if semconv.ERROR_CODE in attributes:  # an exception was recorded: it says more than the answer
        _keep_exception(span, attributes)
        if (
            server
            and passing is not None
            and status is StatusCode.UNSET
            and _is_grpc(attributes)
            and not steers_in(passing, "")
        ):
            if not first(attributes, *standard.RPC_STATUS):
                span.set_attribute(standard.RPC_STATUS[-1], _UNKNOWN)
            span.set_status(Status(StatusCode.ERROR, describe(passing)))
        return
    if status is StatusCode.OK:  # said by whoever knows better
        return
    if status is StatusCode.ERROR and passing is not None and _tells_of(span.status.description, passing):
        record_error(passing, error_facts(passing), span=span, timestamp=end_time)
        return
    facts = answer_facts(attributes, server=server)
    if facts is None:
        return
    record_answer(span, facts, consequence=server)
    if status is StatusCode.UNSET:
        span.set_status(Status(StatusCode.ERROR))


def _keep_exception(span: Span, attributes: Mapping[str, Any]) -> None:
    """`error.type` is the exception's where there is one, as the conventions say, not the status of the answer to it."""
    kind = getattr(span, _EXCEPTION, None)
    if kind is not None and str(attributes.get(semconv.ERROR_TYPE, "")).isdigit():
        span.set_attribute(semconv.ERROR_TYPE, kind)


def _is_grpc(attributes: Mapping[str, Any]) -> bool:
    return bool(first(attributes, *standard.RPC_SYSTEM) == "grpc")


def _tells_of(description: str | None, error: Exception) -> bool:
    """Whether a status was written for this exception: SQLAlchemy's has its text and no event."""
    message = message_of(error)
    return bool(description and message and message in description)
