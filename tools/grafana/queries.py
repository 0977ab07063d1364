"""What panels ask: PromQL, LogQL and TraceQL put together from the names in semconv and the dashboard's variables.

An attribute may be given as semconv names it or as a label: `trax.error.code` and `trax_error_code` are the same here.
"""

from __future__ import annotations

from typing import Final

from trax_otel import semconv
from trax_otel.semconv.metrics import MetricSpec

from .collected import SPAN_CALLS, SPAN_DURATION, SPAN_KIND, STATUS_CODE
from .names import label, series

CHOSEN: Final = 'service_name=~"$service",deployment_environment_name=~"$environment"'
"""The services and environments that are chosen above; "All" is `.*`, which a series without an environment matches too."""
INSTANCE: Final = 'service_instance_id=~"$instance"'
ENTRY: Final = f'{SPAN_KIND}=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"'
"""Spans that stand for a request or a message that came in."""
FAILED: Final = f'{STATUS_CODE}="STATUS_CODE_ERROR"'


def equal(attribute: str, value: str) -> str:
    """A matcher."""
    return f'{label(attribute)}="{value}"'


def unequal(attribute: str, value: str) -> str:
    """A matcher that leaves a value out."""
    return f'{label(attribute)}!="{value}"'


def like(attribute: str, pattern: str) -> str:
    """A matcher by regular expression."""
    return f'{label(attribute)}=~"{pattern}"'


def own(metric: MetricSpec, *matchers: str, part: str = "") -> str:
    """The series of one of the package's metrics, of the chosen services; `part` is a histogram's `bucket`, `sum` or `count`."""
    name = series(metric) + (f"_{part}" if part else "")
    return f"{name}{{{','.join((CHOSEN, INSTANCE, *matchers))}}}"


def derived(name: str, *matchers: str) -> str:
    """A series that the collector derives from spans, of the chosen services."""
    return f"{name}{{{','.join((CHOSEN, *matchers))}}}"


def rate(selector: str) -> str:
    """How much a counter grows a second."""
    return f"rate({selector}[$__rate_interval])"


def increase(selector: str) -> str:
    """How much a counter grew over the dashboard's time range."""
    return f"increase({selector}[$__range])"


def grown(selector: str) -> str:
    """How much a counter grew in each step."""
    return f"increase({selector}[$__rate_interval])"


def total(expression: str, *by: str) -> str:
    """The sum by these attributes."""
    return f"sum by ({', '.join(map(label, by))}) ({expression})" if by else f"sum({expression})"


def per_second(metric: MetricSpec, *by: str, where: str | None = None) -> str:
    """How much one of the package's counters grows a second, by these attributes."""
    return total(rate(own(metric, *([where] if where else []))), *by)


def over_range(metric: MetricSpec, *by: str, where: str | None = None) -> str:
    """How much one of the package's counters grew over the time range, by these attributes."""
    return total(increase(own(metric, *([where] if where else []))), *by)


def worst(metric: MetricSpec, *by: str, where: str | None = None, worst_is: str = "max") -> str:
    """The worst of all instances' values of a gauge, by these attributes."""
    chosen = own(metric, *([where] if where else []))
    return f"{worst_is} by ({', '.join(map(label, by))}) ({chosen})" if by else f"{worst_is}({chosen})"


def how_many(metric: MetricSpec, condition: str, where: str | None = None) -> str:
    """How many series of a gauge meet a condition; 0 where there are series and none does."""
    return f"count({own(metric, *([where] if where else []))} {condition}) or 0 * count({own(metric)})"


def top(count: int, expression: str) -> str:
    """The largest ones."""
    return f"topk({count}, {expression})"


def share(part: str, whole: str) -> str:
    """What share of the whole a part is; 0 where there is a whole and no part."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def slowest(share_below: float, metric: MetricSpec, *by: str, count: int = 10) -> str:
    """The largest quantiles of one of the package's histograms."""
    return top(count, quantile(share_below, own(metric, part="bucket"), *by))


def quantile(share_below: float, buckets: str, *by: str) -> str:
    """A quantile of a histogram, from the selector of its buckets."""
    return f"histogram_quantile({share_below}, {total(rate(buckets), 'le', *by)})"


def mean(metric: MetricSpec, *by: str, of: str = "rate") -> str:
    """The mean of a histogram's values."""
    grown = rate if of == "rate" else increase
    return f"{total(grown(own(metric, part='sum')), *by)} / ({total(grown(own(metric, part='count')), *by)} > 0)"


def requests(*matchers: str) -> str:
    """Requests and messages that came in, counted by the collector."""
    return derived(SPAN_CALLS, ENTRY, *matchers)


def request_buckets(*matchers: str) -> str:
    """How long those took."""
    return derived(f"{SPAN_DURATION}_bucket", ENTRY, *matchers)


def lines(*stages: str) -> str:
    """Log lines of the chosen services that pass all stages (LogQL)."""
    chosen = ("deployment_environment_name=~`$environment`", *stages)
    return " | ".join(('{service_name=~"$service"}', *chosen))


def counted(stages: str, *by: str, over: str = "$__interval") -> str:
    """How many lines there were in each step, by these fields."""
    return f"sum by ({', '.join(map(label, by))}) (count_over_time({stages} [{over}]))"


def traces(*conditions: str) -> str:
    """Spans of the chosen services that meet all conditions (TraceQL). The environment is no condition here: a trace that
    names none could not be found any more."""
    service = f'resource.{semconv.SERVICE_NAME} =~ "${{service:regex}}"'
    return f"{{ {' && '.join((service, *conditions))} }}"
