"""Packages: whether they can be imported, fit each other, and conflict with none that is known."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions, entry_points
from typing import Any, Final

from ...version import __version__
from .finding import Finding

OLDEST: Final = (3, 10)
_FAMILY: Final = ("opentelemetry-", "trax-otel")
_RELATED: Final = frozenset({"grpcio", "googleapis-common-protos"})
_NEEDED: Final = (
    "opentelemetry.sdk.trace", "opentelemetry.sdk._logs", "opentelemetry.sdk.metrics",
    "opentelemetry.exporter.otlp.proto.common.trace_encoder", "opentelemetry.instrumentation.distro",
)  # fmt: skip
AGENTS: Final = {
    "ddtrace": "Datadog's tracer", "newrelic": "New Relic's agent", "elastic-apm": "Elastic's agent",
    "scout-apm": "Scout's agent", "appdynamics": "AppDynamics' agent", "instana": "Instana's agent",
}  # fmt: skip
"""Agents that patch the same libraries with a way of their own."""
_OWN: Final = "trax"
ORDINARY: Final = frozenset({"distro", "otel", _OWN})
"""Distributions of OpenTelemetry and ours; `distro` is opentelemetry-distro's."""


def importable() -> list[Finding]:
    """What is needed for all else; a finding for each part that cannot be imported."""
    found = []
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except Exception as error:  # protobuf refuses with errors of its own
            found.append(
                Finding("versions.import", "error", f"{name} cannot be imported", f"{type(error).__name__}: {error}",
                        "pip install --upgrade trax-otel opentelemetry-sdk opentelemetry-exporter-otlp-proto-common "
                        "protobuf; pip check names what does not fit", name)
            )  # fmt: skip
            break  # the next would fail for the same reason
    return found


def check(environ: Mapping[str, str]) -> list[Finding]:
    """All of it."""
    from packaging.utils import canonicalize_name

    installed: dict[str, Distribution] = {
        canonicalize_name(one.metadata["Name"]): one for one in distributions() if one.metadata["Name"]
    }
    version = platform.python_version()
    found = [_python(version), *_unfit(installed), *_protobuf(), *_agents(installed), *_distros(environ)]
    return [*found, *_instrumentations()]


def _python(version: str) -> Finding:
    if sys.version_info < OLDEST:
        return Finding("versions.python", "error", f"Python {version} is too old", "", "use 3.10 or later")
    return Finding("versions.python", "ok", f"Python {version}, trax-otel {__version__}")


# --- What fits ----------------------------------------------------------------------------------------------------


def _unfit(installed: Mapping[str, Distribution]) -> Iterator[Finding]:
    """What `pip check` would say of OpenTelemetry's packages: installers can be told to leave it."""
    family = {name: one for name, one in installed.items() if name.startswith(_FAMILY) or name in _RELATED}
    wrong = [line for name, one in sorted(family.items()) for line in _unmet(name, one, installed)]
    for line in wrong:
        yield Finding(
            "versions.packages", "error", line, "", "pip install --upgrade trax-otel, and pip check for the rest"
        )
    if not wrong:
        versions = {
            name: installed[name].version for name in ("opentelemetry-api", "opentelemetry-sdk") if name in installed
        }
        exporters = {name: one.version for name, one in family.items() if "-exporter-otlp-proto-" in name}
        yield Finding("versions.packages", "ok", f"{len(family)} packages of OpenTelemetry fit each other",
                      ", ".join(f"{name} {version}" for name, version in {**versions, **exporters}.items()))  # fmt: skip


def _unmet(name: str, one: Distribution, installed: Mapping[str, Distribution]) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in one.requires or ():
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        present = installed.get(canonicalize_name(wanted.name))
        if present is None:
            yield f"{name} {one.version} needs {wanted.name}, which is not installed"
        elif not wanted.specifier.contains(present.version, prereleases=True):
            yield f"{name} {one.version} needs {wanted.name} {wanted.specifier}, and {present.version} is installed"


def _protobuf() -> Iterator[Finding]:
    try:
        from google.protobuf.internal import api_implementation
    except Exception:  # said by `importable`
        return
    if api_implementation.Type() == "python":
        why = (
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION" if os.environ.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION") else ""
        )
        yield Finding("versions.protobuf", "warning", "protobuf runs in pure Python: every export costs far more time",
                      f"{why}=python" if why else "its compiled part is missing",
                      f"unset {why}" if why else "pip install --force-reinstall protobuf, from a wheel")  # fmt: skip


# --- Conflicts ----------------------------------------------------------------------------------------------------


def _agents(installed: Mapping[str, Distribution]) -> Iterator[Finding]:
    for name, what in AGENTS.items():
        if name in installed:
            yield Finding("conflicts.agent", "warning", f"{what} is installed too: {name} {installed[name].version}",
                          "both patch the same libraries: calls are wrapped twice where both run",
                          "run the service with one of them", name)  # fmt: skip


def _distros(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable, group in (("OTEL_PYTHON_DISTRO", "opentelemetry_distro"),
                            ("OTEL_PYTHON_CONFIGURATOR", "opentelemetry_configurator")):  # fmt: skip
        chosen = environ.get(variable, "").strip()
        names = sorted({point.name for point in entry_points(group=group)} - {_OWN})
        if chosen and chosen != _OWN:
            yield Finding("conflicts.distro", "warning", f"{variable}={chosen}: that one sets telemetry up, not trax-otel",
                          "", f"unset it, or set {variable}={_OWN}", chosen)  # fmt: skip
        elif names and not chosen:
            yield Finding("conflicts.distro", "ok", f"other {group.partition('_')[2]}s are installed: {', '.join(names)}",
                          "trax-otel run chooses its own",
                          f"with opentelemetry-instrument set {variable}={_OWN}: the first found wins")  # fmt: skip


def _instrumentations() -> Iterator[Finding]:
    from ...instrumentation.hint import uninstrumented

    try:
        lines: list[Any] = uninstrumented()
    except Exception as error:  # another package's metadata
        yield Finding(
            "versions.instrumentation", "skipped", "instrumentations: not checked", f"{type(error).__name__}: {error}"
        )
        return
    refused = [line for line in lines if "(" in line]
    for line in refused:
        yield Finding("versions.instrumentation", "warning", f"not instrumented: {line}", "its calls make no spans",
                      "install a version of the library, or of its instrumentation, that fits", line.split()[0])  # fmt: skip
    missing = [line for line in lines if line not in refused]
    if not refused:
        yield Finding("versions.instrumentation", "ok", "no instrumentation refuses its library",
                      f"installed without one: {', '.join(missing)}" if missing else "",
                      "trax-otel bootstrap" if missing else "")  # fmt: skip
