"""The sections of the settings, frozen, with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, NamedTuple


class Unset(Enum):
    """The type of `UNSET`, so that type checkers know it."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset.UNSET
"""An argument that was not passed: it falls through to environment, file and default."""


class LoggingSettings(NamedTuple):
    """Section `logging`. Sizes are bytes, `rotate_every` seconds."""

    level: str = "INFO"
    log_to_console: bool = True
    log_to_file: bool = True
    log_to_json: bool = True
    log_dir: str = "logs"
    max_file_size: int = 10 * 1024 * 1024
    backup_count: int = 5
    rotate_every: float | None = None
    console_colour: Literal["auto", "always", "never"] = "auto"


class RetrySettings(NamedTuple):
    """Section `retry`. Delays are seconds; `jitter` is a fraction or the name of a full form."""

    max_retries: int = 3
    initial_delay: float = 1.0
    max_delay: float = 30.0
    jitter: float | str | None = 0.1


class RecoverySettings(NamedTuple):
    """Section `recovery`. `timeout` is seconds."""

    enabled: bool = True
    max_fallbacks: int = 3
    timeout: float = 30.0


class MetricsSettings(NamedTuple):
    """Section `metrics`. `health_monitor_interval` is seconds."""

    enabled: bool = True
    health_monitor_interval: float = 60.0
    export_enabled: bool = True
    thresholds: tuple[Mapping[str, Any], ...] = ()
    cardinality_limit: int = 1_000
    operation_resources: bool = False


class RuntimeSettings(NamedTuple):
    """Section `runtime`. `exit_timeout` is seconds."""

    exit_timeout: float = 5.0
    quiet: bool = False
    debug: bool = False
    correlation_headers: tuple[str, ...] = ("X-Correlation-ID", "X-Request-ID")
    propagate_correlation: bool = False


class Settings(NamedTuple):
    """Everything that can be set."""

    logging: LoggingSettings = LoggingSettings()
    retry: RetrySettings = RetrySettings()
    recovery: RecoverySettings = RecoverySettings()
    metrics: MetricsSettings = MetricsSettings()
    runtime: RuntimeSettings = RuntimeSettings()
