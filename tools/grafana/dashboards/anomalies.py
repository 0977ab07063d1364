"""Anomalies: rate, errors and latency against what is usual at this hour of this day."""

from __future__ import annotations

from typing import Any

from trax_otel import semconv

from .. import layout, panels
from ..panels import GREEN, RED, YELLOW, legend, limits, link, meanings, prometheus
from ..queries import derived

SERVICE = semconv.SERVICE_NAME
NOT_YET = "No service has been seen for eight days yet: until then nothing is judged"
VERDICTS = meanings(_0=("usual", GREEN), _1=("one band", YELLOW), _2=("both bands", RED))
JUDGED = (
    ("rate", "Requests", "reqps", "trax:anomaly:now",
     "Far below: callers do not reach it, or a caller is down. Far above: a retry storm, a campaign, an attack."),
    ("errors", "Share that fails", "percentunit", "trax:requests_failed:ratio5m",
     "Look at Errors for the code that is new or has grown; at releases of that minute."),
    ("latency", "Latency p95", "s", "trax:request_duration_seconds:p95_5m",
     "Look at the slowest traces of that time, at saturation, and at the services it calls."),
)  # fmt: skip
"""What is judged: the verdict's name, its title, its unit, the series itself, and what to do."""


def anomalies() -> Any:
    """Everything about what is unusual."""
    return layout.dashboard(
        "trax-anomalies",
        "Anomalies",
        "Traffic, errors and latency outside the bands that they usually stay in at this hour. How it works: docs/anomalies.md.",
        [
            ("At a glance", glance()),
            ("Verdicts", verdicts()),
            ("Bands: choose one service above", bands()),
            ("How surprising", surprises()),
        ],
        since="now-24h",
    )


def agreed(of: str) -> str:
    """How many bands a service is outside of: 2 is an anomaly."""
    return f"sum without (band) ({derived(f'trax:anomaly:{of}')})"


def glance() -> list[Any]:
    """How many services are unusual, and how many can be judged at all."""
    judged = f"count(count by (service_name, deployment_environment_name) ({derived('trax:anomaly:rate')}))"
    now = derived("trax:requests:rate5m")
    return [
        *(panels.stat(f"Unusual {of}", "none", prometheus(f"count({agreed(of)} == 2) or 0 * count({agreed(of)})"),
                      empty=NOT_YET, width=5, steps=limits((1, RED)),
                      shows=f"Services whose {of} is outside both bands now.", act=act) for of, _, _, _, act in JUDGED),
        panels.stat(
            "Services judged", "none", prometheus(judged), empty=NOT_YET, width=5, steps=limits(),
            shows="Services that are known for long enough: at least eight days.",
            act="Fewer than yesterday: a service is gone for more than a day, or changed its name.",
        ),
        panels.stat(
            "Still learning", "none",
            prometheus(f"count({now} unless on (service_name, deployment_environment_name) {derived('trax:anomaly:rate')}) "
                       f"or 0 * count({now})"),
            empty="No request has come in the last minutes", steps=limits((1, YELLOW)),
            shows="Services with traffic that are not judged yet.",
            act="Nothing to do: after eight days they are.",
        ),
    ]  # fmt: skip


def verdicts() -> list[Any]:
    """A bar for each service."""
    return [
        panels.timeline(
            f"{title}: usual or not", "none", prometheus(agreed(of), legend(SERVICE)), mappings=VERDICTS, width=8, empty=NOT_YET,
            shows="Inside both bands, outside one of them, or outside both. Both for eight minutes is what alerts.", act=act,
        )
        for of, title, _, _, act in JUDGED
    ]  # fmt: skip


def bands() -> list[Any]:
    """The values, and the bands around them; few errors and short times are good news, and have no lower edge."""
    return [
        panels.timeseries(
            f"{title} and its bands", unit, prometheus(derived(series), f"now {legend(SERVICE)}"),
            *(prometheus(derived(f"trax:anomaly_band:{of}:{edge}"), f"{{{{band}}}} {edge} {legend(SERVICE)}")
              for edge in ("upper", "lower") if edge == "upper" or of == "rate"),
            width=24, empty=NOT_YET,
            shows="The value, and the edges of both bands: adaptive from means, robust from medians of weeks before.", act=act,
        )
        for of, title, unit, series, act in JUDGED
    ]  # fmt: skip


def surprises() -> list[Any]:
    """How far away, in units that can be compared."""
    return [
        panels.timeseries(
            f"{title}: distance from what is expected", "none",
            prometheus(derived("trax:anomaly:surprise", f'of="{of}"'), f"{{{{band}}}} {legend(SERVICE)}"), width=8, least=None,
            empty=NOT_YET,
            shows="In units of the least noise that is believed; a band is four of them wide, more for a restless service.",
            act="Always far from 0: the service's weeks are not alike; docs/anomalies.md says what that means.",
            links=[link("Overview", layout.to("trax-overview"))],
        )
        for of, title, _, _, _ in JUDGED
    ]  # fmt: skip
