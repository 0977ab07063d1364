"""How metrics are aggregated for OTLP: OTEL_EXPORTER_OTLP_METRICS_* and OTEL_METRICS_EXEMPLAR_FILTER."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    Counter,
    ExemplarFilter,
    Histogram,
    ObservableCounter,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, ExponentialBucketHistogramAggregation

if TYPE_CHECKING:
    from .environment import Environment, Problems

_DELTA: Final = AggregationTemporality.DELTA
_PREFERENCES: Final[dict[str, dict[type, Any]]] = {
    "cumulative": {},
    "delta": {Counter: _DELTA, Histogram: _DELTA, ObservableCounter: _DELTA},
    "lowmemory": {Counter: _DELTA, Histogram: _DELTA},
}
_HISTOGRAMS: Final[dict[str, Any]] = {
    "explicit_bucket_histogram": ExplicitBucketHistogramAggregation,
    "base2_exponential_bucket_histogram": ExponentialBucketHistogramAggregation,
}
_EXEMPLARS: Final[dict[str, type[ExemplarFilter]]] = {
    "trace_based": TraceBasedExemplarFilter,
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
}


def preferred(environ: Environment, problems: Problems) -> dict[type, Any]:
    """The temporality of each instrument class; cumulative where nothing is said."""
    name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    found: dict[type, Any] = _choice(environ, name, _PREFERENCES, "cumulative", problems)
    return found


def histograms(environ: Environment, problems: Problems) -> dict[type, Any]:
    """The aggregation of histograms."""
    name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    return {Histogram: _choice(environ, name, _HISTOGRAMS, "explicit_bucket_histogram", problems)()}


def exemplar_filter(environ: Environment, problems: Problems) -> ExemplarFilter:
    """Which measurements become exemplars: those inside sampled spans by default."""
    made: ExemplarFilter = _choice(environ, "OTEL_METRICS_EXEMPLAR_FILTER", _EXEMPLARS, "trace_based", problems)()
    return made


def _choice(environ: Environment, name: str, choices: dict[str, Any], default: str, problems: Problems) -> Any:
    text = environ.get(name, "").strip().lower() or default
    if text not in choices:
        problems.append(f"{name}={text!r}: must be one of {', '.join(choices)}")
        text = default
    return choices[text]
