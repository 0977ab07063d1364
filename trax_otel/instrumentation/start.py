"""What starts telemetry in an interpreter under `trax-otel run`. It never keeps the service from starting."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

from .. import lifecycle

DISABLED_VARIABLE: Final = "OTEL_SDK_DISABLED"
LOADER_LOGGER: Final = "opentelemetry.instrumentation.auto_instrumentation._load"
AUTOSTART: Final = Path(__file__).parent / "autostart"
"""The folder for PYTHONPATH."""


def start() -> None:
    """Run OpenTelemetry's auto-instrumentation with the distro and configurator that the environment names."""
    if disabled() or _is_ours(sys.orig_argv) or _tracks_resources(sys.orig_argv):
        return
    try:
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        with _overheard(LOADER_LOGGER) as remarks:
            initialize()
        _repeat(remarks)
    except Exception as error:  # the service comes first
        lifecycle.report(f"telemetry could not be started: {type(error).__name__}: {error}")


@contextmanager
def _overheard(name: str) -> Iterator[list[str]]:
    """What a logger says inside the block is collected instead of printed by Python's handler of last resort."""
    remarks: list[str] = []

    def overhear(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            remarks.append(record.getMessage())
        return False

    logger = logging.getLogger(name)
    logger.addFilter(overhear)
    try:
        yield remarks
    finally:
        logger.removeFilter(overhear)


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
