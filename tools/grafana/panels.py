"""Panels and their queries.

A dashboard is a module in dashboards/ with one function that hands rows of panels to `layout.dashboard`:

    panels.timeseries(
        "Errors by code", "cps",
        prometheus(queries.per_second(semconv.ERRORS, semconv.ERROR_CODE), legend(semconv.ERROR_CODE)),
        shows="How many errors a second the services recorded, by code.",
        act="Click a code's name to see its logs and traces; its page says what to do.",
        empty="No error was recorded",
    )

A panel has a title, a unit (Grafana's name of it), what it shows, what to do when that looks bad (`act`), and what it means when
there is nothing (`empty`): none can be left out. Queries are put together by `queries` from semconv's names, and asked of
`prometheus`, `loki` or `tempo`. `width` is of 24 columns: panels flow from left to right, and a line's widths add up to 24.
Add the module to dashboards/__init__.py and run `python -m tools.grafana`; tests/grafana/test_dashboards.py says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import heatmap as heatmaps
from grafana_foundation_sdk.builders import logs as log_lists
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import statetimeline as timelines
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import text as texts
from grafana_foundation_sdk.builders import timeseries as graphs
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from .targets import legend, loki, prometheus, source, tempo

GREEN, YELLOW, RED, PURPLE = "green", "yellow", "red", "purple"


def _described(
    panel: Any, title: str, unit: str, asked: Sequence[Any], shows: str, act: str, empty: str, size: tuple[int, int]
) -> Any:
    """What every panel has."""
    panel.title(title).unit(unit).no_value(empty).span(size[0]).height(size[1])
    panel.description(f"{shows}\n\n**When it looks bad:** {act}\n\n**When it is empty:** {empty}.")
    for ref_id, query in zip("ABCDEFGH", asked, strict=False):
        panel.with_target(query.ref_id(ref_id))
    kinds = {query.build().datasource.type_val for query in asked}
    if len(kinds) == 1:
        panel.datasource(source(kinds.pop()))
    return panel


def limits(*steps: tuple[float, str], first: str = GREEN) -> Any:
    """Colours from these values on."""
    colours = [model.Threshold(color=first), *(model.Threshold(value=value, color=colour) for value, colour in steps)]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(colours)


def meanings(**texts: tuple[str, str]) -> list[Any]:
    """Texts and colours for values: `meanings(_0=("closed", GREEN))`."""
    options = {key.lstrip("_"): model.ValueMappingResult(text=text, color=colour, index=index)
               for index, (key, (text, colour)) in enumerate(texts.items())}  # fmt: skip
    return [model.ValueMap(options=options)]


def link(title: str, url: str) -> Any:
    """A link of a value or a panel; `layout.to` gives the address of another dashboard."""
    return build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url)


def timeseries(
    title: str, unit: str, *asked: Any, shows: str, act: str, empty: str, width: int = 12, height: int = 8,
    stacked: bool = False, least: float | None = 0.0, most: float | None = None, steps: Any = None, links: Sequence[Any] = (),
) -> Any:  # fmt: skip
    """Lines over time; `stacked` for parts of a whole, `steps` (see `limits`) as dashed lines."""
    panel = _described(graphs.Panel(), title, unit, asked, shows, act, empty, (width, height))
    panel.fill_opacity(60 if stacked else 10).line_width(1).show_points(looks.VisibilityMode.AUTO).span_nulls(False)
    panel.tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    panel.legend(common.VizLegendOptions().display_mode(looks.LegendDisplayMode.TABLE).placement(looks.LegendPlacement.BOTTOM)
                 .show_legend(True).calcs(["lastNotNull", "max"]))  # fmt: skip
    if stacked:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    if steps is not None:
        panel.thresholds(steps).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(looks.GraphTresholdsStyleMode.DASHED)
        )
    return panel.data_links(list(links)) if links else panel


def stat(
    title: str, unit: str, *asked: Any, shows: str, act: str, empty: str, width: int = 4, height: int = 4,
    steps: Any = None, mappings: Sequence[Any] = (), decimals: int | None = None,
) -> Any:  # fmt: skip
    """One large number: the last one."""
    panel = _described(stats.Panel(), title, unit, asked, shows, act, empty, (width, height))
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).thresholds(steps or limits())
    panel.color_mode(looks.BigValueColorMode.VALUE).graph_mode(looks.BigValueGraphMode.AREA).mappings(list(mappings))
    return panel if decimals is None else panel.decimals(decimals)


def timeline(
    title: str,
    unit: str,
    *asked: Any,
    shows: str,
    act: str,
    empty: str,
    mappings: Sequence[Any],
    width: int = 12,
    height: int = 8,
) -> Any:
    """A bar for each series, coloured by state."""
    panel = _described(timelines.Panel(), title, unit, asked, shows, act, empty, (width, height))
    return (
        panel.mappings(list(mappings))
        .merge_values(True)
        .show_value(looks.VisibilityMode.AUTO)
        .row_height(0.8)
        .fill_opacity(70)
    )


def heatmap(
    title: str, unit: str, *asked: Any, shows: str, act: str, empty: str, width: int = 12, height: int = 8
) -> Any:
    """How values are spread, over time; exemplars are dots that lead to their trace."""
    panel = _described(heatmaps.Panel(), title, unit, asked, shows, act, empty, (width, height))
    colours = heatmaps.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    panel.y_axis(heatmaps.YAxisConfig().unit(unit)).cell_values(heatmaps.CellValues().unit("short"))
    return panel.calculate(False).color(colours).show_tooltip().show_legend()


def table(
    title: str, unit: str, *asked: Any, shows: str, act: str, empty: str, columns: Mapping[str, str], width: int = 12,
    height: int = 8, links: Mapping[str, Sequence[Any]] | None = None, units: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """Rows, with these columns in this order (the store's name of each, and its heading); `links` and `units` by heading."""
    panel = _described(tables.Panel(), title, unit, asked, shows, act, empty, (width, height))
    if len(asked) > 1:
        panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    if columns:
        panel.with_transformation(model.DataTransformerConfig(id_val="organize", options={
            "excludeByName": {"Time": True}, "renameByName": dict(columns),
            "indexByName": {name: index for index, name in enumerate(columns)},
        }))  # fmt: skip
    for heading, targets in (links or {}).items():
        panel.override_by_name(heading, [model.DynamicConfigValue("links", [one.build() for one in targets])])
    for heading, of_column in (units or {}).items():
        panel.override_by_name(heading, [model.DynamicConfigValue("unit", of_column)])
    return panel.show_header(True)


def logs(title: str, *asked: Any, shows: str, act: str, empty: str, width: int = 24, height: int = 10) -> Any:
    """Log lines, the newest first; a line's details lead to its trace."""
    panel = _described(log_lists.Panel(), title, "string", asked, shows, act, empty, (width, height))
    return (
        panel.show_time(True).wrap_log_message(True).enable_log_details(True).sort_order(looks.LogsSortOrder.DESCENDING)
    )


def text(title: str, content: str, *, shows: str, act: str, empty: str, width: int = 24, height: int = 6) -> Any:
    """Words, in Markdown."""
    return _described(texts.Panel(), title, "string", (), shows, act, empty, (width, height)).content(content)


__all__ = [
    "GREEN", "PURPLE", "RED", "YELLOW", "heatmap", "legend", "limits", "link", "logs", "loki", "meanings", "prometheus", "source",
    "stat", "table", "tempo", "text", "timeline", "timeseries",
]  # fmt: skip
