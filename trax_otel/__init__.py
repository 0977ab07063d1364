# The package itself is two names; everything else is imported from its room (trax_otel.logging, .errors, .metrics, …).
# No room's name may be bound here: `from trax_otel import logging` must find the room.
"""Observability and resilience for Python services, in OpenTelemetry's own terms.

PYTEST_DONT_REWRITE: under `trax-otel run` this is imported before pytest can rewrite its plugins, which pytest warns of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import guarded  # noqa: F401  # first: OpenTelemetry's API is imported there without the values that it fails on
from .version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .sdk import Telemetry

__all__ = ["__version__", "configure"]


def configure(
    *,
    service_name: str | None = None,
    endpoint: str | None = None,
    protocol: str | None = None,
    headers: Mapping[str, str] | None = None,
    resource_attributes: Mapping[str, str | bool | int | float] | None = None,
    sampler: str | None = None,
    ratio: float | None = None,
    log_level: str | int | None = None,
    metrics: bool | None = None,
    logs: bool | None = None,
    console: bool | None = None,
    config_file: str | os.PathLike[str] | None = None,
    exit_timeout: float | None = None,
) -> Telemetry:
    """Set up traces, metrics and logs of this process and export them over OTLP.

    What is not given comes from the environment (`OTEL_*`, `TRAX_*`), the configuration file, or its default. Providers
    that the application has set, or sets later, stay in force. The same call again returns the same object; other
    arguments set up anew.

    Args:
        service_name: the service's name; by default it follows from the command.
        endpoint: base URL, `http://localhost:4318` (gRPC: 4317) by default; `/v1/traces` and so on are appended.
        protocol: `http/protobuf` (default) or `grpc` (needs `trax-otel[grpc]`).
        headers: sent with every export.
        resource_attributes: laid over what is detected.
        sampler: as OTEL_TRACES_SAMPLER, such as `always_on` or `parentbased_traceidratio`.
        ratio: share of traces kept, 0 to 1.
        log_level: the least level of log records that is exported, such as `INFO`; also set on the root logger.
        metrics: False exports no metrics.
        logs: False exports no log records.
        console: also print all telemetry to stdout.
        config_file: the JSON file with `TRAX_*` settings.
        exit_timeout: seconds that the end of the process may take, for all signals together; 5 by default.

    Returns:
        A handle with `flush()` and `shutdown()`; neither is needed at a normal end of the process.

    Raises:
        trax_otel.errors.InvalidConfigError: a value cannot be used; its message is one line that says which and why.
    """
    from . import sdk

    return sdk.configure(
        service_name=service_name,
        endpoint=endpoint,
        protocol=protocol,
        headers=headers,
        resource_attributes=resource_attributes,
        sampler=sampler,
        ratio=ratio,
        log_level=log_level,
        metrics=metrics,
        logs=logs,
        console=console,
        config_file=config_file,
        exit_timeout=exit_timeout,
    )
