"""The configurator: everything that zero code sets up, in its order."""

from __future__ import annotations

import logging
import os
from typing import Any, Final

from .. import config, lifecycle
from .correlation import install_correlation
from .hint import say_hint
from .hooks import install_hooks
from .imports import when_imported
from .patching import watch_patching
from .propagation import carry_context
from .start import disabled

LEVEL_VARIABLE: Final = "TRAX_LOG_LEVEL"


class TraxConfigurator:
    """`OTEL_PYTHON_CONFIGURATOR=trax`."""

    def configure(self, **_: Any) -> None:
        """Set up export, hooks and propagation. A step that fails is named in one line; the others go on."""
        if disabled():
            return
        for step in (_watch_patching, _set_up_sdk, _set_level, install_hooks, carry_context, install_correlation, _watch_multiprocessing,
                     say_hint):  # fmt: skip
            try:
                step()
            except Exception as error:  # the service comes first
                lifecycle.report(f"{step.__name__.strip('_')} failed: {type(error).__name__}: {error}")


def _watch_patching() -> None:
    watch_patching(lambda: None)


def _set_up_sdk() -> None:
    from ..sdk import configure_from_environment

    configure_from_environment()


def _set_level() -> None:
    """Only where the user asked for a level: the root logger's own default holds otherwise, as without us."""
    if os.environ.get(LEVEL_VARIABLE):
        logging.getLogger().setLevel(config.settings().logging.level)


def _watch_multiprocessing() -> None:
    """Children of multiprocessing leave by `os._exit`: they must flush before, whenever that module is imported."""
    when_imported("multiprocessing.util", lifecycle.hook_multiprocessing)
