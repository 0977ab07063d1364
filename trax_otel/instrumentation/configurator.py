"""The configurator: everything that zero code sets up, in its order."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any, Final

from .. import config, lifecycle
from .correlation import install_correlation
from .hint import say_hint
from .hooks import install_hooks
from .imports import when_imported
from .jobs import adopt_job_libraries
from .loggers import adopt_log_libraries
from .propagation import carry_context
from .refusals import tell_refusals
from .servers import install_servers
from .sqlite_queries import observe_short_queries
from .start import disabled
from .worker_threads import carry_into_worker_threads

LEVEL_VARIABLE: Final = "TRAX_LOG_LEVEL"


class TraxConfigurator:
    """`OTEL_PYTHON_CONFIGURATOR=trax`."""

    def configure(self, **_: Any) -> None:
        """Set up export, hooks and propagation. A step that fails is named in one line; the others go on."""
        if disabled():
            return
        for step in (
            _set_up_sdk, _set_level, install_hooks, carry_context, carry_into_worker_threads, install_correlation,
            install_servers, _watch_ends, adopt_log_libraries, adopt_job_libraries, observe_short_queries, tell_refusals,
            say_hint,
        ):  # fmt: skip
            try:
                step()
            except Exception as error:  # the service comes first
                lifecycle.report(f"{step.__name__.strip('_')} failed: {type(error).__name__}: {error}")


def _set_up_sdk() -> None:
    from ..sdk import configure_from_environment

    configure_from_environment()


def _set_level() -> None:
    """Only where the user asked for a level: the root logger's own default holds otherwise, as without us."""
    if os.environ.get(LEVEL_VARIABLE):
        logging.getLogger().setLevel(config.settings().logging.level)


def _watch_ends() -> None:
    """Programs whose processes end in ways of their own must flush before, whenever they are imported."""
    for name in lifecycle.HOOKED_MODULES:
        when_imported(name, partial(lifecycle.hook_program, name))
