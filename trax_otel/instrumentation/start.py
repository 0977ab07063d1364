"""What starts telemetry in an interpreter under `trax-otel run`. It never keeps the service from starting."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Final

from .. import lifecycle
from ..guarded import is_offered, replaced
from ..remarks import overheard

DISABLED_VARIABLE: Final = "OTEL_SDK_DISABLED"
LOADER_LOGGER: Final = "opentelemetry.instrumentation.auto_instrumentation._load"
CHOICES: Final = {
    "OTEL_PYTHON_DISTRO": "opentelemetry_distro",
    "OTEL_PYTHON_CONFIGURATOR": "opentelemetry_configurator",
}
AUTOSTART: Final = Path(__file__).parent / "autostart"
"""The folder for PYTHONPATH."""


def start() -> None:
    """Run OpenTelemetry's auto-instrumentation with the distro and configurator that the environment names."""
    if disabled() or _is_ours(sys.orig_argv) or _tracks_resources(sys.orig_argv):
        return
    try:
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        with replaced(chosen_instead()), overheard(LOADER_LOGGER) as remarks:
            initialize()
        _repeat(remarks)
    except Exception as error:  # the service comes first
        lifecycle.report(f"telemetry could not be started: {type(error).__name__}: {error}")


def chosen_instead() -> dict[str, str]:
    """Ours, where the environment names a distro or a configurator that no installed package offers; this is said."""
    instead = {}
    for name, group in CHOICES.items():
        chosen = os.environ.get(name, "").strip()
        if chosen not in {"", "trax"} and not is_offered(group, chosen):
            lifecycle.report_once(f"{name}={chosen!r}: must be trax, or one that is installed")
            instead[name] = "trax"
    return instead


def _repeat(remarks: list[str]) -> None:
    """Versions that do not fit and the like: for people at a terminal; a service's stderr stays its own."""
    from .hint import wanted

    if remarks and wanted():
        for remark in remarks:
            lifecycle.report(" ".join(remark.split()))


def disabled() -> bool:
    """Whether OTEL_SDK_DISABLED is true."""
    return os.environ.get(DISABLED_VARIABLE, "").strip().lower() == "true"


def _is_ours(words: list[str]) -> bool:
    """Whether this interpreter runs our own command line: the embedded endpoint must not observe itself."""
    for word, following in zip(words[1:], [*words[2:], ""], strict=False):
        if word == "-m":
            return following == "trax_otel"
        if not word.startswith("-"):
            return Path(word).name == "trax-otel"
    return False


def _tracks_resources(words: list[str]) -> bool:
    """Whether this is multiprocessing's own helper, which runs no code of the application's.

    It begins with each use of spawn or forkserver, and would be one more instance that loads all there is and lives on.
    """
    return any(
        word == "-c" and code.startswith("from multiprocessing.resource_tracker import")
        for word, code in pairwise(words)
    )
