"""Queries as Grafana keeps them: whom to ask, how often, and in which form the answer comes."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.builders import loki as lokis
from grafana_foundation_sdk.builders import prometheus as prometheuses
from grafana_foundation_sdk.builders import tempo as tempos
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .names import label
from .queries import INSTANCE

EXPORTS: Final = "1m"
"""How often a service exports its metrics by default: a rate over less would find one value, and nothing to compare it
with. What the collector makes comes every 15 s, which is what the data source says."""


def source(kind: str) -> DataSourceRef:
    """The data source that is picked above."""
    return DataSourceRef(type_val=kind, uid=f"${{{kind}}}")


def legend(*attributes: str) -> str:
    """The name of a line: these attributes' values."""
    return " ".join(f"{{{{{label(attribute)}}}}}" for attribute in attributes)


def prometheus(
    expression: str, legend: str = "", *, now: bool = False, exemplar: bool = False, buckets: bool = False
) -> Any:
    """A PromQL query; `now` asks for one value, `buckets` for a heat map's."""
    query = prometheuses.Dataquery().expr(expression).legend_format(legend or "__auto").datasource(source("prometheus"))
    if INSTANCE in expression:
        query.interval(EXPORTS)
    if now:
        return query.instant().format(PromQueryFormat.TABLE)
    return query.range().exemplar(exemplar).format(PromQueryFormat.HEATMAP if buckets else PromQueryFormat.TIME_SERIES)


def loki(expression: str, legend: str = "", *, now: bool = False, limit: int = 200) -> Any:
    """A LogQL query."""
    query = lokis.Dataquery().expr(expression).legend_format(legend).max_lines(limit).datasource(source("loki"))
    return query.query_type("instant" if now else "range")


def tempo(expression: str, *, limit: int = 20) -> Any:
    """A TraceQL search."""
    return tempos.TempoQuery().query_type("traceql").query(expression).limit(limit).datasource(source("tempo"))
