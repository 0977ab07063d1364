"""One line at the start, for people: which installed libraries are not instrumented here."""

from __future__ import annotations

import os
import sys
from typing import Final

from .. import config, lifecycle
from .fitting import SEEN_TO, installed_versions, name_of

_SAID: Final = "_TRAX_SAID_HINT"
MAX_NAMED: Final = 8


def say_hint() -> None:
    """Say it where stderr is a terminal, once for a process and its children; `TRAX_QUIET=1` stops it."""
    if os.environ.get(_SAID) or not wanted():
        return
    os.environ[_SAID] = "1"
    missing = uninstrumented()
    if missing:
        named = ", ".join(missing[:MAX_NAMED]) + (" …" if len(missing) > MAX_NAMED else "")
        lifecycle.report(
            f"without instrumentation: {named}. `trax-otel bootstrap` adds what fits (TRAX_QUIET=1 stops this line)"
        )


def wanted() -> bool:
    """Whether anybody is there to read hints: stderr is a terminal, and they were not stopped."""
    return not config.settings().runtime.quiet and _on_terminal()


def _on_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


def uninstrumented() -> list[str]:
    """Installed libraries that OpenTelemetry could instrument and does not here.

    Those whose instrumentation is not installed, by name; those whose version it refuses, with what it is for.
    """
    from opentelemetry.instrumentation.bootstrap_gen import libraries

    installed = installed_versions()
    found: dict[str, list[str]] = {}
    for entry in libraries:
        library, instrumentation = name_of(entry["library"]), name_of(entry["instrumentation"])
        if library in installed and library not in SEEN_TO:
            refused = _refusal(entry["library"], installed[library]) if instrumentation in installed else library
            found.setdefault(library, []).append(refused)
    return sorted(max(refusals, key=len) for refusals in found.values() if all(refusals))


def _refusal(requirement: str, version: str) -> str:
    """Says so where an instrumentation is not for the version that is installed; else empty."""
    from packaging.requirements import Requirement
    from packaging.version import InvalidVersion

    wanted_versions = Requirement(requirement)
    try:
        fits = wanted_versions.specifier.contains(version)
    except InvalidVersion:  # its instrumentation cannot tell either
        return ""
    return "" if fits else f"{name_of(requirement)} {version} (its instrumentation is for {wanted_versions.specifier})"
