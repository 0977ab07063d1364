"""Everything that this process measured, as JSON. `docs/metrics-export.md` documents the schema."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import clock, semconv
from ..signals import Series, snapshot
from ..version import __version__
from .distribution import Distribution
from .health import health
from .rates import OperationStats, operation_stats
from .timing import MILLISECONDS
from .usage import MEGABYTE

SCHEMA_VERSION: Final = 1
"""Raised when a field changes its meaning or goes; new fields come without notice."""

_PERCENTILES: Final = (50, 90, 95, 99)
_UNITS: Final[Mapping[str, tuple[str, float]]] = {"s": ("ms", MILLISECONDS), "By": ("MB", 1 / MEGABYTE)}


def export_all_metrics(*, indent: int | None = None) -> str:
    """All metrics of this process as JSON text: operations with rates and percentiles, errors, health, every series.

    Durations are milliseconds and sizes MB (1 048 576 bytes), also where telemetry has seconds and bytes. It needs no
    SDK and sends nothing; the figures are this process's since it began. Percentiles are estimated from histogram
    buckets.
    """
    import json

    series = snapshot()
    document = {
        "schema_version": SCHEMA_VERSION,
        "generated_at": _timestamp(),
        "service": {"name": _service_name(), "pid": os.getpid(), "trax_version": __version__},
        "operations": [_operation(stats) for _, stats in sorted(operation_stats(series).items())],
        "errors": [_error(entry) for entry in series if entry.spec.name == semconv.ERRORS.name and entry.value],
        "health": health(),
        "metrics": _metrics(series),
    }
    return json.dumps(_finite(document), indent=indent, ensure_ascii=False, allow_nan=False)


def _timestamp() -> str:
    from datetime import datetime, timezone

    now = datetime.fromtimestamp(clock.current().time_ns() / 1e9, tz=timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def name_service(name: str) -> Callable[[], None]:
    """Tell the export the name that the SDK's resource has; returns the function that takes it back."""
    global _told_name
    _told_name = name

    def forget() -> None:
        global _told_name
        if _told_name == name:
            _told_name = None

    return forget


_told_name: str | None = None


def _service_name() -> str | None:
    """The resource's, else that of the standard variables, by their precedence."""
    if _told_name or os.environ.get("OTEL_SERVICE_NAME"):
        return _told_name or os.environ["OTEL_SERVICE_NAME"]
    pairs = (pair.partition("=") for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    named = [value.strip() for key, _, value in pairs if key.strip() == semconv.SERVICE_NAME]
    if not named:
        return None
    from urllib.parse import unquote

    return unquote(named[-1]) or None


def _operation(stats: OperationStats) -> dict[str, Any]:
    return {
        "name": stats.name,
        "count": stats.count,
        "active": stats.active,
        "outcomes": stats.outcomes,
        "success_rate": stats.success_rate,
        "failure_rate": stats.failure_rate,
        "errors": stats.errors,
        "duration_ms": None if stats.durations is None else _distribution(stats.durations, MILLISECONDS),
        "cpu_ms": None if stats.cpu is None else _distribution(stats.cpu, MILLISECONDS),
        "cpu_percent": _cpu_percent(stats.cpu, stats.durations),
        "memory_mb": None if stats.memory is None else stats.memory / MEGABYTE,
    }


def _cpu_percent(cpu: Distribution | None, durations: Distribution | None) -> float | None:
    """Mean CPU of the runs that were measured over the mean duration of all, in percent of one CPU."""
    if cpu is None or durations is None or cpu.mean is None or not durations.mean:
        return None
    return 100 * cpu.mean / durations.mean


def _error(entry: Series) -> dict[str, Any]:
    attributes = entry.attributes
    return {
        "code": attributes.get(semconv.ERROR_CODE),
        "category": attributes.get(semconv.ERROR_CATEGORY),
        "type": attributes.get(semconv.ERROR_TYPE),
        "retryable": attributes.get(semconv.ERROR_RETRYABLE),
        "count": entry.value,
    }


def _metrics(series: list[Series]) -> list[dict[str, Any]]:
    metrics: dict[str, dict[str, Any]] = {}
    for entry in series:
        spec = entry.spec
        unit, factor = _UNITS.get(spec.unit, (spec.unit, 1))
        metric = metrics.setdefault(
            spec.name,
            {"name": spec.name, "kind": spec.kind, "unit": unit, "description": spec.description, "series": []},
        )
        figures = {"value": entry.value * factor}
        if spec.kind == "histogram":
            figures = _distribution(Distribution.of(entry), factor)
        metric["series"].append({"attributes": dict(entry.attributes), **figures})
    return list(metrics.values())


def _distribution(distribution: Distribution, factor: float) -> dict[str, Any]:
    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor

    return {
        "count": distribution.count,
        "sum": distribution.sum * factor,
        "min": scaled(distribution.minimum),
        "mean": scaled(distribution.mean),
        "max": scaled(distribution.maximum),
        **{f"p{percent}": scaled(distribution.percentile(percent)) for percent in _PERCENTILES},
        "buckets": [
            {"le": bound if bound is None else bound * factor, "count": count}
            for bound, count in zip((*distribution.bounds, None), distribution.buckets, strict=False)
        ],
    }


def _finite(value: Any) -> Any:
    """The same with null for NaN and the infinities, which JSON does not have, and with text for what it does not
    know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value if value is None or isinstance(value, (str, int)) else str(value)
