"""Getting a logger, and setting logging up and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import config as switches
from . import installation
from .config import LoggingConfig, resolve
from .debug import enable_debug, suspended
from .security import register_security_counts

if TYPE_CHECKING:
    from ..config import LoggingSettings

get_logger = installation.get_logger


def initialize_logging(config: LoggingConfig | None = None) -> LoggingSettings:
    """Set logging up as `config`, environment and file say; returns the settings in force.

    Handlers go on the root logger, beside whatever is there. Called again with the same outcome it does nothing, with
    another it replaces its own set-up. `shutdown_logging` undoes it.

    Raises:
        InvalidConfigError: a setting is wrong; the message names it, its source and what is allowed. Nothing was changed.
    """
    settings = resolve(config)
    with suspended():
        installation.install(settings)
    register_security_counts()
    if switches.debug():
        enable_debug()
    return settings


def shutdown_logging() -> None:
    """Undo `initialize_logging`: handlers, level and loggers are as before. Without it nothing happens."""
    with suspended():
        installation.uninstall()
