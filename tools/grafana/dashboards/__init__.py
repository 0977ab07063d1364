"""The dashboards, one module each; add a new one to the list."""

from __future__ import annotations

from . import anomalies, errors, logs, overview, resilience, resources, slo, telemetry

ALL = {
    "trax-overview": overview.overview,
    "trax-errors": errors.errors,
    "trax-resilience": resilience.resilience,
    "trax-resources": resources.resources,
    "trax-slo": slo.slo,
    "trax-logs": logs.logs,
    "trax-anomalies": anomalies.anomalies,
    "trax-telemetry": telemetry.telemetry,
}
"""The function that makes each dashboard, by the dashboard's uid, which is its file's name."""
