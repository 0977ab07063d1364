"""How Prometheus names what the package measures, and which other series the shipped config may use.

Dashboards are written with these names; rules and docs are checked against them (tests/grafana/test_names.py). What the
collector derives from spans or says about itself is listed in collected.py.
"""

from __future__ import annotations

from typing import Final

from trax_otel import semconv
from trax_otel.semconv.metrics import MetricSpec

UNITS: Final = {"s": "seconds", "By": "bytes", "1": "ratio"}
"""What the OTLP receiver of Prometheus appends for a unit; units in braces are annotations and append nothing."""

RESOURCE_LABELS: Final = frozenset({
    "job", "instance", "service_name", "service_namespace", "service_instance_id", "service_version",
    "deployment_environment_name", "collector_instance_id", "host_name", "k8s_namespace_name", "k8s_pod_name",
})  # fmt: skip
"""On every series that came over OTLP: what stores/prometheus.yaml promotes, and what Prometheus makes of the service."""


def label(attribute: str) -> str:
    """The label of an attribute: `trax.error.code` is `trax_error_code`."""
    return attribute.replace(".", "_")


def series(spec: MetricSpec) -> str:
    """The series of a metric without a histogram's suffix: `trax.errors` is `trax_errors_total`."""
    parts = [label(spec.name)]
    unit = UNITS.get(spec.unit, "")
    is_counter = spec.kind in ("counter", "observable_counter")
    if unit and not (unit == "ratio" and "gauge" not in spec.kind):
        parts.append(unit)
    if is_counter:
        parts.append("total")
    return "_".join(parts)


def all_series(spec: MetricSpec) -> tuple[str, ...]:
    """Every series of a metric, a histogram's three among them."""
    base = series(spec)
    return tuple(f"{base}{end}" for end in ("_bucket", "_sum", "_count")) if spec.kind == "histogram" else (base,)


OWN: Final = {
    name: frozenset(map(label, spec.attributes)) | RESOURCE_LABELS
    for spec in vars(semconv.metrics).values()
    if isinstance(spec, MetricSpec)
    for name in all_series(spec)
}
"""Every series of the package, with the labels it may bear."""
