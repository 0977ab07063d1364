# The OpenTelemetry API made convenient; nothing here knows the SDK.
#
#   facts        what classification says of an error (this room never classifies)
#   providers    the one replaceable handle through which everything reaches OpenTelemetry
#   instruments  counters, histograms, gauges from a MetricSpec; each also feeds the aggregate
#   aggregate    the same figures inside the process, for where no SDK is set up
#   chains       which exceptions are one failure, and what was noted of it
#   spans        a span that is current while it runs
#   events       the one path by which events and exceptions leave
#   roots        who refers to a span that stands alone, and whether this process serves
#   told         which traces have told an error, so that one failure counts once
#   correlation  the correlation id and the bound fields, one value in the OTel Context
#   frames       whose code a frame is
#   stacktrace   exceptions as text, fast and bounded
#   secrets      which fields are secret, by their names
#   templates    a message without what varies in it
"""Spans, events, instruments and correlation over the OpenTelemetry API."""

from .aggregate import Series, snapshot
from .chains import causes, joined, note, noted
from .correlation import (
    Correlation,
    attach_correlation,
    current_correlation,
    detach,
    new_correlation_id,
    valid_correlation_id,
)
from .events import (
    bears,
    count_error,
    emit_event,
    is_told,
    log_event,
    mark_told,
    record_answer,
    record_error,
)
from .facts import ErrorFacts
from .instruments import (
    BoundInstrument,
    Instrument,
    counter,
    declare_again,
    gauge,
    histogram,
    observe,
    up_down_counter,
)
from .providers import (
    generation,
    log_export,
    logger_provider,
    meter,
    observed,
    otel_logger,
    tracer,
    tracing,
    use_providers,
)
from .spans import SpanScope, start_span
from .stacktrace import format_exception

__all__ = [
    "BoundInstrument",
    "Correlation",
    "ErrorFacts",
    "Instrument",
    "Series",
    "SpanScope",
    "attach_correlation",
    "bears",
    "causes",
    "count_error",
    "counter",
    "current_correlation",
    "declare_again",
    "detach",
    "emit_event",
    "format_exception",
    "gauge",
    "generation",
    "histogram",
    "is_told",
    "joined",
    "log_event",
    "log_export",
    "logger_provider",
    "mark_told",
    "meter",
    "new_correlation_id",
    "note",
    "noted",
    "observe",
    "observed",
    "otel_logger",
    "record_answer",
    "record_error",
    "snapshot",
    "start_span",
    "tracer",
    "tracing",
    "up_down_counter",
    "use_providers",
    "valid_correlation_id",
]
