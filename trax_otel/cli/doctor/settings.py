"""The environment: what is set, what cannot be used, what nobody knows. Read by the code that a service reads it by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ... import config
from ...config.fields import BY_VARIABLE, OTHER_VARIABLES, nearest
from ...config.loading import PREFIX, SECRET_NAME
from ...guarded import is_offered
from ...sdk import checks, environment, temporality
from ...sdk.propagators import propagators
from ...sdk.resource import build_resource
from ...sdk.samplers import id_generator, sampler
from .finding import Finding

if TYPE_CHECKING:
    from ...sdk.environment import Problems

MISSPELT: Final = 0.9
"""How alike an unknown name must be to a known one: instrumentations have variables of their own in great number."""
PROXIES: Final = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy")
_PATHS: Final = ("_FILE", "_CERTIFICATE", "_KEY")
_OTLP: Final = ("ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE",
                "CLIENT_KEY", "INSECURE")  # fmt: skip
_OTHERS: Final = ("OTEL_CONFIG_FILE", "OTEL_SEMCONV_STABILITY_OPT_IN", "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN")


def check(environ: Mapping[str, str]) -> list[Finding]:
    """What is set, and what of it cannot be used."""
    findings = [_set(environ)]
    problems = list(dict.fromkeys(unusable(environ)))
    findings += [
        Finding("environment.value", "error", problem, "its default holds", "correct the value, or unset it")
        for problem in problems
    ]
    findings += [
        Finding("environment.unknown", "warning", line, "it has no effect", "correct the name, or unset it")
        for line in _unknown(environ)
    ]
    if len(findings) == 1:
        findings.append(Finding("environment.value", "ok", "all values can be used"))
    return findings


def _set(environ: Mapping[str, str]) -> Finding:
    shown = [
        _shown(name, value)
        for name, value in sorted(environ.items())
        if value and (name.startswith(("OTEL_", PREFIX)) or name.lower() in PROXIES)
    ]
    if not shown:
        return Finding("environment.variables", "ok", "no variable is set of OTEL_*, TRAX_* and proxies")
    are = "variable is" if len(shown) == 1 else "variables are"
    return Finding("environment.variables", "ok", f"{len(shown)} {are} set", ", ".join(shown))


def _shown(name: str, value: str) -> str:
    if name.endswith("_HEADERS"):
        names = [entry.partition("=")[0].strip() for entry in value.split(",") if "=" in entry]
        return f"{name} ({', '.join(names)})"
    if re.search(SECRET_NAME, name) and not name.endswith(_PATHS):
        return f"{name} (not shown)"
    return f"{name}={value}"


# --- Values -------------------------------------------------------------------------------------------------------


def unusable(environ: Mapping[str, str]) -> Problems:
    """A line for each value that cannot be used."""
    problems: Problems = [
        str(found) for found in config.load(environ=environ)[1] if "no such variable" not in str(found)
    ]
    for signal in environment.SIGNALS:
        for name in environment.exporter_names(environ, signal):
            if environment.is_otlp(name):
                environment.endpoint(environ, signal, problems, name)
            elif not is_offered(f"opentelemetry_{signal}_exporter", name):
                problems.append(f"OTEL_{signal.upper()}_EXPORTER={name!r}: must be otlp, console, none or an exporter "
                                "that is installed")  # fmt: skip
    for signal in ("traces", "logs"):
        environment.batching(environ, signal, problems)
    environment.metric_interval(environ, problems)
    readers: tuple[Callable[[Mapping[str, str], Problems], object], ...] = (
        sampler, id_generator, temporality.preferred, temporality.histograms, temporality.exemplar_filter, build_resource,
    )  # fmt: skip
    for read in readers:
        read(environ, problems)
    propagators(environ, problems)
    checks.check(environ, problems)
    return problems


# --- Names --------------------------------------------------------------------------------------------------------


def _unknown(environ: Mapping[str, str]) -> list[str]:
    lines = [str(found) for found in config.load(environ=environ)[1] if "no such variable" in str(found)]
    known = _known_names()
    for name in sorted(environ):
        if name.startswith("OTEL_") and name not in known:
            meant = nearest(name, known, MISSPELT)
            if meant is not None:
                lines.append(f"environment: {name}: no such variable; did you mean {meant}?")
    return lines


def _known_names() -> set[str]:
    """All names that the installed packages register, and those that every OTLP exporter has."""
    from importlib.metadata import entry_points

    known = {*BY_VARIABLE, *OTHER_VARIABLES, *_OTHERS}
    known |= {f"OTEL_EXPORTER_OTLP_{part}" for part in _OTLP}
    known |= {f"OTEL_EXPORTER_OTLP_{one.upper()}_{part}" for one in environment.SIGNALS for part in _OTLP}
    for entry_point in entry_points(group="opentelemetry_environment_variables"):
        try:
            module = entry_point.load()
        except Exception:  # another package's affair
            continue
        known |= {value for name, value in vars(module).items() if name.startswith("OTEL_") and isinstance(value, str)}
    return known
