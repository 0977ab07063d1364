# Settings: defaults < JSON file < environment < arguments.
#
#   sections   the frozen sections and their defaults
#   fields     the one table: every key, its variable, what it may be, what it does
#   loading    from the four sources to Settings, with a Problem for each value that cannot be taken
#   current    the settings in force and the run-time switches
#   reference  docs/configuration.md
"""What can be set, where it comes from, and what is in force. Nothing here raises."""

from .current import debug, on_debug_change, reload, set_debug, settings, use_settings
from .fields import FIELDS, Field, nearest
from .loading import Problem, load
from .sections import (
    UNSET,
    LoggingSettings,
    MetricsSettings,
    RecoverySettings,
    RetrySettings,
    RuntimeSettings,
    Section,
    Settings,
    Unset,
)

__all__ = [
    "FIELDS",
    "UNSET",
    "Field",
    "LoggingSettings",
    "MetricsSettings",
    "Problem",
    "RecoverySettings",
    "RetrySettings",
    "RuntimeSettings",
    "Section",
    "Settings",
    "Unset",
    "debug",
    "load",
    "nearest",
    "on_debug_change",
    "reload",
    "set_debug",
    "settings",
    "use_settings",
]
