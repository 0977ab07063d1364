"""A dashboard around its panels: variables, links to the others, rows, and the JSON that Grafana reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from trax_otel import semconv

from . import names, panels, queries

TAG: Final = "trax"
SOURCES: Final = {"prometheus": "Metrics", "loki": "Logs", "tempo": "Traces"}
KEPT: Final = "${service:queryparam}&${environment:queryparam}&${instance:queryparam}&${__url_time_range}"


def to(uid: str, **variables: str) -> str:
    """The address of another dashboard, for the same services and time: `to("trax-errors", code="${__value.text}")`."""
    return f"/d/{uid}?{KEPT}" + "".join(f"&var-{name}={value}" for name, value in variables.items())


def _choice(name: str, shown: str, query: str, every: str) -> Any:
    """A variable with the values that a label has; "All" is the pattern `every`."""
    variable = build.QueryVariable(name).label(shown).query({"query": query, "refId": f"variable-{name}"})
    variable.datasource(panels.source("prometheus")).refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(model.VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(every)
    return variable.current(model.VariableOption(selected=True, text="All", value="$__all"))


def _source(kind: str, shown: str) -> Any:
    variable = build.DatasourceVariable(kind).label(shown).type(kind)
    return variable.current(model.VariableOption(selected=True, text=kind.capitalize(), value=kind))


def variables() -> list[Any]:
    """What every dashboard lets one choose. Loki wants at least one label with a value: hence `.+` for services."""
    up = names.series(semconv.PROCESS_UPTIME)
    return [
        _choice("service", "Service", "label_values(service_name)", ".+"),
        _choice("environment", "Environment", "label_values(deployment_environment_name)", ".*"),
        _choice("instance", "Instance", f"label_values({up}{{{queries.CHOSEN}}}, service_instance_id)", ".*"),
        *(_source(kind, shown) for kind, shown in SOURCES.items()),
    ]


def dashboard(
    uid: str, title: str, description: str, rows: Sequence[tuple[str, Sequence[Any]]], *,
    more: Sequence[Any] = (), since: str = "now-1h",
) -> Any:  # fmt: skip
    """A dashboard of rows, each a heading and its panels; `more` are variables of its own."""
    made = build.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly().timezone("browser")
    made.refresh("30s").time(since, "now").tooltip(model.DashboardCursorSync.CROSSHAIR)
    made.variables([*variables(), *more])
    made.link(build.DashboardLink("Dashboards").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
              .as_dropdown(True).include_vars(True).keep_time(True))  # fmt: skip
    number = 0
    for heading, members in rows:
        number += 1
        made.with_row(build.Row(heading).id(number))
        for panel in members:
            number += 1
            made.with_panel(panel.id(number))
    return made


def as_json(made: Any) -> str:
    """The file's text: the same for the same dashboard, whatever machine writes it."""
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
