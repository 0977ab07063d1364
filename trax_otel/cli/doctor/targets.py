"""Where each signal goes, as the SDK's room resolves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import config
from ...sdk import environment
from . import declared
from .finding import Finding

if TYPE_CHECKING:
    from ...sdk.environment import Endpoint, Problems, Signal


@dataclass(frozen=True)
class Target:
    """One signal's OTLP endpoint; None where nothing is sent, and why."""

    signal: Signal
    endpoint: Endpoint | None
    reason: str = ""

    @property
    def server(self) -> tuple[object, ...]:
        """What must be the same for one connection to tell about another."""
        end = self.endpoint
        return () if end is None else (end.protocol, end.address, end.certificate, end.client_certificate)


def resolve(environ: Mapping[str, str], problems: Problems) -> list[Target]:
    """One target a signal; what OTEL_CONFIG_FILE says goes before the variables, as in a service."""
    if environment.disabled(environ):
        return [Target(signal, None, "OTEL_SDK_DISABLED=true: nothing is sent") for signal in environment.SIGNALS]
    if declared.path(environ):
        return _declared(environ, problems)
    return [_target(environ, signal, problems) for signal in environment.SIGNALS]


def _target(environ: Mapping[str, str], signal: Signal, problems: Problems) -> Target:
    if signal == "metrics" and not config.load(environ=environ)[0].metrics.export_enabled:
        return Target(signal, None, "TRAX_METRICS_EXPORT_ENABLED=false: no metric leaves the process")
    found = otlp_endpoint(environ, signal, problems)
    if found is None:
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        what = "nothing is sent" if not environment.exporter_names(environ, signal) else "nothing of it is OTLP"
        return Target(signal, None, f"{variable}={environ.get(variable, '').strip()}: {what}")
    return Target(signal, found)


def otlp_endpoint(environ: Mapping[str, str], signal: Signal, problems: Problems) -> Endpoint | None:
    """Where the variables send a signal by OTLP; None where they do not."""
    name = next((name for name in environment.exporter_names(environ, signal) if environment.is_otlp(name)), None)
    return None if name is None else environment.endpoint(environ, signal, problems, name)


def _declared(environ: Mapping[str, str], problems: Problems) -> list[Target]:
    try:
        found = declared.variables(environ)
    except declared.UnreadableError:  # said by `check`
        return [Target(signal, None, "OTEL_CONFIG_FILE cannot be used") for signal in environment.SIGNALS]
    return [
        Target(signal, None, "OTEL_CONFIG_FILE has no OTLP exporter for it")
        if found[signal] is None
        else Target(signal, environment.endpoint(found[signal] or {}, signal, problems))
        for signal in environment.SIGNALS
    ]


def unused(targets: list[Target]) -> list[Finding]:
    """A line for each signal that goes nowhere."""
    return [
        Finding(f"send.{target.signal}", "skipped", f"{target.signal}: not sent", target.reason, "", target.signal)
        for target in targets
        if target.endpoint is None
    ]
