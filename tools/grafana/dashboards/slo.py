"""SLO: what was promised, how fast the budget for errors burns, and what is left of it."""

from __future__ import annotations

from typing import Any

from trax_otel import semconv

from .. import layout, panels
from ..collected import SPAN_CALLS, SPAN_NAME
from ..names import label
from ..panels import RED, YELLOW, legend, limits, link, prometheus
from ..queries import ENTRY, FAILED, derived, grown, increase, top, total

WHO = (semconv.SERVICE_NAME, "deployment_environment_name")
NO_REQUEST = "No request has come for as long as this looks back"
NO_FAILURE = "No request has failed"
DAY = 86_400
BUDGET = derived("trax:slo:budget_left14d")
WINDOWS = (("1h", "5m", 14.4), ("6h", "30m", 6.0), ("1d", "2h", 3.0), ("3d", "6h", 1.0))
"""How long a burn is measured over, the shorter window that confirms it, and from which burn on both together alert."""


def slo() -> Any:
    """Everything about objectives."""
    return layout.dashboard(
        "trax-slo",
        "SLO",
        "Objectives, burn rates and error budgets of services over 14 days. Objectives are set in grafana/rules/objectives.yaml.",
        [
            ("At a glance", glance()),
            ("Services", services()),
            ("Burn", burns()),
            ("Budget", budget()),
            ("What burns it", causes()),
        ],
        since="now-24h",
    )


def burn(window: str) -> str:
    """How many times faster than allowed the budget was used in this window."""
    return derived(f"trax:slo_burn:{window}")


def until_used_up() -> str:
    """Seconds until nothing is left, if it goes on as in the last six hours; at most 30 days."""
    return f"clamp({BUDGET} * {14 * DAY} / ({burn('6h')} > 0), 0, {30 * DAY})"


def glance() -> list[Any]:
    """The worst service's numbers."""
    firing = derived("ALERTS", 'alertname="SloBurn"', 'alertstate="firing"')
    return [
        panels.stat(
            "Least budget left", "percentunit", prometheus(f"min({BUDGET})"), empty=NO_REQUEST, width=5,
            steps=limits((0.0, YELLOW), (0.25, "green"), first=RED),
            shows="What is left of the error budget of 14 days, of the service that has least; below 0 the objective is missed.",
            act="Stop risky releases until it has grown again; the table names the service.",
        ),
        panels.stat(
            "Services that miss their objective", "none",
            prometheus(f"count({BUDGET} < 0) or 0 * count({BUDGET})"), empty=NO_REQUEST, width=5, steps=limits((1, RED)),
            shows="Services whose failures over 14 days are more than their objective allows.",
            act="Decide: mend the service, or give it an objective that its users really need.",
        ),
        panels.stat(
            "Fastest burn, an hour", "none", prometheus(f"max({burn('1h')})"), empty=NO_REQUEST, width=5, decimals=1,
            steps=limits((1, YELLOW), (14.4, RED)),
            shows="How many times faster than allowed the budget burnt in the last hour; 1 uses it up in exactly 14 days.",
            act="From 14.4 on the budget is gone in a day: an alert fires. See What burns it.",
        ),
        panels.stat(
            "Fastest burn, a day", "none", prometheus(f"max({burn('1d')})"), empty=NO_REQUEST, width=5, decimals=1,
            steps=limits((1, YELLOW), (3, RED)),
            shows="The same over a day: slow damage that no single hour shows.",
            act="Above 3 the budget is gone in under five days: find the error that is always there.",
        ),
        panels.stat(
            "Burn alerts", "none", prometheus(f"count({firing}) or 0 * count({BUDGET})"), empty=NO_REQUEST,
            steps=limits((1, RED)),
            shows="SloBurn alerts that fire now.",
            act="Their runbook is docs/runbooks/SloBurn.md.",
        ),
    ]  # fmt: skip


def services() -> list[Any]:
    """A line for each service."""
    by = ", ".join(map(label, WHO))
    columns = (
        ("Objective", derived("trax:slo:objective"), "percentunit"),
        ("Success, 3 days", f"1 - {derived('trax:requests_failed:ratio3d')}", "percentunit"),
        ("Budget left", BUDGET, "percentunit"),
        *((f"Burn, {window}", burn(window), "none") for window, _, _ in WINDOWS),
    )
    names = {f"Value #{ref}": heading for ref, (heading, _, _) in zip("ABCDEFGH", columns, strict=False)}
    headings = dict(zip(map(label, WHO), ("Service", "Environment"), strict=True)) | names
    return [
        panels.table(
            "Objectives", "none", *(prometheus(f"max by ({by}) ({query})", now=True) for _, query, _ in columns),
            width=24, columns=headings, empty=NO_REQUEST,
            units={heading: unit for heading, _, unit in columns},
            links={"Service": [link("Overview", layout.to("trax-overview", service="${__value.text}"))]},
            shows="Each service's objective (share of requests that must succeed), what it reached, and how fast it burns.",
            act="Sort by Budget left; the service with the least comes first.",
        )
    ]  # fmt: skip


def burns() -> list[Any]:
    """The four pairs of windows that the alerts look at."""
    return [
        panels.timeseries(
            f"Burn over {window} and {short}", "none", prometheus(burn(window), f"{window} {legend(*WHO)}"),
            prometheus(burn(short), f"{short} {legend(*WHO)}"), steps=limits((factor, RED)), empty=NO_REQUEST,
            shows=f"How many times faster than allowed the budget burns; the alert wants both lines above {factor:g}.",
            act=f"Only the {short} line high: it has just begun. Only the {window} line: it is over.",
        )
        for window, short, factor in WINDOWS
    ]  # fmt: skip


def budget() -> list[Any]:
    """What is left, and for how long."""
    return [
        panels.timeseries(
            "Budget left over 14 days", "percentunit", prometheus(BUDGET, legend(*WHO)), least=None, most=1.0,
            steps=limits((0.0, "green"), first=RED), empty=NO_REQUEST,
            shows="The share of the failures allowed in 14 days that has not happened yet.",
            act="A step down is an incident: open Errors for its time. A steady slope is an error that is always there.",
        ),
        panels.timeseries(
            "Budget lasts for", "s", prometheus(until_used_up(), legend(*WHO)), steps=limits((DAY, "green"), first=RED),
            empty="Nothing has failed in the last six hours, or no request has come",
            shows="Time until nothing is left at the pace of the last six hours; 30 days means 30 or more.",
            act="Less than a day: treat it as an incident, before the objective is missed.",
        ),
    ]  # fmt: skip


def causes() -> list[Any]:
    """Which failures use it up."""
    failed = derived(SPAN_CALLS, ENTRY, FAILED)
    by_code, by_name = (semconv.SERVICE_NAME, semconv.ERROR_CODE), (semconv.SERVICE_NAME, SPAN_NAME)
    return [
        panels.timeseries(
            "Failed requests by code", "none", prometheus(total(grown(failed), *by_code), legend(*by_code)), stacked=True,
            empty=NO_FAILURE,
            shows="Failed requests by the TRAX code of their error; without a code the framework alone called them failed.",
            act="Take the largest colour first: its code's page in docs/errors.md says what to do.",
        ),
        panels.table(
            "Operations that fail most", "none", prometheus(top(20, total(increase(failed), *by_name)), now=True),
            columns={"service_name": "Service", "span_name": "Operation", "Value": "Failed"}, empty=NO_FAILURE,
            links={"Operation": [link("Errors", layout.to("trax-errors"))]},
            shows="Failed requests of the time range by operation: where the budget went.",
            act="The first lines are what to mend first.",
        ),
    ]  # fmt: skip
