"""`LoggingConfig`: what `initialize_logging` takes. A field that is not passed falls through to environment, file, default."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Literal

from .. import config, errors
from ..config import UNSET, LoggingSettings, Unset


class LoggingConfig(config.Section):
    """How to log. Sizes are bytes, `rotate_every` seconds (None: no rotation by time); see docs/configuration.md."""

    level: str | Unset = UNSET
    log_to_console: bool | Unset = UNSET
    log_to_file: bool | Unset = UNSET
    log_to_json: bool | Unset = UNSET
    log_dir: str | PathLike[str] | Unset = UNSET
    max_file_size: int | Unset = UNSET
    backup_count: int | Unset = UNSET
    rotate_every: float | Unset | None = UNSET
    console_colour: Literal["auto", "always", "never"] | Unset = UNSET


def resolve(given: LoggingConfig | None = None) -> LoggingSettings:
    """The settings that `given`, environment, file and defaults make together.

    Raises:
        InvalidConfigError: some of them cannot be taken; all are named.
    """
    arguments = {} if given is None else given.as_dict()
    if isinstance(arguments.get("log_dir"), PathLike):
        arguments["log_dir"] = fspath(arguments["log_dir"])
    settings, problems = config.load({"logging": arguments})
    if problems:
        raise errors.InvalidConfigError("; ".join(str(problem) for problem in problems))
    return settings.logging
